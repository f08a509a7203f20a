"""The real daemon as a process on simulated phones, and what it and its adb server use."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rack import cpu_s, free_port, wait_for
from device_drivers.adb.address import ServerAddress
from device_drivers.adb.listener import find_listener
from host_controller.client import ApiClient, open_api
from host_controller.settings import load_settings

Message = tuple[str, str]
"""Number and text."""
DAEMON = "host_controller"
_BULK = 1000
_UP_LIMIT_S, _DOWN_LIMIT_S = 60.0, 90.0
_STEP_S = 0.1
_LOOK_S = 0.5


@dataclass(frozen=True)
class Usage:
    """A moment, and the CPU that was used until then."""

    at_s: float
    daemon_s: float
    adb_s: float

    def __sub__(self, earlier: Usage) -> Usage:
        """What was used between two moments."""
        return Usage(self.at_s - earlier.at_s, self.daemon_s - earlier.daemon_s, self.adb_s - earlier.adb_s)


class Host:
    """One data directory, and the daemon on it when it runs."""

    def __init__(
        self,
        home: Path,
        phones: Sequence[str],
        parts_per_minute: int,
        *,
        scale: float = 1.0,
        data_dir: Path | None = None,
    ) -> None:
        """`scale` shortens the daemon's waits; `data_dir` is one in `home` unless it is given."""
        self.data_dir, self.config, self.log = data_dir or home / "d", home / "smsrack.toml", home / "log"
        self.database = self.data_dir / "smsrack.db"
        self._process: subprocess.Popen[bytes] | None = None
        self.start_s = 0.0
        """From the last launch until it answered."""
        connect = ", ".join(f'"{serial}"' for serial in phones)
        self.config.write_text(
            f'data_dir = "{self.data_dir}"\ntimings_scale = {scale}\n[web]\nport = {free_port()}\n'
            f"[phones]\nenrol_all = true\n[adb]\nusb = false\nconnect = [{connect}]\n"
            f"[new_sims]\nparts_per_minute = {parts_per_minute}\nparts_per_day = 1000000\n"
            # The same few numbers are written to again and again.
            "[repeats]\nrecipient_per_hour = {}\nsame_text = {}\n"
        )

    def launch(self, module: str = DAEMON, environment: Mapping[str, str] | None = None) -> None:
        """Run `module` as the daemon, and wait until it answers."""
        command = [sys.executable, "-m", module, "run", "--config", str(self.config)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **(environment or {})})
        self.start_s = wait_for(self._is_up, _UP_LIMIT_S)

    def end(self) -> None:
        """End the daemon in good order, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(_DOWN_LIMIT_S)

    @contextmanager
    def running(self, module: str = DAEMON, environment: Mapping[str, str] | None = None) -> Iterator[None]:
        """Run the daemon for as long as the block lasts."""
        try:
            self.launch(module, environment)
            yield
        finally:
            self.end()

    @contextmanager
    def calls(self) -> Iterator[ApiClient]:
        """The API, of the daemon or, where none runs, over the data directory."""
        with open_api(load_settings(self.config)) as api:
            yield api

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The daemon."""
        if self._process is None:
            raise RuntimeError("the daemon was not started")
        return self._process

    def adb_pid(self) -> int:
        """The process of its adb server, 0 if there is none."""
        listener = find_listener(ServerAddress(socket_path=self.data_dir / "adb" / "adb.sock"))
        return listener.pid or 0 if listener else 0

    def usage(self) -> Usage:
        """Now. The daemon and its adb server must run."""
        return Usage(time.monotonic(), cpu_s(self.process.pid), cpu_s(self.adb_pid()))

    def peak_rss_mb(self) -> float:
        """The most memory that the daemon has held so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def rss_mb(self) -> float:
        """The memory that the daemon holds now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def count(self, *states: str) -> int:
        """How many messages are in these states. Asks the file, by its index: the daemon is not disturbed."""
        marks = ", ".join("?" * len(states))
        return int(self.ask(f"SELECT count(*) FROM message WHERE state IN ({marks})", *states)[0][0])  # noqa: S608

    def wait_for_sent(self, count: int, limit_s: float) -> Usage:
        """Wait until so many messages are sent, or none is on its way any more; give that moment."""
        wait_for(lambda: self.count("sent") >= count or not self._has("queued", "submitting"), limit_s, _STEP_S)
        return self.usage()

    def wait_for_intents(self, count: int, limit_s: float) -> Usage:
        """Wait until so many intents are on record; give that moment."""
        wait_for(lambda: self.ask("SELECT count(*) FROM attempt")[0][0] >= count, limit_s, _STEP_S)
        return self.usage()

    def wait_for_submits(self, limit_s: float) -> Usage:
        """Wait until nothing is queued any more; give that moment."""
        wait_for(lambda: not self._has("queued"), limit_s, _STEP_S)
        return self.usage()

    def ask(self, query: str, *values: object) -> list[Any]:
        """Read the database's file."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)) as db:
            return db.execute(query, values).fetchall()

    def change(self, statement: str, *values: object) -> None:
        """Write to the database's file; no daemon may run."""
        with closing(sqlite3.connect(self.database, timeout=30)) as db, db:
            db.execute(statement, values)

    def _has(self, *states: str) -> bool:
        marks = ", ".join("?" * len(states))
        return bool(self.ask(f"SELECT 1 FROM message WHERE state IN ({marks}) LIMIT 1", *states))  # noqa: S608

    def _is_up(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"the daemon ended: {self.log.read_text()[-2000:]}")
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.data_dir / "api.sock")) == 0


def numbered_messages(count: int, first: int = 0) -> list[Message]:
    """Messages, each to a number of its own."""
    return [(f"+42077{n:07d}", f"Zpráva {n}") for n in range(first, first + count)]


def wait_until_ready(api: ApiClient, phones: int, limit_s: float) -> None:
    """Wait until so many phones may send. Raises TimeoutError."""

    def ready() -> int:
        return sum(phone["status"] == "ready" for phone in api.call("GET", "/phones")["phones"])

    wait_for(lambda: ready() == phones, limit_s, _LOOK_S)


@dataclass(frozen=True)
class Queued:
    """What the API accepted."""

    numbers: dict[int, str]
    """By the id of the message."""
    took_s: float


def queue(api: ApiClient, messages: Sequence[Message]) -> Queued:
    """Have messages accepted by the bulk API; what its calls took is timed without the making of their bodies."""
    numbers: dict[int, str] = {}
    took_s = 0.0
    for start in range(0, len(messages), _BULK):
        bulk = messages[start : start + _BULK]
        bodies = [{"number": to, "text": text} for to, text in bulk]
        began_s = time.monotonic()
        results = api.call("POST", "/messages", {"messages": bodies})["results"]
        took_s += time.monotonic() - began_s
        numbers |= {result["id"]: to for result, (to, _) in zip(results, bulk, strict=True)}
    return Queued(numbers, took_s)
