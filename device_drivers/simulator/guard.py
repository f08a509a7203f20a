"""Android's guard on outgoing SMS (SmsUsageMonitor and the dialog of SMSDispatcher), for one SIM slot."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

DEFAULT_MAX_COUNT, DEFAULT_INTERVAL_MS = 30, 60_000
_MOST_WAITING = 5  # MO_MSG_QUEUE_LIMIT


class Guard:
    """Counts parts in a sliding window; over the limit a dialog asks, and messages wait for an answer."""

    def __init__(self, max_count: int, interval_ms: int) -> None:
        """Both values are read once, when the phone process starts."""
        self._max_count = max_count
        self._interval_ms = interval_ms
        self._sent_at_ms: deque[int] = deque()
        self._waiting: deque[tuple[Callable[[], None], Callable[[], None]]] = deque()

    @property
    def waiting(self) -> int:
        """Messages that wait for a tap on the dialog."""
        return len(self._waiting)

    def ask(self, parts: int, now_ms: int, send: Callable[[], None], fail: Callable[[], None]) -> None:
        """Let `parts` pass now, or park them behind the dialog, or fail them where too many wait already."""
        while self._sent_at_ms and self._sent_at_ms[0] < now_ms - self._interval_ms:
            self._sent_at_ms.popleft()
        if len(self._sent_at_ms) + parts <= self._max_count:
            self._sent_at_ms.extend([now_ms] * parts)
            send()
        else:
            self.park(send, fail)

    def park(self, send: Callable[[], None], fail: Callable[[], None]) -> None:
        """Hold a message behind the dialog, or fail it where too many wait already."""
        if len(self._waiting) >= _MOST_WAITING:
            fail()
        else:
            self._waiting.append((send, fail))

    def tap(self, *, allow: bool) -> bool:
        """Answer the oldest dialog; tell whether there was one."""
        if not self._waiting:
            return False
        send, fail = self._waiting.popleft()
        send() if allow else fail()
        return True
