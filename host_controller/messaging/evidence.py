"""Which row of a phone's sent box proves which attempt. Pure.

Matching is injective: one row proves one attempt. A row counts after it was seen twice, some seconds apart, since
Android inserts a failed message as sent and corrects it in a second step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from device_drivers.base import SentRow
from host_controller.messaging.unproven import UnprovenAttempt
from host_controller.rules.states import AttemptState


def match_rows(
    attempts: Sequence[UnprovenAttempt], rows: Iterable[SentRow], claimed: set[tuple[int, int]]
) -> dict[int, SentRow]:
    """Give attempt id -> row for every attempt that has a row: same SIM, number and text, not older than the attempt.

    `attempts` oldest first; rows in `claimed` (row id, date) prove something else already. Equal messages cannot be
    told apart by their rows, only counted. What the radio has proven takes its row first, or one sending would prove
    two messages; then those that wait for a row now; what was given up takes what is left.
    """
    rows_of, attempts_of = defaultdict(list), defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.date_ms, row.row_id)):
        if (row.row_id, row.date_ms) not in claimed:
            rows_of[row.subscription_id, row.address, row.body].append(row)
    for attempt in attempts:
        attempts_of[attempt.subscription_id, attempt.msisdn, attempt.text].append(attempt)
    matches: dict[int, SentRow] = {}
    for content, equal in attempts_of.items():
        free: list[SentRow] = rows_of[content]
        matches |= _take(sorted(equal, key=_urgency), free)
    return matches


def _urgency(attempt: UnprovenAttempt) -> int:
    if attempt.state is AttemptState.RADIO:
        return 0
    return 1 if attempt.is_open else 2


def _take(attempts: Sequence[UnprovenAttempt], free: list[SentRow]) -> dict[int, SentRow]:
    """Let each attempt take the first free row that is not older than itself."""
    taken: dict[int, SentRow] = {}
    for attempt in attempts:
        row = next((row for row in free if row.date_ms >= attempt.phone_clock_ms), None)
        if row is not None:
            taken[attempt.attempt_id] = row
            free.remove(row)
    return taken


@dataclass(frozen=True)
class Judgement:
    """What a reading round proves."""

    confirmed: dict[int, SentRow]
    """Attempt id -> the row that was seen twice."""
    withdrawn: tuple[int, ...]
    """Attempts whose row was there and is gone: the phone marked them failed, after they may have left."""
    sighted: frozenset[int]
    """Attempts whose row is there and waits for its second sight."""


class Sightings:
    """Remembers when each attempt's row was first seen. For one phone, in one thread."""

    def __init__(self, second_read_s: float) -> None:
        self._second_read_s = second_read_s
        self._first_seen: dict[int, tuple[SentRow, float]] = {}

    def judge(
        self, looked_for: Iterable[int], matches: Mapping[int, SentRow], began_s: float, ended_s: float
    ) -> Judgement:
        """Weigh one round, `looked_for` are the attempts that it covered; a monotonic clock says when it took place.

        A slow phone may have looked at any moment of it, so the time between two looks is that from the end of the
        first to the beginning of the second.
        """
        confirmed: dict[int, SentRow] = {}
        withdrawn: list[int] = []
        for attempt_id in looked_for:
            row, seen = matches.get(attempt_id), self._first_seen.get(attempt_id)
            if row is None and seen is not None:
                withdrawn.append(attempt_id)
                del self._first_seen[attempt_id]
            elif row is not None and (seen is None or seen[0] != row):
                self._first_seen[attempt_id] = (row, ended_s)
            elif row is not None and seen is not None and began_s - seen[1] >= self._second_read_s:
                confirmed[attempt_id] = row
                del self._first_seen[attempt_id]
        return Judgement(confirmed, tuple(withdrawn), frozenset(self._first_seen))
