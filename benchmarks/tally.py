"""What was accepted against what left the SIMs and what the database says of it. Pure counting."""

from __future__ import annotations

import sqlite3
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_FINAL = frozenset({"sent", "failed", "unknown", "cancelled", "expired"})
_NEVER_LEFT = frozenset({"failed", "cancelled", "expired"})


@dataclass(frozen=True)
class Stored:
    """One message as the database has it in the end."""

    to: str
    state: str
    ended_at_s: float
    """When it took this state."""


@dataclass
class Balance:
    """The counts of one row of the table."""

    messages: int = 0
    doubled: int = 0
    """Times on the air beyond the first for one accepted message."""
    lost: int = 0
    """Not in the database, or still on its way when everything had come to rest."""
    false_sent: int = 0
    """`sent`, and never on the air."""
    false_failed: int = 0
    """`failed`, `cancelled` or `expired`, and on the air."""
    unknown: int = 0
    sent: int = 0
    to_clear_s: list[float] = field(default_factory=list)
    remark: str = ""

    def __add__(self, other: Balance) -> Balance:
        """Add the counts of another run of the same fault."""
        counts = ("messages", "doubled", "lost", "false_sent", "false_failed", "unknown", "sent")
        sums = {name: getattr(self, name) + getattr(other, name) for name in counts}
        return Balance(**sums, to_clear_s=self.to_clear_s + other.to_clear_s, remark=other.remark or self.remark)

    def percentiles(self) -> tuple[float | None, float | None]:
        """Median and 99th percentile of the times to clear."""
        if len(self.to_clear_s) < 2:
            return (round(self.to_clear_s[0], 2),) * 2 if self.to_clear_s else (None, None)
        hundredths = statistics.quantiles(self.to_clear_s, n=100, method="inclusive")
        return round(hundredths[49], 2), round(hundredths[98], 2)


def read_stored(database: Path) -> dict[int, Stored]:
    """Give every message in a database by its id; also while a daemon has it open."""
    query = (
        "SELECT m.id, m.msisdn, m.state, max(e.at) FROM message m JOIN message_event e ON e.message_id = m.id"
        " AND e.new_state = m.state AND e.old_state IS NOT e.new_state GROUP BY m.id"
    )
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as db:
        return {id_: Stored(to, state, _seconds(at)) for id_, to, state, at in db.execute(query)}


def whole_messages(air: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """How often something left to each number with all of its parts."""
    parts: dict[tuple[str, str], set[int]] = defaultdict(set)
    about: dict[tuple[str, str], tuple[str, int]] = {}
    for part in air:
        key = part["phone"] + str(part["slot_index"]), part["message"]
        parts[key].add(part["part"])
        about[key] = part["to"], part["parts"]
    return Counter(about[key][0] for key, numbers in parts.items() if len(numbers) == about[key][1])


def balance(accepted: Mapping[int, str], stored: Mapping[int, Stored], air: Counter[str]) -> Balance:
    """Compare. `accepted`: message id -> its number; several of them may share a number (and a text)."""
    result = Balance(messages=len(accepted))
    groups: dict[str, list[int]] = defaultdict(list)
    for id_, to in accepted.items():
        groups[to].append(id_)
    for to, ids in groups.items():
        states = Counter(stored[id_].state for id_ in ids if id_ in stored)
        once = min(air[to], len(ids))
        result.doubled += air[to] - once
        result.lost += len(ids) - sum(states[state] for state in _FINAL)
        result.false_sent += max(0, states["sent"] - once)
        accounted = len(ids) - sum(states[state] for state in _NEVER_LEFT)
        result.false_failed += max(0, once - accounted)
        result.unknown += states["unknown"]
        result.sent += states["sent"]
    return result


def clearing_times(
    accepted: Mapping[int, str], stored: Mapping[int, Stored], ended_s: Mapping[str, Sequence[float]]
) -> list[float]:
    """Seconds from the end of the last fault that hit a message to its final state; `ended_s` by number."""
    found = []
    for id_, to in accepted.items():
        if to in ended_s and id_ in stored and stored[id_].state in _FINAL:
            found.append(max(0.0, stored[id_].ended_at_s - max(ended_s[to])))
    return found


def _seconds(at: str) -> float:
    moment = datetime.fromisoformat(at)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
