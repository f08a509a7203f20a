"""Messages that are free again are told of, also where what freed them breaks off."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from device_drivers.base import JournalAnswer, JournalWord
from device_drivers.errors import PhoneAnswerError
from host_controller.errors import StoreError
from host_controller.events import Bells
from host_controller.messaging import freeing
from host_controller.messaging.control import Control
from host_controller.messaging.holds import HoldKind, Holds, Scope
from host_controller.messaging.lane import Lane
from host_controller.messaging.rack_rules import RackRules
from host_controller.messaging.reconciler import Reconciler
from host_controller.messaging.session import PhoneSession
from host_controller.rules.states import AttemptState, MessageState
from host_controller.rules.timings import Timings
from host_controller.rules.waiting import WaitReason
from host_controller.settings import MessageSettings, Settings
from host_controller.store.models import AttemptRecord, BatchRecord, MessageRecord
from host_controller.store.store import Store
from tests.phone_rows import phone_row

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
BOOT = "boot 1"


@pytest.fixture
def store(fresh_database):
    with closing(Store(fresh_database("sqlite"))) as opened:
        opened.write(_add_phone)
        yield opened


def _add_phone(session):
    session.add(phone_row(NOON, subscriptions=[11]))


def add_messages(store, count, state, *, attempt=None, **more):
    def work(session):
        for n in range(count):
            message = MessageRecord(
                uid=n, msisdn=f"+42077700000{n}", text="Ahoj", part_count=1, state=state, created_at=NOON,
                changed_at=NOON, **more,
            )  # fmt: skip
            session.add(message)
            session.flush()
            if attempt:
                session.add(
                    AttemptRecord(
                        message_id=message.id, n=1, wire_id=n, phone_id=1, sim_id=1, part_count=1, state=attempt,
                        intent_at=NOON, phone_clock_ms=0, boot_id=BOOT, settled_at=NOON,
                    )
                )  # fmt: skip

    store.write(work)


def states(store):
    with store.reading() as session:
        return list(session.scalars(select(MessageRecord.state).order_by(MessageRecord.id)))


class Phone:
    """Says of the first attempt that it never began it; its second answer cannot be read."""

    def __init__(self):
        self.asked = 0

    def revoke(self, wire_id):
        self.asked += 1
        if self.asked == 2:
            raise PhoneAnswerError("A1", "garbled")
        return JournalAnswer(JournalWord.REVOKED, boot_id=BOOT)


def make_session(store, bells, settings):
    session = object.__new__(PhoneSession)
    session._phone = SimpleNamespace(driver=Phone())
    session._enrolled = SimpleNamespace(phone_id=1, can_read_sms=True, boot_id="boot 2")
    session._phone_clock = SimpleNamespace(phone_ms=0)
    session._services = SimpleNamespace(bells=bells)
    session._journal_care = SimpleNamespace(look_for_restored=lambda *_: False)
    now = datetime(2027, 1, 1, tzinfo=UTC)
    session._reconciler = Reconciler(store, RackRules(Settings()), settings, Timings(), lambda: now, "lane")
    session.recounts = []
    session._sending = SimpleNamespace(recount=lambda: session.recounts.append(1))
    session._has_doubts = True
    return session


def test_doubts_that_were_settled_before_an_answer_that_cannot_be_read(store):
    add_messages(store, 2, MessageState.SUBMITTING, attempt=AttemptState.INTENT, sim_id=1)
    bells = Bells()
    session = make_session(store, bells, MessageSettings())
    with pytest.raises(PhoneAnswerError):
        session._settle_doubts()
    assert states(store) == [MessageState.QUEUED, MessageState.SUBMITTING]
    assert (bells.counts.changes, session.recounts) == (1, [1])
    assert session._has_doubts
    session._settle_doubts()
    assert states(store) == [MessageState.QUEUED, MessageState.QUEUED]
    assert (bells.counts.changes, session._has_doubts) == (2, False)
    session._settle_doubts()
    assert bells.counts.changes == 2  # nothing was freed


def test_unknown_ones_that_are_sent_again_before_an_answer_that_cannot_be_read(store):
    add_messages(store, 2, MessageState.UNKNOWN, attempt=AttemptState.UNKNOWN, sim_id=1)
    bells = Bells()
    session = make_session(store, bells, MessageSettings(on_unknown="resend"))
    with pytest.raises(PhoneAnswerError):
        session._resend_unknown()
    assert sorted(states(store)) == sorted((MessageState.QUEUED, MessageState.UNKNOWN))
    assert bells.counts.changes == 1


def test_a_batch_whose_freeing_breaks_off(store, monkeypatch):
    store.write(lambda session: session.add(BatchRecord(name="b", message_class="otp", created_at=NOON, actor="")))
    bells, holds = Bells(), Holds(store)
    care = SimpleNamespace()
    control = Control(store, holds, care, bells, lambda: NOON)
    control.hold(Scope.BATCH, "b", HoldKind.PAUSED, "x", "anna")
    add_messages(store, 3, MessageState.QUEUED, batch_id=1, waiting_for=WaitReason.BATCH_PAUSED)
    monkeypatch.setattr(freeing, "_CHUNK", 1)
    write, rung = store.write, bells.counts.changes
    writes = []

    def breaks(work):
        writes.append(work)
        if len(writes) == 3:
            raise StoreError("the disk is full")
        return write(work)

    monkeypatch.setattr(store, "write", breaks)
    with pytest.raises(StoreError):
        control.release(Scope.BATCH, "b", "anna")
    assert bells.counts.changes == rung + 2  # the release, and what was freed until then


def test_a_lane_that_enrols_its_phone_leaves_a_new_message_to_another():
    bells = Bells()
    resting = bells.hang()
    bells.rest(resting, bells.counts)
    busy = SimpleNamespace(
        _next_enrol_s=0.0, _timings=Timings(), _phone=SimpleNamespace(invitation=None),
        _services=SimpleNamespace(bells=bells, joining=SimpleNamespace(join=lambda _: None)),
    )  # fmt: skip
    bells.ring_in(0)  # it has rung the other lane
    Lane._enrol(busy, 1.0)
    assert resting.is_set()  # it was refused
    resting.clear()
    bells.rest(resting, bells.counts)
    bells.ring_in(0)
    Lane._enrol(busy, 2.0)
    assert resting.is_set()  # it waits for its next try
