"""What tests share: the real adb server, simulated phones in this process, and a client of their control API."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import request_finished
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine

from device_drivers.adb.address import ServerAddress
from device_drivers.adb.server import AdbServer, find_adb
from device_drivers.adb.socket_link import SocketLink
from device_drivers.simulator import RackAddresses, RackOptions, run_rack
from host_controller.store.database_guard import guard_database
from host_controller.store.engines import open_sqlite
from host_controller.store.store import Store
from tests.postgresql import find_binaries, running_server

_MEMORY = Path("/dev/shm")
_MEMORY_WANTED_BYTES = 2 << 30


def _keep_files_in_memory() -> None:
    """Hundreds of databases that live for a second each: on a disk, a run waits minutes for it, in no test's order."""
    room = shutil.disk_usage(_MEMORY).free if os.access(_MEMORY, os.W_OK) else 0
    if room >= _MEMORY_WANTED_BYTES and "TMPDIR" not in os.environ:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


_keep_files_in_memory()
# A client library must never start an adb server of its own accord.
os.environ["ADBUTILS_ADB_PATH"] = "/bin/false"
settings.register_profile(
    "smsrack", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("smsrack")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition: Callable[[], Any], limit_s: float = 20.0, what: str = "the condition") -> Any:
    """Wait for a condition to be true, with a limit; give its value."""
    deadline = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} was not reached within {limit_s} s"
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def _as_described(request):
    """Whatever the APIs answer in the tests' own process, and the bodies that they take, are as their documents say."""
    is_strict = request.node.get_closest_marker("tolerated") is None
    problems = []

    def look(app, response, **_):
        from tests.description import judge

        try:
            problems.extend(judge(app, response, bodies=is_strict))
        except Exception as error:  # in the midst of an answer: it would be taken for a bug of the application
            problems.append(repr(error))

    with request_finished.connected_to(look):
        yield
    assert not problems, "\n".join(problems)


@pytest.fixture(scope="session")
def eventually():
    """Give the function that waits for a condition."""
    return wait_until


class Control:
    """The control API of a simulated rack."""

    def __init__(self, addresses: RackAddresses) -> None:
        self.phones = addresses.phones
        self.url = addresses.control

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return {"status": error.code, **json.load(error)}

    def fault(self, serial: str, kind: str, count: int | None = None) -> None:
        body = {"kind": kind} | ({} if count is None else {"count": count})
        assert "faults" in self.call("POST", f"/phones/{serial}/faults", body)

    def clear(self, serial: str) -> None:
        self.call("DELETE", f"/phones/{serial}/faults")

    def inject(self, serial: str, sender: str, text: str, slot_index: int = 0) -> None:
        self.call("POST", f"/phones/{serial}/inbox", {"from": sender, "text": text, "slot_index": slot_index})

    def air(self) -> list[dict[str, Any]]:
        return self.call("GET", "/air")["air"]

    def rows(self, serial: str) -> list[dict[str, Any]]:
        return self.call("GET", f"/phones/{serial}/messages")["messages"]

    def sims(self, serial: str) -> list[dict[str, Any]]:
        phones = self.call("GET", "/phones")["phones"]
        return next(phone["sims"] for phone in phones if phone["serial"] == serial)


@pytest.fixture(scope="session")
def adb_binary() -> Path:
    return find_adb(os.environ.get("SMSRACK_ADB"))


@pytest.fixture(scope="session")
def adb_port(adb_binary, tmp_path_factory) -> int:
    port = free_port()
    server = AdbServer(adb_binary, ServerAddress(port=port), tmp_path_factory.mktemp("adb"), usb=False)
    server.start()
    yield port
    server.stop()


@pytest.fixture(scope="session")
def link(adb_port) -> SocketLink:
    return SocketLink(ServerAddress(port=adb_port))


@pytest.fixture(scope="session")
def start_rack():
    """Give a function that simulates phones in this process; they end with the session."""
    stops: list[tuple[threading.Event, threading.Thread]] = []

    def start(**changes: Any) -> Control:
        options = replace(RackOptions(phones=2, base_port=0, control_port=0, latency_s=(0.01, 0.03)), **changes)
        ready: list[RackAddresses] = []
        stop = threading.Event()
        thread = threading.Thread(target=run_rack, args=(options, ready.append, stop.wait), daemon=True)
        thread.start()
        stops.append((stop, thread))
        wait_until(lambda: ready, what="a simulated rack")
        return Control(ready[0])

    yield start
    for stop, thread in stops:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def attach(link):
    """Give a function that connects phones to the adb server and waits until they are there."""

    def connect(control: Control) -> Control:
        for serial in control.phones:
            link.attach(serial)
        wait_until(
            lambda: {(p.serial, p.state) for p in link.list_phones()} >= {(s, "device") for s in control.phones},
            what="the phones in adb's list",
        )
        return control

    return connect


@pytest.fixture(scope="session")
def phones(start_rack, attach) -> Control:
    """Two phones, Android 10 and 14, with a raised guard; tests must leave them without faults."""
    return attach(start_rack(guard_max_parts=100_000, seed=11))


@pytest.fixture(scope="session")
def postgresql():
    """Give a running PostgreSQL server."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with running_server(binaries) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def migrated_file(tmp_path_factory):
    """Let a new file of SQLite begin as a copy of a migrated one: to migrate each would take minutes of a run."""
    template = tmp_path_factory.mktemp("store") / "smsrack.db"
    Store(template).close()

    def open_copy(database: Path, busy_limit_s: float) -> Engine:
        if not database.exists() and database.parent.is_dir():
            guard_database(database)
            shutil.copyfile(template, database)
        return open_sqlite(database, busy_limit_s)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("host_controller.store.store.open_sqlite", open_copy)
        yield


@pytest.fixture
def fresh_database(request, tmp_path):
    """Give the function that makes a new database of a kind; only one that `is_empty` has no tables for sure."""

    made = []

    def make(kind: str, *, is_empty: bool = False) -> Path | str:
        if kind == "sqlite":
            return tmp_path / "smsrack.db"
        made.append(request.getfixturevalue("postgresql").new_database(is_empty=is_empty))
        return made[-1]

    yield make
    for url in made:
        request.getfixturevalue("postgresql").drop_database(url)


@pytest.fixture
def database(fresh_database):
    """Where a test's store is; modules that run on both kinds of database say so themselves."""
    return fresh_database("sqlite")
