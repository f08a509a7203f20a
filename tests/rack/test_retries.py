"""What did not leave is tried again, later and later; what a network refuses stops its SIM; old entries go."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from device_drivers.base import JournalAnswer, JournalWord
from host_controller.errors import NotUnknownError, UnknownMessageError
from host_controller.fleet.phone import Enrolled
from host_controller.messaging.journal_care import JournalCare
from host_controller.messaging.judgement import Settlement, assume_old, settle
from host_controller.rules.states import MessageState
from host_controller.store.models import AttemptRecord
from host_controller.wiring import utc_now

ANNA, PETR = "+420777123456", "+420603111222"


def test_a_message_that_no_phone_ever_gets_over_holds_up_nobody(make_rack, fake_phone):
    rack = make_rack(timings_scale=0.001)
    phone = fake_phone()
    poisoned = phone.submit

    def submit(attempt_id, sim, msisdn, parts, last_look):
        if msisdn == ANNA:
            raise RuntimeError("a bug that this message wakes")
        return poisoned(attempt_id, sim, msisdn, parts, last_look)

    phone.submit = submit
    rack.plug_in(phone)
    first, *others = rack.submit((ANNA, "Jed"), *[(PETR, f"Zpráva {n}") for n in range(5)])
    rack.wait_until(lambda: all(rack.message(id_).state == MessageState.SENT for id_ in others))
    rack.wait_until(lambda: rack.message(first).not_before is not None)
    assert rack.message(first).state in (MessageState.QUEUED, MessageState.SUBMITTING)
    assert not [sent for sent in phone.air if sent.msisdn == ANNA]


def test_a_refusal_waits_longer_each_time_and_then_fails(rack, fake_phone):
    phones = [fake_phone(f"fake-{n}", faults=["rejected"] * 5) for n in range(4)]
    rack.plug_in(*phones)
    (message_id,) = rack.submit((ANNA, "Ahoj"))
    rack.wait_until(lambda: rack.message(message_id).not_before is not None)
    assert rack.wait_settled() == [MessageState.FAILED]
    times = rack.event_times(message_id)
    waits = [(after - before).total_seconds() for before, after in zip(times[2::2], times[3::2], strict=False)]
    assert [wait >= limit for wait, limit in zip(waits, (0.6, 3.0), strict=True)] == [True, True]
    assert rack.message(message_id).failure_code == "phone_rejected"


def test_a_sim_whose_network_refuses_three_in_a_row_is_stopped_until_a_person_confirms(rack, fake_phone, monkeypatch):
    monkeypatch.setattr(Enrolled, "most_unproven", 3)
    phone = fake_phone(faults=["withdrawn"] * 3)
    phone.sims = phone.sims[:1]
    rack.plug_in(phone)
    rack.submit(*[(f"+42077712{n:04d}", "Ahoj") for n in range(6)])
    rack.wait_until(lambda: rack.rack.find(phone.serial).view().status == "stopped")
    assert rack.states().count(MessageState.UNKNOWN) == 3
    assert "the network refused 3 messages in a row" in rack.rack.find(phone.serial).view().advice
    rack.care.confirm(phone.serial, "test")
    assert rack.wait_settled().count(MessageState.SENT) == 3


@pytest.mark.gives_up
@pytest.mark.parametrize(
    ("settlement", "state"),
    [(Settlement.SENT, MessageState.SENT), (Settlement.FAILED, MessageState.FAILED)],
)
def test_a_person_settles_what_is_unknown(rack, fake_phone, settlement, state):
    rack.plug_in(fake_phone(faults=["no_row"]))
    (message_id,) = rack.submit((ANNA, "Ahoj"))
    assert rack.wait_settled() == [MessageState.UNKNOWN]
    rack.store.write(
        lambda session: settle(
            session, [message_id], settlement, now=utc_now(), actor="Eva", reason="asked the recipient"
        )
    )
    assert rack.states() == [state]
    assert rack.reasons(message_id)[-1] == "asked the recipient"


@pytest.mark.gives_up
def test_a_person_sends_it_once_more_under_a_new_attempt(rack, fake_phone):
    phone = fake_phone(faults=["no_row"])
    rack.plug_in(phone)
    (message_id,) = rack.submit((ANNA, "Ahoj"))
    assert rack.wait_settled() == [MessageState.UNKNOWN]
    again = {"now": utc_now(), "actor": "Eva", "reason": "it did not arrive"}
    rack.store.write(lambda session: settle(session, [message_id], Settlement.RESEND, **again))
    rack.bells.ring()
    assert rack.wait_settled() == [MessageState.SENT]
    assert len(phone.air) == 2
    with pytest.raises(NotUnknownError, match="is sent"):
        rack.store.write(lambda session: settle(session, [message_id], Settlement.RESEND, **again))
    with pytest.raises(UnknownMessageError):
        rack.store.write(lambda session: settle(session, [99], Settlement.SENT, **again))


@pytest.mark.gives_up
def test_late_proof_wins_over_a_message_that_waits_to_be_sent_again(rack, fake_phone):
    phone = fake_phone(faults=["no_row"])
    rack.plug_in(phone)
    (message_id,) = rack.submit((ANNA, "Ahoj"))
    assert rack.wait_settled() == [MessageState.UNKNOWN]
    phone.in_service = False  # it waits in the queue
    rack.lanes[0].ask_for_health()
    rack.wait_until(lambda: rack.rack.find(phone.serial).view().health.sims[0].in_service is False)
    again = {"now": utc_now(), "actor": "Eva", "reason": "it did not arrive"}
    rack.store.write(lambda session: settle(session, [message_id], Settlement.RESEND, **again))
    phone.write_row(ANNA, "Ahoj", subscription_id=phone.air[0].subscription_id)
    rack.wait_until(lambda: rack.states() == [MessageState.SENT])
    assert len(phone.air) == 1


@pytest.mark.gives_up
def test_by_rule_unknown_ones_are_taken_as_sent_or_failed(make_rack, fake_phone):
    rack = make_rack(messages={"on_unknown": "assume_failed", "unknown_after_h": 1})
    rack.plug_in(fake_phone(faults=["no_row"]))
    rack.submit((ANNA, "Ahoj"))
    assert rack.wait_settled() == [MessageState.UNKNOWN]
    settings = rack.settings.messages
    assert assume_old(rack.store, settings, rack.timings, utc_now()) == 0
    assert assume_old(rack.store, settings, rack.timings, utc_now() + timedelta(hours=1)) == 1
    assert rack.states() == [MessageState.FAILED]


@pytest.mark.gives_up
@pytest.mark.parametrize(
    ("restarted", "word", "times"),
    [(True, JournalWord.REVOKED, 1), (False, JournalWord.REVOKED, 0), (True, JournalWord.BEGUN, 0)],
    ids=["restarted and silent", "not restarted", "begun"],
)
def test_by_rule_it_is_sent_again_only_where_its_restarted_phone_knows_nothing_of_it(
    make_rack, fake_phone, restarted, word, times
):
    rack = make_rack(timings_scale=0.01, messages={"on_unknown": "resend", "unknown_after_h": 0.01})
    phone = fake_phone(faults=["cut"])
    boot_id = phone.boot_id
    phone.revoke = lambda _: JournalAnswer(word, phone.boot_id)
    phone.boot_id = "00000000-0000-0000-0000-000000000009"
    rack.plug_in(phone)
    (message_id,) = rack.submit((ANNA, "Ahoj"))
    # The journal is asked under another start than the attempt was made in: it proves nothing.
    rack.wait_until(lambda: rack.states() == [MessageState.SUBMITTING])
    rack.store.write(lambda session: session.execute(update(AttemptRecord).values(boot_id=boot_id)))
    assert rack.wait_settled() == [MessageState.UNKNOWN]
    if not restarted:
        rack.store.write(lambda session: session.execute(update(AttemptRecord).values(boot_id=phone.boot_id)))
    if times:
        rack.wait_until(lambda: rack.states() == [MessageState.SENT])
        assert "rule for unknown" in " ".join(rack.reasons(message_id))
    else:
        rack.run_for_late_rounds(2)
        assert rack.states() == [MessageState.UNKNOWN]
    assert len(phone.air) == times


def test_only_old_settled_entries_leave_the_journal(rack, fake_phone):
    phone = fake_phone()
    rack.plug_in(phone)
    rack.submit(*[(f"+42077712{n:04d}", "Ahoj") for n in range(4)])
    rack.wait_settled()
    phone.begun[4711] = 1, 41  # of a message that this database does not know
    with rack.store.reading() as session:
        old, *_ = ids = session.scalars(select(AttemptRecord.wire_id).order_by(AttemptRecord.id)).all()
    long_ago = utc_now() - timedelta(days=31)
    rack.store.write(
        lambda session: session.execute(
            update(AttemptRecord).where(AttemptRecord.wire_id == old).values(settled_at=long_ago)
        )
    )
    phone_id = rack.rack.find(phone.serial).view().enrolled.phone_id
    assert JournalCare(rack.store, utc_now, "test").forget_old(phone, phone_id) == 1
    assert set(phone.begun) == {*ids, 4711} - {old}


@pytest.mark.gives_up
def test_a_host_clock_that_was_set_back_does_not_keep_a_message_waiting(rack, fake_phone):
    phone = fake_phone(faults=["no_row"])
    rack.plug_in(phone)
    rack.submit((ANNA, "Ahoj"))
    rack.wait_until(lambda: len(phone.air) == 1)
    ahead = utc_now() + timedelta(hours=1)
    rack.store.write(lambda session: session.execute(update(AttemptRecord).values(intent_at=ahead)))
    assert rack.wait_settled() == [MessageState.UNKNOWN]
