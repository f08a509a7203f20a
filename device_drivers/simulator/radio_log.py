"""The buffer `radio` of a phone's log, as far as it tells of messages."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_MOST_LINES = 2000
_GENERIC_FAILURE = 2
_HEAD = "--------- beginning of radio\n"
_PRIORITIES = "VDIWEFS"
_SILENT = "S"


@dataclass(frozen=True)
class _Line:
    at_ms: int
    words: str
    tag: str = "RILJ"
    priority: str = "D"

    def printed(self) -> str:
        """As `-v time` prints it."""
        return f"{_stamp(self.at_ms)} {self.priority}/{self.tag:<8}( 1432): {self.words}\n"

    def passes(self, filters: Sequence[str]) -> bool:
        """Tell whether `TAG:PRIORITY ...` lets it through: the word for its tag, else the one for `*`."""
        least = dict(word.split(":", 1) for word in filters)
        wanted = least.get(self.tag, least.get("*", "V"))
        return wanted != _SILENT and _PRIORITIES.index(self.priority) >= _PRIORITIES.index(wanted)


class RadioLog:
    """Lines of RILJ: a request to the modem and its answer, and what the modem says unasked."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._lines: deque[_Line] = deque(maxlen=_MOST_LINES)
        self._followers: list[Callable[[_Line], None]] = []
        self._token = 100
        self._reference = 0

    def asked(self, slot_index: int) -> int:
        """The framework asks the modem to send one part; give the request's token."""
        self._token += 1
        self._add(f"[{self._token}]> RIL_REQUEST_SEND_SMS [SUB{slot_index}]")
        return self._token

    def answered(self, slot_index: int, token: int, *, failed: bool, message_id: int = 0) -> None:
        """The modem answers; newer frameworks note the caller's id beside a success."""
        self._reference = (self._reference + 1) % 256
        mark = f", {{x-message-id:{message_id}}}" if message_id else ""
        if failed:
            words = f"RIL_REQUEST_SEND_SMS error {_GENERIC_FAILURE}"
        else:
            words = f"RIL_REQUEST_SEND_SMS {{ mMessageRef = {self._reference}, mErrorCode = 0, mAckPdu = null{mark}}}"
        self._add(f"[{token}]< {words} [SUB{slot_index}]")

    def received(self, slot_index: int) -> None:
        """The modem has a part that came in."""
        self._add(f"[UNSL]< UNSOL_RESPONSE_NEW_SMS [SUB{slot_index}]")

    def clear(self) -> None:
        """A reboot empties it."""
        self._lines.clear()

    def text(self, last: int = _MOST_LINES) -> str:
        """What `logcat -b radio -d -v time` prints, or `-t` with a number of lines."""
        return _HEAD + "".join(line.printed() for line in list(self._lines)[-last:])

    def follow(self, last: int, filters: Sequence[str], write: Callable[[bytes], None]) -> Callable[[], None]:
        """Print the last lines and from then on each that comes, where the filters let it through; give its end."""

        def take(line: _Line) -> None:
            if line.passes(filters):
                write(line.printed().encode())

        write(_HEAD.encode())
        for line in list(self._lines)[-last:]:
            take(line)
        self._followers.append(take)
        return lambda: self._followers.remove(take)

    def _add(self, words: str) -> None:
        line = _Line(self._clock_ms(), words)
        self._lines.append(line)
        for take in list(self._followers):
            take(line)


def _stamp(at_ms: int) -> str:
    return time.strftime("%m-%d %H:%M:%S", time.gmtime(at_ms / 1000)) + f".{at_ms % 1000:03d}"
