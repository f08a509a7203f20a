"""The driver on phones that have the quick shell, through the real adb server."""

from __future__ import annotations

import itertools

import pytest

from device_drivers.android.phone import AndroidPhone
from device_drivers.base import EnrolOptions, JournalWord, MessageQuery
from device_drivers.errors import SubmitOutcomeUnknownError
from device_drivers.simulator.shell import Shell
from tests.reconnect import back_again

TO = "+420777123456"
IDS = itertools.count(1)


@pytest.fixture(scope="module")
def rack(start_rack, attach):
    return attach(start_rack(phones=3, profiles=("29", "34", "23"), quick_shell=True, guard_max_parts=10_000, seed=131))


@pytest.fixture(params=[0, 1, 2], ids=["android10", "android14", "android6"])
def phone(request, rack, link):
    made = AndroidPhone(link, rack.phones[request.param])
    made.enrolment = made.enrol(EnrolOptions(send_only=True))
    made.sim = made.enrolment.sims[1]
    yield made
    rack.clear(made.serial)


def air_of(rack, text):
    return [part for part in rack.air() if part["text"] == text]


def test_a_message_is_sent_once_and_proven_without_a_real_shell(rack, phone, eventually, monkeypatch):
    if not phone.enrolment.capabilities.can_read_sms:
        pytest.skip("its command comes as a script, which is for the real shell")
    monkeypatch.setattr(Shell, "run", None)
    attempt, text = next(IDS), f"It's 'quick'\n$(reboot) {phone.serial}"
    receipt = phone.submit(attempt, phone.sim, TO, [text])
    assert phone.submit(attempt, phone.sim, TO, [text]) == receipt
    query = MessageQuery(receipt.phone_clock_ms, receipt.phone_clock_ms, None)
    row = eventually(lambda: phone.read_messages(query).sent)[0]
    assert (row.address, row.body, row.subscription_id) == (TO, text, phone.sim.subscription_id)
    assert len(air_of(rack, text)) == 1
    assert phone.revoke(attempt).word is JournalWord.RETURNED


def test_a_phone_without_shell_v2_sends_all_the_same(rack, phone, eventually):
    text = f"skript {phone.serial}"
    phone.submit(next(IDS), phone.sim, TO, [text])
    assert len(eventually(lambda: air_of(rack, text))) == 1


@pytest.mark.parametrize("fault", ["drop_after", "kill_inside", "hang", "reboot_inside"])
def test_a_call_that_was_cut_off_is_known_as_begun(rack, phone, link, eventually, fault, monkeypatch):
    monkeypatch.setattr("device_drivers.android.phone._SUBMIT_LIMIT_S", 1.0)
    attempt = next(IDS)
    rack.fault(phone.serial, fault, 1)
    with pytest.raises(SubmitOutcomeUnknownError):
        phone.submit(attempt, phone.sim, TO, [f"utržená {fault}"])
    rack.clear(phone.serial)
    back_again(phone, link, eventually)
    answer = phone.revoke(attempt)
    assert (answer.word, answer.subscription_id) == (JournalWord.BEGUN, phone.sim.subscription_id)
    assert answer.phone_clock_ms is not None
