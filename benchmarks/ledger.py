"""What was asked for, held against what left the phones and what the database says: the promises, checked from outside.

The air log of the simulated phones is the truth; the daemon never sees it. Every text begins with its message's `ref`.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from host_controller.rules.states import TRANSITIONS, MessageState

Row = Mapping[str, Any]
MOVING = ("queued", "submitting")
_MINUTE_S = 60.0


@dataclass
class Ledger:
    """What a client has asked for and what it was told. Filled from one thread at a time."""

    asked: dict[str, tuple[str, str]] = field(default_factory=dict)
    """ref -> (number, text) of every message that was ever posted."""
    acknowledged: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    """Opted out at the time of asking."""
    attempts: int = 0
    unanswered: set[str] = field(default_factory=set)
    """Posted at least once without an answer."""

    def draw(self, number: str, words: str) -> dict[str, str]:
        """Make a message that nothing else can be taken for."""
        ref = f"m{len(self.asked):06d}"
        self.asked[ref] = (number, f"{ref} {words}")
        return self.draft(ref)

    def draft(self, ref: str) -> dict[str, str]:
        """Give a message as the API wants it, also to ask for it again."""
        number, text = self.asked[ref]
        return {"number": number, "text": text, "ref": ref}

    def open_refs(self) -> list[str]:
        """Messages of which nobody has said yet whether they were taken."""
        return [ref for ref in self.asked if ref not in self.acknowledged and ref not in self.refused]


@dataclass(frozen=True)
class Record:
    """What the database holds, as plain rows."""

    messages: Sequence[Row]
    attempts: Sequence[Row]
    events: Sequence[Row]
    opt_outs: Sequence[Row]
    phones: Mapping[int, str]
    """id -> adb serial."""
    limits: Mapping[int, int]
    """SIM -> parts a minute."""


@dataclass(frozen=True)
class Verdict:
    """How it came out, by ref; each set is empty where the promises hold, `unknown` excepted."""

    states: Counter[str]
    ok: set[str]
    lost: set[str]
    doubled: set[str]
    false_sent: set[str]
    false_failed: set[str]
    unknown: set[str]
    unexpected: set[str]
    recovered: set[str]
    on_air: set[str]
    broken: dict[str, list[str]]
    """Other invariants, by name, with what breaks them."""

    @property
    def holds(self) -> bool:
        """Whether no promise is broken."""
        bad = (self.lost, self.doubled, self.false_sent, self.false_failed, self.unexpected)
        return not any(bad) and not any(self.broken.values())


def read_record(database: Path) -> Record:
    """Read the database of a daemon, also of a dead one."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as db:
        db.row_factory = sqlite3.Row

        def rows(query: str) -> list[Row]:
            return [dict(row) for row in db.execute(query)]

        db.execute("BEGIN")
        return Record(
            messages=rows("SELECT id, ref, msisdn, part_count, state, created_at FROM message"),
            attempts=rows("SELECT * FROM attempt ORDER BY id"),
            events=rows("SELECT message_id, at, old_state, new_state, reason FROM message_event ORDER BY id"),
            opt_outs=rows("SELECT msisdn, created_at FROM opt_out"),
            phones={row["id"]: row["adb_serial"] for row in rows("SELECT id, adb_serial FROM phone")},
            limits={row["id"]: row["parts_per_minute"] for row in rows("SELECT id, parts_per_minute FROM sim")},
        )


def flights(air: Iterable[Row]) -> dict[str, list[list[Row]]]:
    """Give for each ref the parts of every framework call that left, call by call."""
    calls: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for part in air:
        calls[part["phone"], part["message"]].append(part)
    by_ref: dict[str, list[list[Row]]] = defaultdict(list)
    for parts in calls.values():
        by_ref[str(min(parts, key=lambda part: part["part"])["text"]).split(" ")[0]].append(parts)
    return by_ref


def check(ledger: Ledger, record: Record, air: Sequence[Row]) -> Verdict:
    """Judge a run whose faults have ended and whose messages have come to rest."""
    flown = flights(air)
    by_ref = {row["ref"]: row for row in record.messages}
    whole = {ref for ref, calls in flown.items() if any(len({p["part"] for p in c}) == c[0]["parts"] for c in calls)}
    state = {ref: row["state"] for ref, row in by_ref.items()}

    def in_state(*names: str) -> set[str]:
        return {ref for ref, name in state.items() if name in names}

    return Verdict(
        states=Counter(state.values()),
        ok=in_state("sent") & whole & ledger.acknowledged,
        lost={ref for ref in ledger.acknowledged if ref not in state} | in_state(*MOVING),
        doubled={ref for ref, calls in flown.items() if len(calls) > 1},
        false_sent=in_state("sent") - whole,
        false_failed=in_state("failed", "cancelled", "expired") & flown.keys(),
        unknown=in_state("unknown"),
        unexpected=set(flown) - ledger.asked.keys(),
        recovered=ledger.unanswered & state.keys(),
        on_air=set(flown),
        broken={
            "I2 one row for a ref": _twice(row["ref"] for row in record.messages),
            "I4 not_sent never left": _not_sent_that_left(record, flown),
            "I7 intent before the air": _without_intent(record, flown),
            "I8 along the table": _illegal_changes(record),
            "I9 no intent after a STOP": _after_opt_out(record),
            "I10 parts a minute": _over_the_limit(record),
            "I12 a row proves one attempt": _rows_claimed_twice(record),
            "I14 nothing but what was asked": sorted(set(state) - ledger.asked.keys()),
        },
    )


def find_in_log(log: Path) -> list[str]:
    """Give the beginning of every number or text of ours that stands in a log (I15)."""
    secret = re.compile(r"\+?42077\d{7}|\bm\d{6} [A-Za-z]")
    with log.open(encoding="utf-8", errors="replace") as lines:
        return [match[0][:7] for line in lines if (match := secret.search(line))]


def _twice(values: Iterable[str]) -> list[str]:
    return sorted(value for value, count in Counter(values).items() if count > 1)


def _refs(record: Record) -> dict[int, str]:
    return {row["id"]: row["ref"] for row in record.messages}


def _not_sent_that_left(record: Record, flown: Mapping[str, list[list[Row]]]) -> list[str]:
    """By the attempt's own name, which newer phones keep; by the message where no attempt may have left."""
    named = {part["message"].partition("/")[2] for calls in flown.values() for parts in calls for part in parts}
    not_sent = {str(row["wire_id"]) for row in record.attempts if row["state"] == "not_sent"}
    states: dict[int, set[str]] = defaultdict(set)
    for row in record.attempts:
        states[row["message_id"]].add(row["state"])
    refs = _refs(record)
    never = {refs[id_] for id_, found in states.items() if found == {"not_sent"}}
    return sorted((named & not_sent) - {""}) + sorted(never & flown.keys())


def _without_intent(record: Record, flown: Mapping[str, list[list[Row]]]) -> list[str]:
    intents: dict[str, list[tuple[str, float]]] = defaultdict(list)
    refs = _refs(record)
    for row in record.attempts:
        intents[refs[row["message_id"]]].append((record.phones[row["phone_id"]], _seconds(row["intent_at"])))
    return [
        ref
        for ref, calls in flown.items()
        for parts in calls
        if not any(phone == parts[0]["phone"] and at <= parts[0]["at_ms"] / 1000 for phone, at in intents[ref])
    ]


def _illegal_changes(record: Record) -> list[str]:
    now: dict[int, str | None] = defaultdict(lambda: None)
    found, refs = [], _refs(record)
    for event in record.events:
        id_, old, new = event["message_id"], event["old_state"], event["new_state"]
        allowed = new == "queued" if old is None else old == new or new in TRANSITIONS[MessageState(old)]
        if old != now[id_] or not allowed:
            found.append(f"{refs[id_]}: {now[id_]}, then {old} to {new}")
        now[id_] = new
    return found + [refs[row["id"]] for row in record.messages if row["state"] != now[row["id"]]]


def _after_opt_out(record: Record) -> list[str]:
    out = {row["msisdn"]: row["created_at"] for row in record.opt_outs}
    numbers = {row["id"]: (row["ref"], row["msisdn"]) for row in record.messages}
    return [
        numbers[row["message_id"]][0]
        for row in record.attempts
        if numbers[row["message_id"]][1] in out and row["intent_at"] > out[numbers[row["message_id"]][1]]
    ]


def _over_the_limit(record: Record) -> list[str]:
    """Intents are what counts against a SIM; spacing lets one more in at the edge of a minute."""
    spent: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for row in record.attempts:
        if row["state"] != "not_sent":
            spent[row["sim_id"]].append((_seconds(row["intent_at"]), row["part_count"]))
    found = []
    for sim_id, parts in spent.items():
        largest = max(count for _, count in parts)
        for start, _ in parts:
            within = sum(count for at, count in parts if start <= at < start + _MINUTE_S)
            if within > record.limits[sim_id] + largest:
                found.append(f"SIM {sim_id}: {within} in a minute")
                break
    return found


def _rows_claimed_twice(record: Record) -> list[str]:
    claims = [
        f"{row['phone_id']}/{row['sent_row_id']}/{row['sent_row_date_ms']}"
        for row in record.attempts
        if row["sent_row_id"] is not None
    ]
    return _twice(claims)


def _seconds(stored: str) -> float:
    return datetime.fromisoformat(stored).replace(tzinfo=UTC).timestamp()


def append(path: Path, row: Mapping[str, Any]) -> None:
    """Add a line to a file of results, durable: a run that is stopped goes on after it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
