"""gammu-smsd (Debian's) on its dummy phone, tuned as far as its settings go, with each of its stores."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.host import Message

PROGRAM = "gammu-smsd"
PACKAGES = "gammu-smsd libdbd-sqlite3"
_SCHEMAS = Path("/usr/share/doc/gammu-smsd/examples")
_DRIVERS = "/usr/lib/*/dbd/libdbdsqlite3.so"
# What is as young as the second in which it looks is left until its next turn, half a minute later.
_LONG_AGO = "2020-01-01 00:00:00"
_COLUMNS = (
    "UpdatedInDB",
    "InsertIntoDB",
    "SendingDateTime",
    "SendingTimeOut",
    "DestinationNumber",
    "TextDecoded",
    "Coding",
    "CreatorID",
)
# No pause between two messages, no looks at the phone in between, no log.
_TUNED = """
PIN = 1234
logfile = /dev/null
debuglevel = 0
LoopSleep = 0
CommTimeout = 1
StatusFrequency = 0
ReceiveFrequency = 3600
CheckSecurity = 0
CheckBattery = 0
CheckSignal = 0
CheckNetwork = 0
"""


class Gammu(ABC):
    """A directory of it, with a queue."""

    name: str

    def __init__(self, home: Path) -> None:
        self._home = home
        (home / "phone").mkdir()

    @abstractmethod
    def fill(self, messages: Sequence[Message]) -> None:
        """Queue these."""

    @abstractmethod
    def sent(self) -> int:
        """How many it has sent."""

    @abstractmethod
    def _service(self) -> str:
        """Its settings that name the store."""

    @contextmanager
    def running(self) -> Iterator[int]:
        """Run it for as long as the block lasts; gives its process id."""
        config = self._home / "smsdrc"
        phone = f"[gammu]\ndevice = {self._home / 'phone'}\nmodel = dummy\nconnection = none\n"
        config.write_text(f"{phone}[smsd]\n{self._service()}{_TUNED}")
        nothing = subprocess.DEVNULL
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        process = subprocess.Popen([PROGRAM, "-c", str(config)], stdout=nothing, stderr=nothing, env=environment)
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(60)


class GammuSqlite(Gammu):
    """Its SQL service on SQLite."""

    name = "gammu-smsd, SQLite"

    @property
    def _database(self) -> Path:
        return self._home / "smsd.db"

    def fill(self, messages: Sequence[Message]) -> None:
        """See Gammu."""
        marks = ", ".join("?" * len(_COLUMNS))
        with closing(sqlite3.connect(self._database)) as db:
            db.executescript((_SCHEMAS / "sqlite.sql").read_text())
            db.executemany(f"INSERT INTO outbox ({', '.join(_COLUMNS)}) VALUES ({marks})", map(_values, messages))  # noqa: S608
            db.commit()

    def sent(self) -> int:
        """See Gammu."""
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=30)) as db:
            return int(db.execute("SELECT count(*) FROM sentitems").fetchone()[0])

    def _service(self) -> str:
        return f"service = sql\ndriver = sqlite3\ndatabase = {self._database.name}\ndbdir = {self._home}/\n"


class GammuFiles(Gammu):
    """A directory with a file for each message; nothing of it is synced to the disk."""

    name = "gammu-smsd, files"

    def fill(self, messages: Sequence[Message]) -> None:
        """See Gammu."""
        for box in ("inbox", "outbox", "sent", "error"):
            (self._home / box).mkdir()
        for number, (to, text) in enumerate(messages):
            name = f"OUTA20200101_000000_{number:07d}_{to}_bench.txt"
            (self._home / "outbox" / name).write_text(text, encoding="utf-8")

    def sent(self) -> int:
        """See Gammu."""
        return len(os.listdir(self._home / "sent"))

    def _service(self) -> str:
        boxes = {"Inbox": "inbox", "Outbox": "outbox", "SentSMS": "sent", "ErrorSMS": "error"}
        return "service = files\n" + "".join(f"{key}Path = {self._home / box}/\n" for key, box in boxes.items())


class GammuPostgresql(Gammu):
    """Its SQL service on a PostgreSQL server, whose CPU is not counted as its own."""

    name = "gammu-smsd, PostgreSQL"

    def __init__(self, home: Path, url: str) -> None:
        """`url` names an empty database on a UNIX socket: `postgresql://user@/name?host=directory`."""
        super().__init__(home)
        self._url = url

    def fill(self, messages: Sequence[Message]) -> None:
        """See Gammu."""
        schema = (_SCHEMAS / "pgsql.sql").read_text().replace("CREATE LANGUAGE plpgsql;", "")  # it is there
        columns = ", ".join(f'"{name}"' for name in _COLUMNS)
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(schema)
            with cursor.copy(f"COPY outbox ({columns}) FROM STDIN") as copy:
                for message in messages:
                    copy.write_row(_values(message))
            cursor.execute("ANALYZE outbox")

    def sent(self) -> int:
        """See Gammu."""
        with self._connect() as connection:
            return int(connection.execute("SELECT count(*) FROM sentitems").fetchone()[0])

    def _service(self) -> str:
        user, rest = self._url.removeprefix("postgresql://").split("@/")
        name, host = rest.split("?host=")
        return f"service = sql\ndriver = native_pgsql\nhost = {host}\nuser = {user}\ndatabase = {name}\n"

    def _connect(self) -> Any:
        import psycopg  # only who measures with it needs it

        return psycopg.connect(self._url)


def what_is_missing() -> str | None:
    """Say what has to be installed before it can run, None for nothing."""
    parts_are_there = shutil.which(PROGRAM) and (_SCHEMAS / "sqlite.sql").exists() and any(Path("/").glob(_DRIVERS[1:]))
    return None if parts_are_there else f"B5 needs gammu-smsd with its examples: apt-get install {PACKAGES}"


def _values(message: Message) -> tuple[str, ...]:
    to, text = message
    return _LONG_AGO, _LONG_AGO, _LONG_AGO, _LONG_AGO, to, text, "Unicode_No_Compression", "bench"
