"""The daemon as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.rack import free_port


class DaemonProcess:
    """`smsrack run` in a directory with a short name (a socket's path is limited)."""

    def __init__(
        self,
        directory: Path,
        control,
        eventually,
        *,
        per_minute: int,
        scale: float = 0.2,
        enrol_all: bool = True,
        adb: str = "",
        module: str = "host_controller",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`control`: the simulated rack, or None for a daemon without phones on cables. `module` is what runs."""
        self.directory = directory
        self.data_dir = directory / "d"
        self.port = free_port()
        self.control = control
        self._module, self._environment = module, dict(environment or {})
        self._eventually = eventually
        self.config = directory / "smsrack.toml"
        self._log = (directory / "log").open("ab")
        phones = ", ".join(f'"{address}"' for address in (control.phones if control else ()))
        self.config.write_text(
            f'data_dir = "{self.data_dir}"\ntimings_scale = {scale}\n[web]\nport = {self.port}\n'
            f"[adb]\n{adb}usb = false\nconnect = [{phones}]\n[phones]\nenrol_all = {str(enrol_all).lower()}\n"
            f"[new_sims]\nparts_per_minute = {per_minute}\nparts_per_day = 5000\n"
            # The same few numbers are written to again and again.
            "[repeats]\nrecipient_per_hour = {}\nsame_text = {}\n"
            # Tests run at night too.
            "[quiet_hours]\nmarketing = {}\n"
        )
        self._process: subprocess.Popen | None = None

    def add_settings(self, toml: str) -> None:
        self.config.write_text(self.config.read_text() + toml)

    def start(self, pass_fds: Sequence[int] = ()) -> None:
        command = [sys.executable, "-m", self._module, "run", "--verbose", "--config", str(self.config)]
        environment = os.environ | self._environment
        self._process = subprocess.Popen(
            command, stdout=self._log, stderr=self._log, env=environment, pass_fds=pass_fds
        )

    def wait_up(self) -> None:
        self._eventually(lambda: self._running() and (self.data_dir / "api.sock").exists(), 30, "the daemon's socket")

    def _running(self) -> bool:
        assert self._process.poll() is None, (self.directory / "log").read_text()[-3000:]
        return True

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(60)

    def cli(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "host_controller", *arguments, "--data-dir", str(self.data_dir)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)

    def cli_json(self, *arguments: str):
        result = self.cli(*arguments, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def totals(self) -> dict[str, int]:
        return self.cli_json("status")["totals"]

    def counts(self) -> Counter:
        """States as the database file has them; works while the daemon is dead."""
        database = self.data_dir / "smsrack.db"
        if not database.exists():
            return Counter()
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as db:
            try:
                return Counter(dict(db.execute("SELECT state, count(*) FROM message GROUP BY state")))
            except sqlite3.OperationalError:
                return Counter()

    def page(self, path: str = "/") -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return answer.read().decode()

    def close(self) -> None:
        if self._process and self._process.poll() is None:
            self.stop()
        self._log.close()
