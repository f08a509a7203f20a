"""The one message that a STOP is answered with."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from host_controller.consent.policy import ConsentPolicy
from host_controller.consent.rules_care import RulesCare
from host_controller.messaging.consent_care import ConsentCare
from host_controller.rules.states import MessageState
from host_controller.store.models import MessageRecord
from host_controller.wiring import utc_now

ANNA, PETR = "+420777123456", "+420603111222"
ANSWER = "Odhlaseno. Zpet: START"


@pytest.fixture
def answering(make_rack, fake_phone):
    rack = make_rack()
    RulesCare(rack.store, utc_now).change_policy(ConsentPolicy(stop_answer=ANSWER), "test")
    phone = fake_phone()
    rack.plug_in(phone)
    rack.wait_until(lambda: rack.rack.phones()[0].enrolled and phone.reads)
    return rack, phone


def wrote_to(rack, *numbers):
    """The rack has sent them something, long ago."""
    now = utc_now()

    def work(session):
        for n, number in enumerate(numbers):
            session.add(
                MessageRecord(
                    uid=n + 1, msisdn=number, text="x", part_count=1, state=MessageState.SENT, created_at=now,
                    changed_at=now,
                )
            )  # fmt: skip

    rack.store.write(work)


def answers(rack):
    with rack.store.reading() as session:
        query = select(MessageRecord).where(MessageRecord.answers_stop.is_(True)).order_by(MessageRecord.id)
        return list(session.scalars(query))


def test_a_clear_stop_is_answered_once_from_the_sim_that_it_came_to(answering):
    rack, phone = answering
    wrote_to(rack, ANNA, PETR)
    phone.receive(ANNA, "STOP")
    rack.wait_until(lambda: [entry.text for entry in phone.air] == [ANSWER])
    assert [entry.msisdn for entry in phone.air] == [ANNA]
    rack.wait_settled()
    phone.receive(ANNA, "STOP")
    phone.receive(PETR, "rekl jsem vam ze kdyz to neprestane tak reknu stop")
    phone.receive(PETR, "díky")
    rack.run_for_late_rounds(2)
    (answer,) = answers(rack)
    assert answer.state == MessageState.SENT
    assert answer.only_sim_id is not None


def test_nothing_else_goes_to_a_number_whose_answer_waits(make_rack, fake_phone):
    rack = make_rack()
    RulesCare(rack.store, utc_now).change_policy(ConsentPolicy(stop_answer=ANSWER), "test")
    phone = fake_phone(in_service=False)
    rack.plug_in(phone)
    rack.wait_until(lambda: rack.rack.phones()[0].health is not None and phone.reads)
    rack.submit((ANNA, "Sleva"))
    phone.receive(ANNA, "STOP")
    rack.wait_until(lambda: len(rack.states()) == 2)
    assert rack.states() == [MessageState.CANCELLED, MessageState.QUEUED]
    assert ConsentCare(rack.store, rack.settings, utc_now).opt_out(ANNA, "test").cancelled == 0
    assert rack.states() == [MessageState.CANCELLED, MessageState.QUEUED]


def test_an_old_stop_is_obeyed_and_not_answered(answering):
    rack, phone = answering
    wrote_to(rack, ANNA)
    phone.receive(ANNA, "STOP", date_ms=phone.read_clock_ms() - 3_600_000)
    rack.run_for_late_rounds(2)
    assert answers(rack) == []


def test_an_answer_that_is_late_expires(answering):
    rack, phone = answering
    wrote_to(rack, ANNA)
    phone.in_service = False
    phone.receive(ANNA, "STOP")
    rack.wait_until(lambda: len(answers(rack)) == 1)
    (answer,) = answers(rack)
    assert answer.expires_at - answer.created_at == timedelta(minutes=5)


def test_without_a_text_nothing_is_answered(make_rack, fake_phone):
    rack, phone = make_rack(), fake_phone()
    wrote_to(rack, ANNA)
    rack.plug_in(phone)
    phone.receive(ANNA, "STOP")
    rack.run_for_late_rounds(2)
    assert answers(rack) == []


def test_who_was_never_written_to_is_not_answered(answering):
    rack, phone = answering
    phone.receive(ANNA, "STOP")
    rack.wait_until(lambda: ConsentCare(rack.store, rack.settings, utc_now).history(ANNA))
    assert answers(rack) == []


def test_a_flood_of_stops_is_obeyed_and_not_answered(make_rack, fake_phone):
    rack, phone = make_rack(inbox={"alarm_stops": 1}), fake_phone()
    RulesCare(rack.store, utc_now).change_policy(ConsentPolicy(stop_answer=ANSWER), "test")
    wrote_to(rack, ANNA, PETR)
    rack.plug_in(phone)
    rack.wait_until(lambda: rack.rack.phones()[0].enrolled and phone.reads)
    phone.receive(ANNA, "STOP")
    phone.receive(PETR, "STOP")
    rack.wait_until(lambda: ConsentCare(rack.store, rack.settings, utc_now).history(PETR))
    assert len(answers(rack)) <= 1
    assert [answer.msisdn for answer in answers(rack)] in ([], [ANNA])


@pytest.mark.parametrize(
    "number", ["+420906123456", "+436641234567", "+882161234567"], ids=["premium", "abroad", "satellite"]
)
def test_a_stop_from_where_the_rack_may_not_write_to_is_obeyed_and_not_answered(make_rack, fake_phone, number):
    rack, phone = make_rack(messages={"allowed_regions": ["CZ"]}), fake_phone()
    RulesCare(rack.store, utc_now).change_policy(ConsentPolicy(stop_answer=ANSWER), "test")
    wrote_to(rack, number)
    rack.plug_in(phone)
    phone.receive(number, "STOP")
    rack.wait_until(lambda: ConsentCare(rack.store, rack.settings, utc_now).history(number))
    assert answers(rack) == []
