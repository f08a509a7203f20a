"""The buffer `radio` of a phone's log, as far as it tells of outgoing messages."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_MOST_LINES = 2000
_GENERIC_FAILURE = 2


class RadioLog:
    """Lines of RILJ: a request to the modem, and its answer."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._lines: deque[tuple[int, str]] = deque(maxlen=_MOST_LINES)
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

    def clear(self) -> None:
        """A reboot empties it."""
        self._lines.clear()

    def text(self) -> str:
        """What `logcat -b radio -d -v time` prints."""
        return "--------- beginning of radio\n" + "".join(
            f"{_stamp(at_ms)} D/RILJ    ( 1432): {words}\n" for at_ms, words in self._lines
        )

    def _add(self, words: str) -> None:
        self._lines.append((self._clock_ms(), words))


def _stamp(at_ms: int) -> str:
    return time.strftime("%m-%d %H:%M:%S", time.gmtime(at_ms / 1000)) + f".{at_ms % 1000:03d}"
