"""Pauses and stops: on record with who and why, in memory for the lanes, and never looser than the disk."""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from host_controller.errors import (
    ConfigError,
    StoreBusyError,
    StoreCommitLostError,
    StoreError,
    UnknownTargetError,
)
from host_controller.events import Bells
from host_controller.messaging.control import Control
from host_controller.messaging.freeing import free_resumed
from host_controller.messaging.held import list_held, list_released
from host_controller.messaging.holds import (
    HoldKind,
    Holds,
    HoldView,
    Scope,
    active_holds,
    hold,
    release,
    weightiest,
)
from host_controller.rules.states import AttemptState
from host_controller.rules.waiting import WaitReason
from host_controller.store.models import (
    AttemptRecord,
    BatchRecord,
    HoldRecord,
    MessageRecord,
    PhoneEvent,
    PhoneRecord,
    SimRecord,
)
from host_controller.store.store import Store

NOW = datetime(2026, 11, 26, 4, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
RACK, PHONE, SIM, BATCH = (Scope.RACK, None), (Scope.PHONE, 1), (Scope.SIM, 1), (Scope.BATCH, 1)
TARGETS = (RACK, PHONE, (Scope.PHONE, 2), SIM, (Scope.SIM, 2), (Scope.SIM, 3), BATCH)
PAUSED, DRAINED, FUSE, STOPPED = HoldKind


ON_BOTH = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def database(request, fresh_database):
    return fresh_database(getattr(request, "param", "sqlite"))


@pytest.fixture
def store(database):
    with closing(Store(database)) as opened:
        opened.write(furnish)
        yield opened


@pytest.fixture
def holds(store):
    return Holds(store)


def furnish(session):
    """Phone 1 with SIMs 1 and 2, phone 2 with SIM 3, batch 1."""
    for serial, slots in (("A1", (0, 1)), ("B2", (0,))):
        phone = PhoneRecord(
            hardware_serial=f"HW{serial}", adb_serial=serial, manufacturer="M", model="M", android_release="14",
            api_level=34, build_fingerprint="fp", send_only=False, send_way="isms", capabilities={},
            guard_max_parts=30, guard_interval_s=60, enrolled_at=NOW, inbox_date_ms=0,
        )  # fmt: skip
        phone.sims = [
            SimRecord(slot_index=slot, subscription_id=slot, active=True, parts_per_minute=20) for slot in slots
        ]
        session.add(phone)
        session.flush()
    session.add(BatchRecord(name="autumn", message_class="marketing", created_at=NOW, actor="test"))


def holding(target, kind=PAUSED, reason="a test", actor="anna", now=NOW):
    return lambda session: hold(session, *target, kind, reason, now, actor)


def releasing(target, actor="petr", now=LATER):
    return lambda session: release(session, *target, now, actor)


def records(store) -> list[HoldRecord]:
    with store.reading() as session:
        return list(session.query(HoldRecord).order_by(HoldRecord.id))


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_hold_is_on_record_until_it_is_released_and_after(store, target):
    view = store.write(holding(target, DRAINED, "  new cables  "))
    assert view == HoldView(*target, DRAINED, "new cables", "anna", NOW)
    assert store.write(active_holds) == [view]
    assert store.write(releasing(target)) == 1
    assert store.write(active_holds) == []
    (record,) = records(store)
    assert (record.actor, record.reason, record.at) == ("anna", "new cables", NOW)
    assert (record.released_by, record.released_at) == ("petr", LATER)
    assert store.write(releasing(target)) == 0


@ON_BOTH
def test_the_same_hold_again_changes_nothing_and_another_stands_beside_it(store):
    first = store.write(holding(PHONE, actor="anna"))
    assert store.write(holding(PHONE, actor="petr", now=LATER)) == first
    store.write(holding(PHONE, reason="another reason"))
    store.write(holding(PHONE, kind=STOPPED))
    assert len(records(store)) == 3
    assert store.write(releasing(PHONE)) == 3
    assert store.write(holding(PHONE)).at == NOW
    assert len(records(store)) == 4


@pytest.mark.parametrize(
    "target", [(Scope.PHONE, 9), (Scope.SIM, 9), (Scope.BATCH, 9), (Scope.PHONE, None), (Scope.RACK, 1)], ids=str
)
def test_what_does_not_exist_cannot_be_held(store, target):
    with pytest.raises(UnknownTargetError):
        store.write(holding(target))
    assert records(store) == []


@pytest.mark.parametrize("reason", ["", " \n "])
def test_a_hold_has_a_reason(store, reason):
    with pytest.raises(ConfigError, match="say why"):
        store.write(holding(RACK, reason=reason))
    assert records(store) == []


@ON_BOTH
def test_phones_tell_it_in_their_history(store):
    store.write(holding(PHONE, DRAINED, "a new battery"))
    store.write(holding((Scope.SIM, 2), PAUSED, "no credit"))
    store.write(holding(RACK))
    store.write(releasing(PHONE))
    with store.reading() as session:
        events = [(e.kind, e.words, e.actor) for e in session.query(PhoneEvent).order_by(PhoneEvent.id)]
    assert events == [
        ("drained", "a new battery", "anna"),
        ("paused", "SIM 2: no credit", "anna"),
        ("resumed", "no longer drained", "petr"),
    ]


def test_the_weightiest_counts_and_of_equals_the_widest(holds):
    assert holds.of_sim(1, 1) is None
    sim = holds.change(holding(SIM, DRAINED))
    assert (holds.of_sim(1, 1), holds.of_sim(1, 2)) == (sim, None)
    phone = holds.change(holding(PHONE, DRAINED))
    assert (holds.of_sim(1, 1), holds.of_sim(1, 2), holds.of_sim(2, 3)) == (phone, phone, None)
    rack = holds.change(holding(RACK, PAUSED))
    assert (holds.of_sim(1, 1), holds.of_sim(2, 3), holds.rack()) == (phone, rack, rack)
    fuse = holds.change(holding(RACK, FUSE))
    assert (holds.of_sim(1, 1), holds.rack()) == (fuse, fuse)
    stop = holds.change(holding(SIM, STOPPED))
    assert (holds.of_sim(1, 1), holds.of_sim(1, 2)) == (stop, fuse)
    assert holds.change(releasing(RACK)) == 2
    assert (holds.of_sim(2, 3), holds.rack()) == (None, None)


def test_batches(holds):
    view = holds.change(holding(BATCH))
    assert (holds.of_batch(1), holds.of_batch(2), holds.of_batch(None)) == (view, None, None)
    assert (holds.of_sim(1, 1), holds.rack()) == (None, None)
    holds.change(releasing(BATCH))
    assert holds.of_batch(1) is None


def test_what_a_message_waits_for():
    reasons = {
        (Scope.RACK, PAUSED): WaitReason.PAUSED,
        (Scope.SIM, STOPPED): WaitReason.PAUSED,
        (Scope.PHONE, DRAINED): WaitReason.PAUSED,
        (Scope.BATCH, PAUSED): WaitReason.BATCH_PAUSED,
        (Scope.RACK, FUSE): WaitReason.SPEND_FUSE,
    }
    for (scope, kind), reason in reasons.items():
        assert HoldView(scope, None, kind, "", "", NOW).wait_reason is reason


@ON_BOTH
def test_it_survives_a_restart(store, database):
    Holds(store).change(holding(RACK, STOPPED, "wrong texts"))
    store.close()
    with closing(Store(database)) as again:
        assert Holds(again).rack() == HoldView(*RACK, STOPPED, "wrong texts", "anna", NOW)


@ON_BOTH
def test_a_claim_that_the_writer_takes_after_a_hold_sees_it_before_it_is_on_the_disk(store, holds):
    """The writer is kept busy, so that the hold and the claim share a commit."""
    is_busy, may_go, was_held = threading.Event(), threading.Event(), threading.Event()

    def occupy(_session):
        is_busy.set()
        assert may_go.wait(10)

    def hold_slowly(session):
        holding(RACK)(session)
        was_held.set()

    seen = []

    def claim(_session):
        assert was_held.is_set()
        with store.reading() as outside:
            seen.append((holds.of_sim(1, 1) is not None, len(active_holds(outside))))

    threads = [threading.Thread(target=store.write, args=(occupy,))]
    threads[0].start()
    assert is_busy.wait(10)
    queue = store._writer._waiting
    for count, (call, work) in enumerate([(holds.change, hold_slowly), (store.write, claim)], 1):
        threads.append(threading.Thread(target=call, args=(work,)))
        threads[-1].start()
        while queue.qsize() < count:
            assert threads[-1].is_alive()
    may_go.set()
    for thread in threads:
        thread.join(10)
    assert seen == [(True, 0)]


def undo():
    raise RuntimeError("taken back")


class Flaky:
    """A store whose writes end as `end` says, after the work has run."""

    def __init__(self, store):
        self.store = store
        self.reading = store.reading
        self.end = "written"

    def write(self, work):
        if self.end == "written":
            return self.store.write(work)
        if self.end == "lost, written":
            self.store.write(work)
            raise StoreCommitLostError("the connection broke")

        if self.end.startswith("twice"):
            # As where another work of the same commit fails: all are done once more.
            with suppress(RuntimeError):
                self.store.write(lambda session: (work(session), undo()))
            if self.end == "twice":
                return self.store.write(work)

        def fail(session):
            work(session)
            raise StoreCommitLostError("the connection broke") if self.end == "lost" else StoreBusyError("busy")

        return self.store.write(fail)


@pytest.mark.parametrize("end", ["failed", "twice, failed", "lost", "lost, written"])
@pytest.mark.parametrize("before", [False, True])
def test_a_write_that_fails_leaves_memory_as_the_disk_is(store, end, before):
    flaky = Flaky(store)
    holds = Holds(flaky)
    if before:
        holds.change(holding(RACK))
    flaky.end = end
    with pytest.raises(StoreError):
        holds.change(releasing(RACK) if before else holding(RACK))
    with store.reading() as session:
        assert holds.rack() == next(iter(active_holds(session)), None)


def test_lanes_are_woken_also_where_it_was_not_written(store):
    """One may have seen it in between, and sleep since."""
    flaky, bells = Flaky(store), Bells()
    control = Control(flaky, Holds(flaky), None, bells, lambda: NOW)
    flaky.end, bell = "failed", bells.hang()
    with pytest.raises(StoreBusyError):
        control.hold(Scope.RACK, None, PAUSED, "a test", "anna")
    assert bell.is_set()


def test_a_release_does_not_count_before_it_is_on_the_disk(store):
    during = []

    class Watched(Flaky):
        def write(self, work):
            def watched(session):
                result = work(session)
                during.append(holds.rack())
                return result

            return self.store.write(watched)

    holds = Holds(Watched(store))
    view = holds.change(holding(RACK))
    assert holds.change(releasing(RACK)) == 1
    assert during == [view, view]
    assert holds.rack() is None


def test_while_nobody_knows_what_was_written_what_may_hold_holds(store):
    flaky = Flaky(store)
    holds = Holds(flaky)
    view = holds.change(holding(PHONE))
    flaky.end, reading = "lost", flaky.reading

    def broken():
        raise StoreBusyError("away")

    flaky.reading = broken
    with pytest.raises(StoreCommitLostError):
        holds.change(releasing(PHONE))
    with pytest.raises(StoreCommitLostError):
        holds.change(holding(RACK))
    assert holds.rack() is not None
    assert holds.of_sim(1, 1) is not None
    flaky.end, flaky.reading = "written", reading
    holds.change(holding(BATCH))
    assert holds.rack() is None
    assert holds.of_sim(1, 1) == view


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(TARGETS),
        st.one_of(st.none(), st.sampled_from(HoldKind)),
        st.sampled_from(["written", "twice", "twice, failed", "failed", "lost", "lost, written"]),
    ),
    max_size=25,
)


@pytest.fixture(scope="module")
def one_store(tmp_path_factory):
    with closing(Store(tmp_path_factory.mktemp("holds") / "smsrack.db")) as opened:
        opened.write(furnish)
        yield opened


@settings(max_examples=60)
@given(OPERATIONS)
def test_memory_is_what_the_table_says_after_every_change(one_store, operations):
    one_store.write(lambda session: session.query(HoldRecord).delete())
    flaky = Flaky(one_store)
    holds = Holds(flaky)
    for target, kind, end in operations:
        flaky.end = end
        work = releasing(target) if kind is None else holding(target, kind)
        if end in ("written", "twice"):
            holds.change(work)
        else:
            with pytest.raises(StoreError):
                holds.change(work)
        with one_store.reading() as session:
            table = active_holds(session)
        assert (holds.rack() is not None) == any(view.scope is Scope.RACK for view in table)
        for phone_id, sim_id in ((1, 1), (1, 2), (2, 3)):
            wide = [v for v in table if (v.scope, v.target_id) in (RACK, (Scope.PHONE, phone_id), (Scope.SIM, sim_id))]
            wide.sort(key=lambda view: list(Scope).index(view.scope))
            assert holds.of_sim(phone_id, sim_id) == weightiest(wide)
        assert holds.of_batch(1) == weightiest(view for view in table if view.scope is Scope.BATCH)
        assert holds._pending == {}


@ON_BOTH
def test_changes_from_many_threads_leave_memory_as_the_disk_is(store, holds):
    def work_off(thread_number):
        for n in range(6):
            target = TARGETS[(thread_number + n) % len(TARGETS)]
            holds.change(holding(target, list(HoldKind)[n % 4], f"thread {thread_number}"))
            if n % 2:
                holds.change(releasing(target))

    threads = [threading.Thread(target=work_off, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert holds._pending == {}
    with store.reading() as session:
        assert holds._durable == active_holds(session)


def put_aside(session, count: int):
    """So many messages of two batches each that wait for them to go on, and two that wait for something else."""
    session.add(BatchRecord(name="winter", message_class="otp", created_at=NOW, actor="test"))
    session.flush()
    values = {"msisdn": "+420777123456", "text": "x", "part_count": 1, "created_at": NOW, "changed_at": NOW}
    for n in range(count):
        for batch_id in (1, 2):
            waits = {"batch_id": batch_id, "waiting_for": WaitReason.BATCH_PAUSED}
            session.add(MessageRecord(uid=2 * n + batch_id, state="queued", **waits, **values))
    session.add(MessageRecord(uid=90001, state="queued", batch_id=1, waiting_for=WaitReason.QUIET_HOURS, **values))
    session.add(MessageRecord(uid=90002, state="cancelled", batch_id=1, waiting_for=WaitReason.BATCH_PAUSED, **values))


def aside(store) -> dict[int | None, int]:
    with store.reading() as session:
        query = select(MessageRecord.batch_id, func.count()).where(MessageRecord.waiting_for.is_not(None))
        return dict(session.execute(query.group_by(MessageRecord.batch_id)).all())


@ON_BOTH
def test_messages_that_waited_for_their_batch_are_looked_at_again_when_it_goes_on(store, holds):
    control = Control(store, holds, None, Bells(), lambda: LATER)
    store.write(lambda session: put_aside(session, 1200))
    for name in ("autumn", "winter"):
        control.hold(Scope.BATCH, name, PAUSED, "the client calls back", "anna")
    assert aside(store) == {1: 1202, 2: 1200}
    assert control.release(Scope.BATCH, "autumn", "anna") == 1
    assert aside(store) == {1: 2, 2: 1200}


def test_what_a_crash_left_aside_is_freed_at_the_next_start(store, holds):
    store.write(lambda session: put_aside(session, 3))
    holds.change(holding((Scope.BATCH, 2)))
    assert free_resumed(store, Holds(store)) == 3
    assert aside(store) == {1: 2, 2: 3}
    assert free_resumed(store, Holds(store)) == 0


@ON_BOTH
def test_what_is_listed_has_names_and_says_what_is_still_in_its_hands(store, holds):
    for target in (RACK, PHONE, (Scope.SIM, 2), (Scope.SIM, 3), BATCH):
        holds.change(holding(target, DRAINED))
    store.write(lambda session: add_attempts(session, {1: (1, 1), 2: (2, None)}))
    with store.reading() as session:
        listed = list_held(session)
        assert list_released(session, limit=10) == []
    assert [(held.scope, held.target, held.unproven) for held in listed] == [
        (Scope.RACK, None, 3),
        (Scope.PHONE, "A1", 3),
        (Scope.SIM, "A1:2", 2),
        (Scope.SIM, "B2:1", 0),
        (Scope.BATCH, "autumn", 1),
    ]
    holds.change(releasing(RACK, now=LATER))
    holds.change(releasing(PHONE, now=LATER + timedelta(minutes=1)))
    with store.reading() as session:
        released = list_released(session, limit=10)
        assert list_released(session, limit=1) == released[:1]
    assert [(held.target, held.released_by, held.unproven) for held in released] == [
        ("A1", "petr", None),
        (None, "petr", None),
    ]


def add_attempts(session, sims: dict[int, tuple[int, int | None]]):
    """So many open attempts for each SIM of phone 1, in a batch or none, and a settled one each."""
    for sim_id, (count, batch_id) in sims.items():
        for n in range(count + 1):
            message = MessageRecord(
                uid=sim_id * 100 + n, msisdn="+420777123456", text="x", part_count=1, state="submitting",
                batch_id=batch_id, sim_id=sim_id, created_at=NOW, changed_at=NOW,
            )  # fmt: skip
            session.add(message)
            session.flush()
            attempt = AttemptRecord(
                message_id=message.id, n=1, wire_id=message.uid, phone_id=1, sim_id=sim_id, part_count=1,
                state=AttemptState.SENT if n == count else AttemptState.INTENT, intent_at=NOW, phone_clock_ms=0,
            )  # fmt: skip
            session.add(attempt)
