"""A PostgreSQL server for one run of the tests, on a UNIX socket in a directory of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from host_controller.store.store import Store

_PLACES = "/usr/lib/postgresql/*/bin"
_USERS = ("postgres", "nobody")


def find_binaries() -> Path | None:
    """Give the directory of initdb and pg_ctl, of the newest version; None where there is none."""
    found = sorted(Path("/").glob(_PLACES.lstrip("/")), key=lambda path: float(path.parent.name))
    on_path = shutil.which("pg_ctl")
    candidates = [*reversed(found), *([Path(on_path).parent] if on_path else [])]
    return next((path for path in candidates if (path / "initdb").exists()), None)


class Server:
    """A running server."""

    def __init__(self, binaries: Path, home: Path) -> None:
        self._binaries, self._home = binaries, home
        self._data = home / "data"
        self._names = count(1)
        self._run("initdb", "-D", str(self._data), "-U", "smsrack", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()

    def start(self) -> None:
        # No test cuts the power of the whole machine: what the system has in memory survives a killed server.
        options = f"-k {self._home} -c listen_addresses='' -c max_connections=300"
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", str(self._home / "log"), "-o", options, "start")

    def kill(self) -> None:
        """As a power cut would end it."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "stop")

    def new_database(self, *, is_empty: bool = False) -> str:
        """Give the URL of a database; where it need not be empty it is a copy of a migrated one."""
        name = f"smsrack{next(self._names)}"
        template = "template1" if is_empty else self._migrated()
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """End it, whoever still holds it: a thousand of them would fill a memory."""
        name = make_url(url).database
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @cache  # noqa: B019 - a server lives as long as the tests
    def _migrated(self) -> str:
        name = "migrated"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        Store(self.url(name)).close()
        return name

    def url(self, name: str) -> str:
        return f"postgresql://smsrack@/{name}?host={self._home}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [*_as_user(), str(self._binaries / program), *arguments]
        done = subprocess.run(command, cwd=self._home, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr + done.stdout


@contextmanager
def running_server(binaries: Path) -> Iterator[Server]:
    """Run one for as long as the block lasts."""
    # The path of a socket may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        home = Path(name)
        user = _user()
        if user is not None:
            os.chown(home, user.pw_uid, user.pw_gid)
        server = Server(binaries, home)
        try:
            yield server
        finally:
            server.kill()  # nothing of it is kept


def _user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: then somebody else owns it."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(names[name] for name in _USERS if name in names)


def _as_user() -> Sequence[str]:
    user = _user()
    return ["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"] if user else []
