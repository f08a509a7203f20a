"""Faults of one simulated phone, by name, each for a number of occasions or until it is cleared."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

# The occasion of each is one send, or one command for those of the link.
KINDS = {
    "mute": "adbd answers nothing: the phone is offline",
    "unauthorized": "the host's key is not accepted",
    "drop_before": "the link breaks when a send arrives, before it runs",
    "drop_after": "the link breaks after a send was handed over, before its output",
    "drop_unopened": "a send runs, and the link breaks before the shell was confirmed as open",
    "kill_inside": "a send is handed over, and its shell is killed before it prints",
    "kill_at_random": "the shell of a send is killed at a moment within `seconds` of its arrival; the link stays",
    "reboot_inside": "a send is handed over, and the phone restarts within `seconds`, before anything is printed",
    "reboot_loses": "a restart loses what was written in the last `seconds`: files of the shell and rows",
    "hang": "a send is handed over and its command never ends",
    "garbled": "bytes of what a send or a query prints are damaged",
    "cut_short": "half of what a send or a query prints comes, and then a clean end",
    "dribble": "what a send or a query prints comes byte by byte",
    "flood": "what a send or a query prints is followed by 65 MB of noise",
    "reject": "the framework throws a SecurityException",
    "silent": "the framework returns normally and drops the message",
    "dialog": "the guard holds a send behind its dialog, though its limit is not reached",
    "no_row": "the message goes on the air and no row is written",
    "radio_fail": "the message stays off the air; its row appears as sent and, within `seconds`, turns to failed",
    "late_row": "the row is written `seconds` late",
    "no_service": "the radio has no network: sends fail at once",
    "op_ignored": "the SEND_SMS app-op is ignored for the shell: calls return normally and do nothing",
    "denied": "READ_SMS is ignored for the shell: queries find nothing",
}


_DEFAULT_SECONDS = {
    "late_row": 5.0,
    "radio_fail": 0.1,
    "kill_at_random": 0.03,
    "reboot_inside": 0.1,
    "reboot_loses": 5.0,
}


@dataclass(frozen=True)
class Occasion:
    """A fault that has happened."""

    kind: str
    at_ms: int
    to: str
    """The number that the message of this send goes to; empty where it is not known."""
    seconds: float
    """As the fault was set."""


class Faults:
    """What is wrong with a phone now."""

    def __init__(self, seed: int = 0) -> None:
        self._counts: dict[str, int | None] = {}
        self._chances: dict[str, float] = {}
        self._seconds = dict(_DEFAULT_SECONDS)
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.occasions: list[Occasion] = []
        """Every fault that has happened, in order; of those that last, none."""

    def set(self, kind: str, count: int | None, *, chance: float = 1.0, seconds: float | None = None) -> None:
        """Let a fault happen `count` times, or always with None; each time with this chance.

        Raises ValueError for an unknown kind.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind!r}; known are {', '.join(KINDS)}")
        self._counts[kind] = count
        self._chances[kind] = chance
        if seconds is not None:
            self._seconds[kind] = seconds

    def seconds(self, kind: str) -> float:
        """How long, for the faults that take a time."""
        return self._seconds.get(kind, 0.0)

    def moment_within(self, kind: str) -> float:
        """A random time, in seconds, up to that of the fault."""
        return self._random.uniform(0, self.seconds(kind))

    def damage(self, data: bytes) -> bytes:
        """The same number of bytes, one in eight of them another one."""
        return bytes(self._random.randrange(256) if self._random.random() < 1 / 8 else byte for byte in data)

    def clear(self, kind: str | None = None) -> None:
        """End one fault, or all."""
        if kind is None:
            self._counts.clear()
        else:
            self._counts.pop(kind, None)

    @property
    def are_none(self) -> bool:
        """Whether nothing is wrong, so that nothing needs to be asked."""
        return not self._counts

    def is_on(self, kind: str) -> bool:
        """Tell whether a fault is in force, without using it up."""
        return kind in self._counts

    def take(self, kind: str, to: str = "") -> bool:
        """Tell whether a fault happens on this occasion, a message to `to`, and count it."""
        if kind not in self._counts or self._random.random() >= self._chances[kind]:
            return False
        self.occasions.append(Occasion(kind, int(time.time() * 1000), to, self.seconds(kind)))
        count = self._counts[kind]
        if count is not None:
            if count <= 1:
                del self._counts[kind]
            else:
                self._counts[kind] = count - 1
        return True

    def active(self) -> dict[str, int | None]:
        """The faults in force and how often each will still happen."""
        return dict(self._counts)
