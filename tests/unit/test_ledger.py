"""The checker of the soak finds what it is there for: each kind of broken promise, made up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.ledger import Ledger, Record, check

AT = "2026-01-02 03:04:05.000000"
AT_MS = 1_767_323_045_000


def part(ref="m000000", call="1/77", number=1, of=1, at_ms=AT_MS + 500):
    return {"phone": "p1", "message": call, "part": number, "parts": of, "text": f"{ref} text", "at_ms": at_ms}


def message(state="sent", id_=1, ref="m000000"):
    return {"id": id_, "ref": ref, "msisdn": "+420770000001", "part_count": 1, "state": state, "created_at": AT}


def attempt(state="sent", id_=1, message_id=1, wire_id=77, row=5, at=AT):
    return {
        "id": id_,
        "message_id": message_id,
        "wire_id": wire_id,
        "phone_id": 1,
        "sim_id": 1,
        "part_count": 1,
        "state": state,
        "intent_at": at,
        "sent_row_id": row,
        "sent_row_date_ms": 9,
    }


def events(*states, message_id=1):
    olds = [None, *states]
    return [
        {"message_id": message_id, "at": AT, "old_state": old, "new_state": new, "reason": ""}
        for old, new in zip(olds, states, strict=False)
    ]


GOOD = Record([message()], [attempt()], events("queued", "submitting", "sent"), [], {1: "p1"}, {1: 60})

STOPPED = [{"msisdn": "+420770000001", "created_at": "2026-01-02 03:04:04.0"}]
THREE = [attempt(id_=n, row=n, wire_id=n) for n in range(3)]


@pytest.fixture
def ledger():
    made = Ledger()
    made.draw("+420770000001", "text")
    made.acknowledged.add("m000000")
    return made


def broken(verdict):
    parts = ("lost", "doubled", "false_sent", "false_failed", "unexpected")
    return {name for name in parts if getattr(verdict, name)} | {
        name.split()[0] for name, found in verdict.broken.items() if found
    }


def test_all_well(ledger):
    verdict = check(ledger, GOOD, [part()])
    assert verdict.holds
    assert verdict.ok == {"m000000"}


@pytest.mark.parametrize(
    ("record", "air", "expected"),
    [
        (GOOD, [part(), part(call="2/78")], {"doubled"}),
        (GOOD, [], {"false_sent"}),
        (GOOD, [part(number=1, of=2)], {"false_sent"}),
        (GOOD, [part(), part(ref="m000009", call="9/9")], {"unexpected", "I7"}),
        (GOOD, [part(at_ms=AT_MS - 1)], {"I7"}),
        (replace(GOOD, messages=[], attempts=[], events=[]), [], {"lost"}),
        (replace(GOOD, messages=[message(), message(id_=2)], events=GOOD.events), [part()], {"I2", "I8"}),
        (replace(GOOD, messages=[message("queued")], events=events("queued")), [part()], {"lost"}),
        (
            replace(GOOD, messages=[message("failed")], events=events("queued", "submitting", "failed")),
            [part()],
            {"false_failed"},
        ),
        (
            replace(
                GOOD,
                messages=[message("unknown")],
                attempts=[attempt("not_sent", row=None)],
                events=events("queued", "submitting", "unknown"),
            ),
            [part()],
            {"I4"},
        ),
        (replace(GOOD, events=events("queued", "sent", "submitting", "sent")), [part()], {"I8"}),
        (
            replace(GOOD, opt_outs=STOPPED),
            [part()],
            {"I9"},
        ),
        (
            replace(GOOD, limits={1: 1}, attempts=THREE),
            [part()],
            {"I10"},
        ),
        (replace(GOOD, attempts=[attempt(), attempt(id_=2, wire_id=78)]), [part()], {"I12"}),
    ],
)
def test_what_is_broken_is_found(ledger, record, air, expected):
    assert broken(check(ledger, record, air)) == expected
