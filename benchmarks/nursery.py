"""Daemons that start in no time: forked from a process that has imported everything already.

An interpreter with all imports costs a second of CPU; a test that kills hundreds of daemons cannot pay that for each.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from benchmarks.figures import ROOT


class Daemon:
    """One daemon; it is not our child, so that its end is seen through a pidfd."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        try:
            self._fd: int | None = os.pidfd_open(pid)
        except ProcessLookupError:
            self._fd = None  # so short a life

    def ended(self, limit_s: float = 0) -> bool:
        """Wait for its end; tell whether it has come."""
        if self._fd is not None and select.select([self._fd], [], [], limit_s)[0]:
            os.close(self._fd)
            self._fd = None
        return self._fd is None

    def signal(self, number: int) -> None:
        """Send it a signal, if it lives."""
        if self._fd is not None:
            try:
                signal.pidfd_send_signal(self._fd, number)
            except ProcessLookupError:
                return

    def kill(self) -> None:
        """End it as a power cut would."""
        self.signal(signal.SIGKILL)
        if not self.ended(10):
            raise TimeoutError("a killed process did not end")


class Nursery:
    """Where daemons come from. For one thread at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, config: Path, log: Path, failpoint: str | None = None) -> Daemon:
        """Start `smsrack run` with this settings file."""
        order = {"config": str(config), "log": str(log), "failpoint": failpoint}
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the nursery has no pipes")
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()
        return Daemon(int(stdout.readline()))


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Run a warm process to fork from."""
    command = [sys.executable, "-m", "benchmarks.nursery"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        yield Nursery(process)
        if process.stdin:
            process.stdin.close()


def main() -> None:
    """Fork a daemon for each line; no thread may run here, or a fork would copy its locks."""
    import host_controller.cli  # noqa: F401 - everything that a daemon needs

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries them
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _become_daemon(**json.loads(line))
        print(pid, flush=True)


def _become_daemon(config: str, log: str, failpoint: str | None) -> NoReturn:
    from host_controller.cli import cli as smsrack

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    nothing, words = os.open(os.devnull, os.O_RDWR), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((nothing, 0), (words, 1), (words, 2)):
        os.dup2(source, target)
    if failpoint:
        os.environ["SMSRACK_FAILPOINT"] = failpoint
    code = 1
    try:
        smsrack(["run", "--verbose", "--config", config], standalone_mode=False)
        code = 0
    except BaseException as error:
        os.write(2, f"the daemon ended: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
