"""Faults of one simulated phone, by name, each for a number of occasions or until it is cleared."""

from __future__ import annotations

# The occasion of each is one send, or one command for those of the link.
KINDS = {
    "mute": "adbd answers nothing: the phone is offline",
    "unauthorized": "the host's key is not accepted",
    "drop_before": "the link breaks when a send arrives, before it runs",
    "drop_after": "the link breaks after a send was handed over, before its output",
    "drop_unopened": "a send runs, and the link breaks before the shell was confirmed as open",
    "kill_inside": "a send is handed over, and its shell is killed before it prints",
    "hang": "a send is handed over and its command never ends",
    "reject": "the framework throws a SecurityException",
    "silent": "the framework returns normally and drops the message",
    "no_row": "the message goes on the air and no row is written",
    "radio_fail": "the message stays off the air; its row appears as sent and then turns to failed",
    "late_row": "the row is written `seconds` late",
    "no_service": "the radio has no network: sends fail at once",
    "op_ignored": "the SEND_SMS app-op is ignored for the shell: calls return normally and do nothing",
    "denied": "READ_SMS is ignored for the shell: queries find nothing",
}


class Faults:
    """What is wrong with a phone now."""

    def __init__(self) -> None:
        self._counts: dict[str, int | None] = {}
        self.late_row_s = 5.0

    def set(self, kind: str, count: int | None) -> None:
        """Let a fault happen `count` times, or always with None. Raises ValueError for an unknown kind."""
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind!r}; known are {', '.join(KINDS)}")
        self._counts[kind] = count

    def clear(self, kind: str | None = None) -> None:
        """End one fault, or all."""
        if kind is None:
            self._counts.clear()
        else:
            self._counts.pop(kind, None)

    def is_on(self, kind: str) -> bool:
        """Tell whether a fault is in force, without using it up."""
        return kind in self._counts

    def take(self, kind: str) -> bool:
        """Tell whether a fault happens on this occasion, and count it."""
        if kind not in self._counts:
            return False
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
