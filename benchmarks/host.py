"""The real daemon as a process on simulated phones, and what it and its adb server use."""

from __future__ import annotations

import os
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
_UP_LIMIT_S, _DOWN_LIMIT_S = 60.0, 60.0
_STEP_S = 0.1


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

    def __init__(self, home: Path, phones: Sequence[str], parts_per_minute: int, settings: str = "") -> None:
        """`settings` are lines of TOML that come first in the file."""
        self.data_dir, self.config, self._log = home / "d", home / "smsrack.toml", home / "log"
        self.database = self.data_dir / "smsrack.db"
        self._process: subprocess.Popen[bytes] | None = None
        connect = ", ".join(f'"{serial}"' for serial in phones)
        self.config.write_text(
            f'data_dir = "{self.data_dir}"\n{settings}[web]\nport = {free_port()}\n[phones]\nenrol_all = true\n'
            f"[adb]\nusb = false\nconnect = [{connect}]\n"
            f"[new_sims]\nparts_per_minute = {parts_per_minute}\nparts_per_day = 1000000\n"
        )

    @contextmanager
    def running(self, module: str = DAEMON, environment: Mapping[str, str] | None = None) -> Iterator[None]:
        """Run `module` as the daemon for as long as the block lasts."""
        command = [sys.executable, "-m", module, "run", "--config", str(self.config)]
        with self._log.open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **(environment or {})})
        self._process = process
        try:
            wait_for(lambda: process.poll() is not None or (self.data_dir / "api.sock").exists(), _UP_LIMIT_S)
            if process.poll() is not None:
                raise RuntimeError(f"the daemon ended: {self._log.read_text()[-2000:]}")
            yield
        finally:
            process.terminate()
            process.wait(_DOWN_LIMIT_S)
            self._process = None

    @contextmanager
    def api(self) -> Iterator[ApiClient]:
        """The API, of the daemon or, where none runs, over the data directory."""
        with open_api(load_settings(self.config)) as api:
            yield api

    def usage(self) -> Usage:
        """Now. The daemon must run."""
        return Usage(time.monotonic(), cpu_s(self._pid), cpu_s(self._adb_pid))

    def peak_rss_mb(self) -> float:
        """The most memory that the daemon has held so far."""
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def count(self, *states: str) -> int:
        """How many messages are in these states. Asks the file, by its index: the daemon is not disturbed."""
        marks = ", ".join("?" * len(states))
        return int(self.ask(f"SELECT count(*) FROM message WHERE state IN ({marks})", *states)[0][0])  # noqa: S608

    def wait_for_sent(self, count: int, limit_s: float) -> Usage:
        """Wait until so many messages are sent, or none is on its way any more; give that moment."""
        wait_for(lambda: self.count("sent") >= count or not self._has("queued", "submitting"), limit_s, _STEP_S)
        return self.usage()

    def wait_for_submits(self, limit_s: float) -> Usage:
        """Wait until nothing is queued any more; give that moment."""
        wait_for(lambda: not self._has("queued"), limit_s, _STEP_S)
        return self.usage()

    def ask(self, query: str, *values: object) -> list[Any]:
        """Read the database's file."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)) as db:
            return db.execute(query, values).fetchall()

    def _has(self, *states: str) -> bool:
        marks = ", ".join("?" * len(states))
        return bool(self.ask(f"SELECT 1 FROM message WHERE state IN ({marks}) LIMIT 1", *states))  # noqa: S608

    @property
    def _pid(self) -> int:
        if self._process is None:
            raise RuntimeError("no daemon runs")
        return self._process.pid

    @property
    def _adb_pid(self) -> int:
        listener = find_listener(ServerAddress(socket_path=self.data_dir / "adb" / "adb.sock"))
        if listener is None or listener.pid is None:
            raise RuntimeError("the adb server's process cannot be found")
        return listener.pid


def numbered_messages(count: int, first: int = 0) -> list[Message]:
    """Messages of which no two are equal."""
    return [(f"+42077{n:07d}", f"Zpráva {n}") for n in range(first, first + count)]


def queue(api: ApiClient, messages: Sequence[Message]) -> float:
    """Have messages accepted by the bulk API; give the seconds that its calls took."""
    took_s = 0.0
    for start in range(0, len(messages), _BULK):
        bodies = [{"number": to, "text": text} for to, text in messages[start : start + _BULK]]
        began_s = time.monotonic()
        results = api.call("POST", "/messages", {"messages": bodies})["results"]
        took_s += time.monotonic() - began_s
        if any("error" in result for result in results):
            raise RuntimeError("the API refused a message")
    return took_s
