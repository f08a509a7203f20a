"""The seam to adb: what the drivers need of an ADB client, whichever library stands behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO, Protocol

from device_drivers.adb.command import DeviceCommand
from device_drivers.last_look import LastLook
from device_drivers.stop import Stop

# A phone that floods us must not eat the host's memory; 5,000 inbox rows are about 3 MB.
MAX_ANSWER_BYTES = 64 * 1024 * 1024
# Of a line that is followed; Android's log cuts its own at 4 KB.
MAX_LINE_BYTES = 8192


class ShellKind(StrEnum):
    """How a phone's adbd runs a command."""

    V2 = "shell_v2"
    """Packets: exit code, and a stderr of its own (Android 7 on)."""
    EXEC = "exec"
    """Raw bytes, stderr among them, no exit code: a random marker at the end shows that the answer is whole."""


@dataclass(frozen=True)
class CommandResult:
    """What a finished shell command gave back."""

    stdout: str = field(repr=False)
    stderr: str = field(repr=False)
    exit_code: int


@dataclass(frozen=True)
class ListedPhone:
    """A phone as the adb server lists it."""

    serial: str
    state: str
    """adb's own word (device, offline, unauthorized...)."""
    usb_path: str | None = None
    """Bus and chain of ports, like `1-2.3`; None for a phone that is reached over TCP."""


class AdbLink(Protocol):
    """An ADB client. Thread-safe: each call uses a connection of its own."""

    def list_phones(self) -> tuple[ListedPhone, ...]:
        """Give the phones that the server knows. Raises AdbServerUnreachableError."""
        ...

    def track(self, on_change: Callable[[], None], stop: threading.Event) -> None:
        """Call `on_change` whenever the server's list changes, until `stop`; blocks.

        Raises AdbServerUnreachableError when the server goes.
        """
        ...

    def attach(self, address: str) -> None:
        """Ask the server to connect to a phone at `host:port`; harmless if it is connected already.

        Raises AdbServerUnreachableError, or PhoneOfflineError where nothing answers there.
        """
        ...

    def shell_kind(self, serial: str) -> ShellKind:
        """Tell which kind of shell server and phone have in common. Raises LinkError."""
        ...

    def run(
        self,
        serial: str,
        command: DeviceCommand,
        limit_s: float,
        shell: ShellKind = ShellKind.V2,
        last_look: LastLook = nullcontext,
    ) -> CommandResult:
        """Run a command in the phone's shell and wait for its end, `limit_s` seconds at most.

        What reaches the phone is written within `last_look`; what that raises goes through, and nothing was written.
        Raises LinkError; its `reached_phone` is False only with proof that the phone did not get the command.
        Never retries.
        """
        ...

    def save(self, serial: str, command: DeviceCommand, target: BinaryIO, max_bytes: int, limit_s: float) -> None:
        """Run a command and write its stdout to a file, byte by byte as it is; for shell v2 only.

        Raises LinkError, or PhoneAnswerError for more than `max_bytes`.
        """
        ...

    def follow(
        self,
        serial: str,
        command: DeviceCommand,
        on_line: Callable[[str], None],
        stop: Stop,
        shell: ShellKind = ShellKind.V2,
    ) -> None:
        """Run a command and call `on_line` with each line of its stdout as it comes, until `stop`; blocks.

        Lines come without their end, cut at MAX_LINE_BYTES. To be opened it has seconds, to say something as long as
        it likes. Raises LinkError, also when the command ends by itself.
        """
        ...
