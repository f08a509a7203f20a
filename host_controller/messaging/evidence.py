"""Which row of a phone's sent box proves which attempt. Pure.

Matching is injective: one row proves one attempt. A row counts after it was seen twice, some seconds apart, since
Android inserts a failed message as sent and corrects it in a second step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from device_drivers.base import SentRow
from host_controller.messaging.attempts import UnprovenAttempt


def match_rows(
    attempts: Sequence[UnprovenAttempt], rows: Iterable[SentRow], claimed: set[tuple[int, int]]
) -> dict[int, SentRow]:
    """Give attempt id -> row for every attempt that has a row: same SIM, number and text, not older than the attempt.

    `attempts` oldest first; rows in `claimed` (row id, date) prove something else already.
    """
    by_content: dict[tuple[int, str, str], list[SentRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.date_ms, row.row_id)):
        if (row.row_id, row.date_ms) not in claimed:
            by_content[row.subscription_id, row.address, row.body].append(row)
    matches: dict[int, SentRow] = {}
    for attempt in attempts:
        free = by_content[attempt.subscription_id, attempt.msisdn, attempt.text]
        for row in free:
            if row.date_ms >= attempt.phone_clock_ms:
                matches[attempt.attempt_id] = row
                free.remove(row)
                break
    return matches


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

    def judge(self, looked_for: Iterable[int], matches: Mapping[int, SentRow], now_s: float) -> Judgement:
        """Weigh one round; `now_s` is a monotonic clock, `looked_for` the attempts that the round covered."""
        confirmed: dict[int, SentRow] = {}
        withdrawn: list[int] = []
        for attempt_id in looked_for:
            row, seen = matches.get(attempt_id), self._first_seen.get(attempt_id)
            if row is None and seen is not None:
                withdrawn.append(attempt_id)
                del self._first_seen[attempt_id]
            elif row is not None and (seen is None or seen[0] != row):
                self._first_seen[attempt_id] = (row, now_s)
            elif row is not None and seen is not None and now_s - seen[1] >= self._second_read_s:
                confirmed[attempt_id] = row
                del self._first_seen[attempt_id]
        return Judgement(confirmed, tuple(withdrawn), frozenset(self._first_seen))
