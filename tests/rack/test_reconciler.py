"""Doubts are settled by the phone's journal before anything new is sent through it."""

from __future__ import annotations

import pytest

from device_drivers.base import JournalAnswer, JournalWord
from host_controller.rules.states import MessageState

MANY = [(f"+4207770000{n:02d}", "Ahoj") for n in range(12)]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, fresh_database):
    return fresh_database(request.param)


def test_what_the_phone_had_not_begun_is_sent_once(rack, fake_phone):
    phone = fake_phone(faults=["cut", "", "cut", "cut"])
    rack.plug_in(phone)
    ids = rack.submit(*MANY)
    assert rack.wait_settled() == [MessageState.SENT] * 12
    assert sorted(entry.msisdn for entry in phone.air) == sorted(number for number, _ in MANY)
    assert rack.events(ids[0])[:4] == ["queued", "submitting", "queued", "submitting"]


@pytest.mark.gives_up
def test_under_another_start_of_the_phone_absence_proves_nothing(rack, fake_phone):
    phone = fake_phone(faults=["cut"])
    answers = []

    def forgetful(_):
        answers.append(1)
        return JournalAnswer(JournalWord.REVOKED, "00000000-0000-0000-0000-00000000dead")

    phone.revoke = forgetful
    rack.plug_in(phone)
    rack.submit(MANY[0])
    assert rack.wait_settled() == [MessageState.UNKNOWN]
    assert answers
    assert phone.air == []


def test_what_the_phone_had_begun_is_proven_by_its_row_and_not_sent_again(rack, fake_phone):
    phone = fake_phone(faults=["lost"] * 3)
    rack.plug_in(phone)
    rack.submit(*MANY[:3])
    assert rack.wait_settled() == [MessageState.SENT] * 3
    assert len(phone.air) == 3


def test_a_refusal_that_was_not_heard_goes_to_another_phone(rack, fake_phone):
    first, second = fake_phone(faults=["cut"]), fake_phone(serial_name="fake-2", link_down=True)
    first.revoke = lambda _: JournalAnswer(JournalWord.REFUSED, first.boot_id, "SecurityException: no")
    rack.plug_in(first, second)
    rack.submit(MANY[0])
    assert rack.wait_settled() == [MessageState.SENT]
    assert len(first.air) + len(second.air) == 1


@pytest.mark.gives_up
def test_a_phone_that_has_no_journal_leaves_the_doubt(rack, fake_phone):
    phone = fake_phone(faults=["cut"])
    phone.revoke = lambda _: JournalAnswer(JournalWord.SILENT, None)
    rack.plug_in(phone)
    rack.submit(MANY[0])
    assert rack.wait_settled() == [MessageState.UNKNOWN]


@pytest.mark.gives_up
def test_the_radio_proves_what_has_no_row_and_a_late_row_is_its_own(rack, fake_phone):
    phone = fake_phone(has_radio_log=True, faults=["no_row", "silent"])
    rack.plug_in(phone)
    ids = rack.submit(MANY[0])
    assert rack.wait_settled() == [MessageState.SENT]
    assert "the radio took every part" in rack.reasons(ids[0])
    # An equal message that the phone drops: the row that comes late belongs to the first one.
    rack.submit(MANY[0])
    rack.wait_until(lambda: len(phone.begun) == 2)
    phone.write_row(*MANY[0])
    assert rack.wait_settled() == [MessageState.SENT, MessageState.UNKNOWN]
    assert len(phone.air) == 1


@pytest.mark.gives_up
def test_a_message_that_was_given_up_takes_no_row_from_an_equal_one_that_is_sent_later(rack, fake_phone):
    phone = fake_phone(faults=["silent"])
    rack.plug_in(phone)
    rack.submit(MANY[0])
    assert rack.wait_settled() == [MessageState.UNKNOWN]
    rack.submit(MANY[0])
    rack.wait_until(lambda: rack.states() == [MessageState.UNKNOWN, MessageState.SENT])
    phone.write_row(*MANY[0], subscription_id=phone.sims[0].subscription_id)
    rack.wait_until(lambda: rack.states() == [MessageState.SENT, MessageState.SENT])
