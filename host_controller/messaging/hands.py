"""What one phone has in its hands: the attempts that wait for their proof, in the memory of its lane.

The lane alone makes and proves them. What anybody else does to one (the horizon passes, a person decides) rings the
bells, and then the record is read again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime

from device_drivers.base import SentRow
from host_controller.events import Bells
from host_controller.messaging import unproven
from host_controller.messaging.unproven import UnprovenAttempt
from host_controller.rules.states import AttemptState
from host_controller.store.store import Store


class Hands:
    """The hands of one phone, for the thread of its lane."""

    def __init__(self, store: Store, bells: Bells, phone_id: int, late_since: Callable[[], datetime]) -> None:
        """`late_since` gives the intent time from which on a row may still come for what was given up."""
        self._store = store
        self._bells = bells
        self._phone_id = phone_id
        self._late_since = late_since
        self._seen: int | None = None
        self._attempts: dict[int, UnprovenAttempt] = {}
        # Of the open ones, by number and text: a phone may have hundreds, and is asked before each message.
        self._open: Counter[tuple[str, str]] = Counter()
        self._last_settled: tuple[int, bool] = (0, True)
        self._claimed: set[tuple[int, int]] = set()
        self._claimed_since_ms: int | None = None
        self.unwritten: tuple[int, int] | None = None
        """The attempt whose call has returned last, with the phone's clock, while that is not on record yet."""

    @property
    def open(self) -> list[UnprovenAttempt]:
        """Attempts that wait for their proof, oldest first."""
        self._refresh()
        return [attempt for attempt in self._attempts.values() if attempt.is_open]

    @property
    def count(self) -> int:
        """How many attempts wait for their proof."""
        self._refresh()
        return self._open.total()

    @property
    def contents(self) -> Collection[tuple[str, str]]:
        """Numbers and texts of the attempts that wait for their proof, as they are whenever it is looked into."""
        self._refresh()
        return self._open.keys()

    @property
    def is_trusted(self) -> bool:
        """Whether the attempt that was made last, of those that are settled, did leave; True where there is none."""
        self._refresh()
        return self._last_settled[1]

    def to_confirm(self, *, late: bool) -> list[UnprovenAttempt]:
        """Give the open attempts, and those that were given up and whose row may still come, oldest first.

        Without `late`, of these only the ones with the number and text of an open one: its row could be theirs.
        """
        contents = self.contents
        late_since = self._late_since()
        return [
            attempt
            for attempt in self._attempts.values()
            if attempt.is_open
            or (attempt.intent_at >= late_since and (late or (attempt.msisdn, attempt.text) in contents))
        ]

    def claimed_since(self, date_ms: int) -> set[tuple[int, int]]:
        """Give (row id, date) of the rows from a date on that have proven something already."""
        self._refresh()
        if self._claimed_since_ms is None or date_ms < self._claimed_since_ms:
            with self._store.reading() as session:
                self._claimed = unproven.claimed_rows(session, self._phone_id, since_ms=date_ms)
            self._claimed_since_ms = date_ms
        return self._claimed

    def take(self, attempt: UnprovenAttempt) -> None:
        """An intent is on record."""
        self._remove(attempt.attempt_id)
        self._attempts[attempt.attempt_id] = attempt
        if attempt.is_open:
            self._open[_content(attempt)] += 1

    def _remove(self, attempt_id: int) -> None:
        attempt = self._attempts.pop(attempt_id, None)
        if attempt is not None and attempt.is_open:
            self._open[_content(attempt)] -= 1
            if not self._open[_content(attempt)]:
                del self._open[_content(attempt)]

    def note_returned(self, attempt_id: int, phone_clock_ms: int) -> None:
        """The framework's call has returned; `unwritten` is to be put on record with the next write of this lane."""
        self.unwritten = attempt_id, phone_clock_ms
        self._apply_unwritten()

    def _apply_unwritten(self) -> None:
        if self.unwritten is None:
            return
        attempt_id, phone_clock_ms = self.unwritten
        attempt = self._attempts.get(attempt_id)
        if attempt is not None and attempt.state is AttemptState.INTENT:
            self._attempts[attempt_id] = replace(attempt, state=AttemptState.RETURNED, phone_clock_ms=phone_clock_ms)

    def note_proven(self, attempt_id: int, row: SentRow) -> None:
        """Its row was seen twice."""
        self._remove(attempt_id)
        self._claimed.add((row.row_id, row.date_ms))
        if attempt_id > self._last_settled[0]:
            self._last_settled = (attempt_id, True)

    def forget(self, attempt_ids: Iterable[int] = ()) -> None:
        """Something else has become of these, or of any: read the record again at the next question."""
        for attempt_id in attempt_ids:
            self._remove(attempt_id)
        self._seen = None

    def _refresh(self) -> None:
        changes = self._bells.counts.changes
        if self._seen == changes:
            return
        with self._store.reading() as session:
            found = unproven.rowless_attempts(session, self._phone_id, since=self._late_since())
            self._last_settled = unproven.last_settled(session, self._phone_id)
        self._attempts = {attempt.attempt_id: attempt for attempt in found}
        self._open = Counter(_content(attempt) for attempt in found if attempt.is_open)
        self._apply_unwritten()
        self._claimed_since_ms = None
        self._seen = changes


def _content(attempt: UnprovenAttempt) -> tuple[str, str]:
    return attempt.msisdn, attempt.text
