"""Batches on both kinds of database: made by the first message, joined by the others, moved and cancelled as one."""

from __future__ import annotations

import secrets
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from host_controller.errors import (
    BatchConflictError,
    InvalidBatchError,
    InvalidWindowError,
    UnknownBatchError,
)
from host_controller.messaging import attempts, batch_changes
from host_controller.messaging.attempts import Sender, Verdict
from host_controller.messaging.batch_changes import cancel_batch, change_window
from host_controller.messaging.batches import BatchDraft, get_batch, list_batches, make_batch
from host_controller.messaging.judgement import Settlement, settle
from host_controller.messaging.queue import QueuedMessage
from host_controller.messaging.submit import Accepted, Draft, submit
from host_controller.rules.classes import MessageClass
from host_controller.rules.lifetime import Window
from host_controller.rules.states import Evidence, MessageState
from host_controller.rules.sticky import SimMode
from host_controller.rules.timings import Timings
from host_controller.settings import MessageSettings
from host_controller.store.models import AttemptRecord, MessageEvent, MessageRecord, OptOutRecord
from host_controller.store.store import Store
from tests.phone_rows import phone_row

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANNA = "+420777123456"
MARKETING, OTP = MessageClass.MARKETING, MessageClass.OTP


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, fresh_database):
    with closing(Store(fresh_database(request.param))) as opened:
        opened.write(_add_phone)
        yield opened


def _add_phone(session):
    session.add(phone_row(NOW, subscriptions=range(3)))


def send(store, *asked, now=NOW):
    return submit(store, MessageSettings(), asked, now=now, actor="test")


def text_to(n, **values):
    return Draft(f"+4207771{n:05d}", f"Zpráva {n}", **values)


def rows(store):
    with store.reading() as session:
        return session.scalars(select(MessageRecord).order_by(MessageRecord.id)).all()


def batch(store, name):
    with store.reading() as session:
        return get_batch(session, name)


def make(store, name, **values):
    return store.write(lambda session: make_batch(session, BatchDraft(name, **values), now=NOW, actor="test").id)


def test_the_first_message_makes_the_batch_and_the_others_join_it(store):
    begins, ends = NOW + HOUR, NOW + 9 * HOUR
    first = text_to(1, batch="xmas", message_class=MARKETING, not_before=begins, expires_at=ends)
    outcomes = send(store, first, text_to(2, batch="xmas"), text_to(3))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    (again,) = send(store, text_to(4, batch="xmas", message_class=MARKETING, not_before=begins))
    assert isinstance(again, Accepted)
    view = batch(store, "xmas")
    assert (view.message_class, view.not_before, view.not_after) == (MARKETING, begins, ends)
    assert (view.actor, view.created_at, view.counts[MessageState.QUEUED], view.total) == ("test", NOW, 3, 3)
    *others, alone, last = rows(store)
    for row in (*others, last):
        assert (row.batch_id, row.message_class, row.not_before, row.waiting_for, row.expires_at) == (
            view.id, "marketing", begins, "not_before", ends,
        )  # fmt: skip
    assert (alone.batch_id, alone.message_class, alone.not_before) == (None, "transactional", None)
    assert alone.expires_at == NOW + 24 * HOUR


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"message_class": OTP}, "is marketing, not otp"),
        ({"not_before": NOW + HOUR}, "begins at no time"),
        ({"expires_at": NOW + 3 * HOUR}, "ends at 2026-11-25 14:00:00 UTC"),
    ],
)
def test_another_class_or_window_is_a_conflict(store, values, words):
    send(store, text_to(1, batch="xmas", message_class=MARKETING, expires_at=NOW + 2 * HOUR))
    wrong, right = send(store, text_to(2, batch="xmas", **values), text_to(3, batch="xmas"))
    assert wrong.code == "batch_conflict"
    assert words in wrong.reason
    assert isinstance(right, Accepted)
    assert batch(store, "xmas").total == 2


def test_what_is_refused_makes_no_batch(store):
    store.write(lambda s: s.add(OptOutRecord(msisdn=ANNA, source="test", actor="test", created_at=NOW)))
    outcomes = send(
        store,
        Draft(ANNA, "x", batch="a"),
        text_to(1, batch="b", expires_at=NOW - HOUR),
        text_to(2, batch="c", ttl_s=0),
        text_to(3, batch="d", not_before=NOW + 2 * HOUR, expires_at=NOW + HOUR),
        text_to(4, batch="e/f"),
        text_to(5, batch=""),
    )
    codes = ["opted_out", "too_late", "too_late", "invalid_window", "invalid_batch", "invalid_batch"]
    assert [outcome.code for outcome in outcomes] == codes
    with store.reading() as session:
        assert list_batches(session) == []


def test_a_batch_that_is_over_takes_nothing_more(store):
    make(store, "xmas", window=Window(None, NOW + HOUR))
    (late,) = send(store, text_to(1, batch="xmas"), now=NOW + HOUR)
    assert late.code == "too_late"


def test_a_messages_own_time_is_cut_by_the_window(store):
    make(store, "xmas", window=Window(NOW + HOUR, NOW + 3 * HOUR), message_class=OTP)
    send(store, text_to(1, batch="xmas", ttl_s=600), text_to(2, batch="xmas", ttl_s=36_000), text_to(3, batch="xmas"))
    ends = [NOW + HOUR + timedelta(minutes=10), NOW + 3 * HOUR, NOW + HOUR + timedelta(minutes=15)]
    assert [row.expires_at for row in rows(store)] == ends


def test_a_split_batch_takes_its_sims_in_turn_over_calls(store):
    make(store, "both", sim_mode=SimMode.SPLIT, sim_ids=(2, 3))
    make(store, "one", sim_mode=SimMode.SINGLE, sim_ids=(3,))
    send(store, *(text_to(n, batch="both") for n in range(3)))
    send(store, text_to(3, batch="both"), text_to(4, batch="both", only_sim_id=1), text_to(5, batch="one"))
    assert [row.only_sim_id for row in rows(store)] == [2, 3, 2, 3, 1, 3]


def test_a_message_may_be_bound_to_a_phone(store):
    send(store, text_to(1, only_phone_id=1))
    assert [(row.only_phone_id, row.only_sim_id) for row in rows(store)] == [(1, None)]


@pytest.mark.parametrize(
    "values",
    [
        {"sim_mode": SimMode.SPLIT},
        {"sim_mode": SimMode.SINGLE, "sim_ids": (1, 2)},
        {"sim_ids": (1,)},
        {"sim_mode": SimMode.SPLIT, "sim_ids": (1, 9)},
    ],
)
def test_sims_that_do_not_fit_the_mode_are_refused(store, values):
    with pytest.raises(InvalidBatchError):
        make(store, "xmas", **values)


@pytest.mark.parametrize("name", ["", " a", "a ", "a/b", "a\nb", ".a", "x" * 129, "a\u2028b"])
def test_names_that_cannot_be(store, name):
    with pytest.raises(InvalidBatchError):
        make(store, name)


def test_names_that_can_be(store):
    for name in ["x" * 128, "Vánoce 2026 (1. vlna)", "a", "50%?#&"]:
        make(store, name)
        assert batch(store, name).name == name
    with pytest.raises(BatchConflictError):
        make(store, "a")
    with pytest.raises(InvalidWindowError):
        make(store, "b", window=Window(NOW, NOW))
    with pytest.raises(UnknownBatchError):
        batch(store, "c")


def test_refs_in_one_call_and_over_calls(store):
    """One statement writes them all: a repeat is told from what is not written yet."""
    first = send(
        store,
        text_to(1, ref="a"),
        text_to(2, ref="b"),
        text_to(1, ref="a"),
        text_to(9, ref="a"),
        text_to(3),
        text_to(3),
    )
    assert [getattr(outcome, "repeated", outcome) for outcome in first[:3]] == [False, False, True]
    assert first[3].code == "ref_conflict"
    assert [outcome.message_id for outcome in (*first[:3], *first[4:])] == [1, 2, 1, 3, 4]
    # What is repeated is the same message, also where it would be too late by now.
    again = send(store, text_to(4), text_to(2, ref="b", expires_at=NOW - HOUR), text_to(5, ref="a"))
    assert (again[0].message_id, again[1].message_id, again[1].repeated) == (5, 2, True)
    assert again[2].code == "ref_conflict"
    assert [row.text for row in rows(store)] == [f"Zpráva {n}" for n in (1, 2, 3, 3, 4)]
    with store.reading() as session:
        events = session.scalars(select(MessageEvent).order_by(MessageEvent.id)).all()
    assert [(e.message_id, e.old_state, e.new_state, e.reason) for e in events] == [
        (n, None, "queued", "accepted") for n in range(1, 6)
    ]


def test_a_refused_ref_may_come_again(store):
    store.write(lambda s: s.add(OptOutRecord(msisdn=ANNA, source="test", actor="test", created_at=NOW)))
    outcomes = send(store, Draft(ANNA, "x", "a"), Draft(ANNA, "x", "a"))
    assert [outcome.code for outcome in outcomes] == ["opted_out", "opted_out"]
    assert isinstance(send(store, text_to(1, ref="a"))[0], Accepted)


drafts = st.builds(
    Draft,
    number=st.sampled_from([ANNA, "777 123 456", "+420603111222", "+420603000000", "12", "+421905123456"]),
    text=st.sampled_from(["a", "b", ""]),
    ref=st.sampled_from([None, "r1", "r2", "r3"]),
    only_sim_id=st.sampled_from([None, None, 1]),
    batch=st.sampled_from([None, "x", "y", "split", "/"]),
    message_class=st.sampled_from([None, None, *MessageClass]),
    not_before=st.sampled_from([None, None, NOW - HOUR, NOW + HOUR]),
    expires_at=st.sampled_from([None, None, NOW, NOW + 2 * HOUR]),
    ttl_s=st.sampled_from([None, 0.0, 60.0, 36_000.0]),
)


@settings(max_examples=60)
@given(st.lists(drafts, max_size=12))
def test_a_call_of_many_does_what_a_call_for_each_would(store, asked):
    one, each = (with_names_of_their_own(asked, prefix) for prefix in (secrets.token_hex(8), secrets.token_hex(8)))
    for run in (one, each):
        name = next((d.batch for d in run if d.batch and d.batch.endswith("split")), None)
        if name:
            make(store, name, sim_mode=SimMode.SPLIT, sim_ids=(1, 2, 3))
    together = send(store, *one)
    singly = [outcome for draft in each for outcome in send(store, draft)]
    assert [seen(store, outcome) for outcome in together] == [seen(store, outcome) for outcome in singly]
    assert repeats(together) == repeats(singly)


def with_names_of_their_own(asked, prefix):
    def own(name):
        return name if name in (None, "/") else prefix + name

    return [replace(draft, ref=own(draft.ref), batch=own(draft.batch)) for draft in asked]


def seen(store, outcome):
    if not isinstance(outcome, Accepted):
        return outcome.code
    with store.reading() as session:
        row = session.get_one(MessageRecord, outcome.message_id)
        events = session.scalars(select(MessageEvent).where(MessageEvent.message_id == row.id)).all()
        return (
            outcome.part_count, row.msisdn, row.text, row.ref and row.ref[16:], row.batch and row.batch.name[16:],
            row.message_class, row.not_before, row.waiting_for, row.expires_at, row.only_sim_id,
            [(event.new_state, event.reason) for event in events],
        )  # fmt: skip


def repeats(outcomes):
    """Which outcomes are one message, told without its id."""
    ids = [getattr(outcome, "message_id", None) for outcome in outcomes]
    return [(ids.index(id_), getattr(outcome, "repeated", None)) for id_, outcome in zip(ids, outcomes, strict=True)]


def test_a_call_of_many_takes_few_statements(store):
    """However many messages and batches: the database is not asked for each."""
    make(store, "a")
    make(store, "b", sim_mode=SimMode.SPLIT, sim_ids=(1, 2))
    statements = []

    def note(*args):
        statements.append(args[2])

    event.listen(store._engine, "before_cursor_execute", note)
    send(store, *(text_to(n, ref=f"r{n}", batch="ab"[n % 2]) for n in range(1000)))
    event.remove(store._engine, "before_cursor_execute", note)
    assert len(statements) <= 12, statements
    with store.reading() as session:
        assert [view.total for view in list_batches(session)] == [500, 500]


def test_batches_are_listed_newest_first_with_counts_by_one_statement(store):
    for n in range(5):
        send(store, *(text_to(10 * n + i, batch=f"b{n}") for i in range(n + 1)))
    statements = []
    event.listen(store._engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    with store.reading() as session:
        assert [(view.name, view.total) for view in list_batches(session)] == [
            ("b4", 5), ("b3", 4), ("b2", 3), ("b1", 2), ("b0", 1),
        ]  # fmt: skip
        assert len([s for s in statements if "FROM" in s]) == 2
        assert [view.name for view in list_batches(session, before=3, limit=1)] == ["b1"]


def test_a_moved_window_moves_what_is_queued(store):
    send(store, text_to(1, batch="xmas"), text_to(2, batch="xmas", ttl_s=600), text_to(3))
    move(store, Window(NOW + HOUR, NOW + 3 * HOUR))
    plain, short, alone = rows(store)
    assert [(row.not_before, row.waiting_for) for row in (plain, short)] == [(NOW + HOUR, "not_before")] * 2
    # The short one would have expired before it may begin.
    assert [row.expires_at for row in (plain, short)] == [NOW + 3 * HOUR] * 2
    assert (alone.not_before, alone.expires_at) == (None, NOW + 24 * HOUR)
    move(store, Window(None, NOW + 48 * HOUR))
    assert [(row.not_before, row.waiting_for, row.expires_at) for row in rows(store)[:2]] == [
        (None, None, NOW + 24 * HOUR)
    ] * 2
    move(store, Window(None, NOW + HOUR))
    assert [row.expires_at for row in rows(store)] == [NOW + HOUR, NOW + HOUR, NOW + 24 * HOUR]
    with pytest.raises(InvalidWindowError):
        move(store, Window(NOW, NOW))
    with pytest.raises(UnknownBatchError):
        move(store, Window(), name="easter")


def test_an_open_end_lets_marketing_wait_for_ever(store):
    send(store, text_to(1, batch="xmas", message_class=MARKETING, expires_at=NOW + HOUR))
    move(store, Window())
    assert rows(store)[0].expires_at is None


def test_a_moved_window_leaves_the_wait_for_the_next_try(store):
    send(store, text_to(1, batch="xmas"))

    def retry(session):
        message = session.get_one(MessageRecord, 1)
        message.not_before, message.waiting_for = NOW + 2 * HOUR, "retry"

    store.write(retry)
    move(store, Window(NOW + HOUR, None))
    assert (rows(store)[0].not_before, rows(store)[0].waiting_for) == (NOW + 2 * HOUR, "retry")
    move(store, Window())
    assert (rows(store)[0].not_before, rows(store)[0].waiting_for) == (NOW + 2 * HOUR, "retry")


def test_a_window_is_moved_in_chunks_and_the_batch_last(store, monkeypatch):
    monkeypatch.setattr(batch_changes, "_CHUNK", 4)
    begins, ends = NOW + HOUR, NOW + 30 * HOUR
    send(store, *(text_to(n, batch="xmas", expires_at=NOW + 2 * HOUR) for n in range(10)), text_to(99))
    written = store.write
    works = []

    def break_off(work):
        works.append(work)
        if len(works) == 3:
            raise RuntimeError("the power is off")
        return written(work)

    monkeypatch.setattr(store, "write", break_off)
    with pytest.raises(RuntimeError):
        move(store, Window(begins, ends))
    assert [row.not_before == begins for row in rows(store)] == [True] * 8 + [False] * 3
    assert batch(store, "xmas").not_after == NOW + 2 * HOUR
    with pytest.raises(InvalidWindowError, match="would have ended already"):
        change_window(store, MessageSettings(), "xmas", {"not_after": NOW}, now=NOW)
    assert move(store, Window(begins, ends)) == 10
    assert {(row.not_before, row.expires_at) for row in rows(store)[:10]} == {(begins, NOW + 25 * HOUR)}
    assert (batch(store, "xmas").not_before, batch(store, "xmas").not_after) == (begins, ends)


def move(store, window, name="xmas"):
    changes = {"not_before": window.not_before, "not_after": window.not_after}
    return change_window(store, MessageSettings(), name, changes, now=NOW)


def test_a_batch_is_cancelled_in_chunks_with_events(store, monkeypatch):
    monkeypatch.setattr(batch_changes, "_CHUNK", 4)
    send(store, *(text_to(n, batch="xmas") for n in range(10)), text_to(99), text_to(98, batch="other"))

    def two_are_on_their_way(session):
        session.get_one(MessageRecord, 1).state = MessageState.SUBMITTING
        # Not a state of affairs that should be; what a phone may have is not cancelled all the same.
        session.add(
            AttemptRecord(
                message_id=2, n=1, wire_id=1, phone_id=1, sim_id=1, part_count=1, state="intent", intent_at=NOW,
                phone_clock_ms=0,
            )
        )  # fmt: skip

    store.write(two_are_on_their_way)
    assert cancel(store, "xmas") == 8
    assert cancel(store, "xmas") == 0
    counts = {state: n for state, n in batch(store, "xmas").counts.items() if n}
    assert counts == {"queued": 1, "submitting": 1, "cancelled": 8}
    row = rows(store)[5]
    assert (row.state, row.failure_code, row.error_message) == ("cancelled", "withdrawn", "wrong text")
    with store.reading() as session:
        query = select(MessageEvent).where(MessageEvent.new_state == "cancelled")
        events = session.scalars(query).all()
    assert sorted(e.message_id for e in events) == list(range(3, 11))
    assert {(e.old_state, e.actor, e.reason) for e in events} == {("queued", "anna", "wrong text")}
    with pytest.raises(UnknownBatchError):
        cancel(store, "easter")


def test_what_was_in_a_phones_hands_is_cancelled_with_its_batch_where_it_did_not_leave(store):
    before = send(store, *(text_to(n, batch="xmas") for n in range(4)), text_to(99))
    claims = [claim(store, outcome.message_id) for outcome in before]
    give_up(store, claims[2])
    assert cancel(store, "xmas") == 0
    (after,) = send(store, text_to(5, batch="xmas"))
    claims.append(claim(store, after.message_id))
    for attempt_id in (claims[0], claims[4], claims[5]):
        not_sent(store, attempt_id)
    store.write(lambda s: attempts.settle_sent_by_radio(s, claims[1], now=NOW, actor="test"))
    # A person wants one to go all the same.
    give_up(store, claims[3])
    resent = [before[2].message_id, before[3].message_id]
    store.write(lambda s: settle(s, resent[:1], Settlement.RESEND, now=NOW, actor="petr", reason="it is right"))
    not_sent(store, claim(store, resent[0], n=1))
    states = [row.state for row in rows(store)]
    assert states == ["cancelled", "sent", "queued", "unknown", "queued", "queued"]
    row = rows(store)[0]
    assert (row.failure_code, row.error_message) == ("withdrawn", "its batch was cancelled meanwhile")
    with store.reading() as session:
        reasons = session.scalars(
            select(MessageEvent.reason).where(MessageEvent.message_id == row.id).order_by(MessageEvent.id)
        )
        assert list(reasons) == [
            "accepted",
            "attempt 1",
            "its batch was cancelled, it is too where it did not leave: wrong text",
            "no link",
            "its batch was cancelled meanwhile",
        ]


def claim(store, message_id, n=0):
    def work(session):
        row = session.get_one(MessageRecord, message_id)
        parts, message_class = row.part_count, MessageClass(row.message_class)
        message = QueuedMessage(
            row.id,
            row.uid,
            row.msisdn,
            row.text,
            parts,
            message_class,
            row.created_at,
            row.batch_id,
            None,
            None,
            None,
            n,
        )
        return attempts.claim(session, message, 1, Sender(1, "host", 1, None, 0, 0), now=NOW, actor="test").attempt_id

    return store.write(work)


def not_sent(store, attempt_id):
    verdict = Verdict(NOW, "test", "no link", Evidence.LINK)
    store.write(lambda session: attempts.settle_not_sent(session, attempt_id, verdict, Timings()))


def give_up(store, attempt_id):
    store.write(lambda session: attempts.settle_unknown(session, attempt_id, Verdict(NOW, "test", "-", Evidence.NONE)))


def cancel(store, name):
    return cancel_batch(store, name, now=NOW, actor="anna", reason="wrong text")


@pytest.mark.parametrize(("mode", "sims", "counts"), [(SimMode.SINGLE, (2,), 0), (SimMode.SPLIT, (1, 2), 1)])
def test_a_batch_that_comes_message_by_message_is_not_counted_for_each(store, mode, sims, counts):
    make(store, "b", sim_mode=mode, sim_ids=sims)
    statements = []

    def note(*args):
        if "count(" in args[2]:
            statements.append(args[2])

    event.listen(store._engine, "before_cursor_execute", note)
    for n in range(10):
        send(store, text_to(n, batch="b"))
    event.remove(store._engine, "before_cursor_execute", note)
    assert len(statements) == counts, statements
    assert [row.only_sim_id for row in rows(store)] == [sims[n % len(sims)] for n in range(10)]
