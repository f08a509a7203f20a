"""What comes in: stored once, a STOP obeyed at once, hostile senders harmless."""

from __future__ import annotations

import logging

from sqlalchemy import select

from host_controller.messaging.submit import Draft, Rejected, submit
from host_controller.rules.states import MessageState
from host_controller.store.models import InboundRecord, OptOutRecord
from host_controller.wiring import utc_now

ANNA, PETR = "+420777123456", "+420603111222"


def inbound(rack):
    with rack.store.reading() as session:
        return session.scalars(select(InboundRecord).order_by(InboundRecord.id)).all()


def opted_out(rack):
    with rack.store.reading() as session:
        return set(session.scalars(select(OptOutRecord.msisdn)))


def paused(make_rack, fake_phone):
    """A rack whose only phone has no network: it reads and does not send."""
    rack = make_rack()
    phone = fake_phone(in_service=False)
    rack.plug_in(phone)
    rack.wait_until(lambda: rack.rack.phones()[0].health is not None)
    return rack, phone


def test_a_reply_is_stored_once_however_often_it_is_read(make_rack, fake_phone):
    rack, phone = paused(make_rack, fake_phone)
    phone.receive(ANNA, "Ano, přijdu")
    rack.wait_until(lambda: len(inbound(rack)) == 1)
    phone.receive(ANNA, "Ano, přijdu")
    rack.wait_until(lambda: len(inbound(rack)) == 2)
    phone.receive(PETR, "Poslední")
    rack.wait_until(lambda: len(inbound(rack)) == 3)
    assert [record.text for record in inbound(rack)] == ["Ano, přijdu", "Ano, přijdu", "Poslední"]


def test_a_stop_is_found_after_the_inbox_was_emptied_and_the_clock_set_back(make_rack, fake_phone):
    rack, phone = paused(make_rack, fake_phone)
    for n in range(3):
        phone.receive(PETR, f"{n}")
    rack.wait_until(lambda: len(inbound(rack)) == 3)
    phone.inbox_rows.clear()
    rack.run_for_late_rounds(2)
    phone.clock_offset_ms -= 86_400_000
    phone.receive(ANNA, "STOP")
    rack.wait_until(lambda: opted_out(rack) == {ANNA})


def test_stop_opts_out_and_cancels_that_number_only(make_rack, fake_phone):
    rack, phone = paused(make_rack, fake_phone)
    rack.submit(*((ANNA, f"{n}") for n in range(50)), (PETR, "zůstane"))
    phone.receive(ANNA, "Stop, prosím.")
    rack.wait_until(lambda: MessageState.CANCELLED in rack.states())
    assert rack.states() == [MessageState.CANCELLED] * 50 + [MessageState.QUEUED]
    assert opted_out(rack) == {ANNA}
    assert rack.message(1).failure_code == "opted_out"
    (outcome,) = submit(rack.store, rack.settings.messages, [Draft(ANNA, "x")], now=utc_now(), actor="test")
    assert isinstance(outcome, Rejected)
    assert outcome.code == "opted_out"


def test_nonstop_and_suspected_stops_opt_nobody_out(make_rack, fake_phone):
    rack, phone = paused(make_rack, fake_phone)
    phone.receive(ANNA, "Mate otevreno nonstop?")
    phone.receive(ANNA, "rekl jsem vam ze kdyz to neprestane tak reknu stop")
    phone.receive("Alza.cz", "STOP")
    phone.receive("999", "STOP")
    rack.wait_until(lambda: len(inbound(rack)) == 4)
    assert [record.stop for record in inbound(rack)] == ["none", "suspected", "none", "none"]
    assert opted_out(rack) == set()


def test_a_stop_from_a_national_number_reaches_the_same_recipient(make_rack, fake_phone):
    rack, phone = paused(make_rack, fake_phone)
    rack.submit((ANNA, "x"))
    phone.receive("777123456", "ODHLASIT")
    rack.wait_until(lambda: rack.states() == [MessageState.CANCELLED])
    assert opted_out(rack) == {ANNA}


def test_a_stop_is_found_although_its_row_id_was_used_before(make_rack, fake_phone):
    rack, phone = paused(make_rack, fake_phone)
    phone.receive(PETR, "old", row_id=70)
    rack.wait_until(lambda: len(inbound(rack)) == 1)
    phone.inbox_rows.clear()
    phone.receive(ANNA, "STOP", row_id=70)
    rack.wait_until(lambda: opted_out(rack) == {ANNA})


def test_a_stop_is_found_although_the_phones_clock_was_set_back(make_rack, fake_phone):
    rack, phone = paused(make_rack, fake_phone)
    phone.receive(PETR, "old")
    rack.wait_until(lambda: len(inbound(rack)) == 1)
    phone.clock_offset_ms = -3 * 365 * 86_400_000
    phone.receive(ANNA, "STOP")
    rack.wait_until(lambda: opted_out(rack) == {ANNA})


def test_messages_from_before_the_enrolment_stay_on_the_phone(make_rack, fake_phone):
    rack = make_rack()
    phone = fake_phone(in_service=False)
    phone.receive(ANNA, "STOP", row_id=5, date_ms=phone.read_clock_ms() - 86_400_000)
    phone.receive(PETR, "new", row_id=6)
    rack.plug_in(phone)
    rack.wait_until(lambda: [record.text for record in inbound(rack)] == ["new"])
    assert opted_out(rack) == set()


def test_no_number_and_no_text_reach_the_log(make_rack, fake_phone, caplog):
    with caplog.at_level(logging.DEBUG):
        rack, phone = paused(make_rack, fake_phone)
        rack.submit((ANNA, "kanárek v dole"))
        phone.receive(ANNA, "STOP kanárek")
        rack.wait_until(lambda: rack.states() == [MessageState.CANCELLED])
    logged = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("host_controller"))
    assert "STOP from" in logged
    assert "kanárek" not in logged
    assert ANNA not in logged
