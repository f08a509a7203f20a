"""The seam to adb: what the drivers need of an ADB client, whichever library stands behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from device_drivers.adb.command import DeviceCommand

# A phone that floods us must not eat the host's memory; 5,000 inbox rows are about 3 MB.
MAX_ANSWER_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class CommandResult:
    """What a finished shell command gave back."""

    stdout: str = field(repr=False)
    stderr: str = field(repr=False)
    exit_code: int


@dataclass(frozen=True)
class ListedPhone:
    """A phone as the adb server lists it; `state` is adb's own word (device, offline, unauthorized...)."""

    serial: str
    state: str


class AdbLink(Protocol):
    """An ADB client. Thread-safe: each call uses a connection of its own."""

    def list_phones(self) -> tuple[ListedPhone, ...]:
        """Give the phones that the server knows. Raises AdbServerUnreachableError."""
        ...

    def attach(self, address: str) -> None:
        """Ask the server to connect to a phone at `host:port`; harmless if it is connected already.

        Raises AdbServerUnreachableError, or PhoneOfflineError where nothing answers there.
        """
        ...

    def run(self, serial: str, command: DeviceCommand, limit_s: float) -> CommandResult:
        """Run a command in the phone's shell and wait for its end, `limit_s` seconds at most.

        Raises LinkError; its `reached_phone` is False only with proof that the phone did not get the command.
        Never retries.
        """
        ...
