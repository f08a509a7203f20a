"""The journal on the phone, through the real adb server and a shell: an attempt is begun once, or never."""

from __future__ import annotations

import pytest

from device_drivers.android.phone import AndroidPhone
from device_drivers.base import EnrolOptions, JournalWord, Sim
from device_drivers.errors import NotSubmittedError, SubmitOutcomeUnknownError, SubmitRejectedError
from tests.reconnect import back_again

TO = "+420777123456"
PROFILES = ("34", "23", "28-stdin")
SENDS = {"sendTextForSubscriber", "sendMultipartTextForSubscriber"}


@pytest.fixture(scope="module")
def rack(start_rack, attach):
    return attach(start_rack(phones=len(PROFILES), profiles=PROFILES, guard_max_parts=10_000, seed=101))


@pytest.fixture(params=PROFILES)
def phone(request, rack, link):
    made = AndroidPhone(link, rack.phones[PROFILES.index(request.param)])
    made.enrolment = made.enrol(EnrolOptions(send_only=True))
    made.sim = made.enrolment.sims[1]
    yield made
    rack.clear(made.serial)


@pytest.fixture
def attempt(request):
    """An id that no other test uses."""
    return abs(hash(request.node.nodeid)) >> 1


def calls(rack, phone):
    return [name for name in rack.call("GET", f"/phones/{phone.serial}/calls")["calls"] if name in SENDS]


def again(rack, phone, link, eventually):
    rack.clear(phone.serial)
    back_again(phone, link, eventually)


def test_the_same_attempt_calls_the_framework_once(rack, phone, attempt):
    before = len(calls(rack, phone))
    receipt = phone.submit(attempt, phone.sim, TO, ["jednou"])
    # The second time gives what the first one gave.
    assert phone.submit(attempt, phone.sim, TO, ["jednou"]).phone_clock_ms == receipt.phone_clock_ms
    assert len(calls(rack, phone)) == before + 1
    answer = phone.revoke(attempt)
    assert (answer.word, answer.boot_id) == (JournalWord.RETURNED, phone.enrolment.boot_id)
    assert (answer.phone_clock_ms, answer.subscription_id) == (receipt.phone_clock_ms, phone.sim.subscription_id)


def test_what_was_revoked_is_never_begun(rack, phone, attempt):
    before = len(calls(rack, phone))
    assert phone.revoke(attempt).word is JournalWord.REVOKED
    assert phone.revoke(attempt).word is JournalWord.REVOKED  # also where the first answer was lost
    with pytest.raises(NotSubmittedError, match="revoked"):
        phone.submit(attempt, phone.sim, TO, ["nikdy"])
    assert len(calls(rack, phone)) == before


@pytest.mark.parametrize("fault", ["drop_after", "kill_inside", "hang"])
def test_a_call_that_was_cut_off_is_known_as_begun(rack, phone, link, attempt, eventually, fault, monkeypatch):
    monkeypatch.setattr("device_drivers.android.phone._SUBMIT_LIMIT_S", 2.0)
    before = len(calls(rack, phone))
    rack.fault(phone.serial, fault, 1)
    with pytest.raises(SubmitOutcomeUnknownError):
        phone.submit(attempt, phone.sim, TO, [f"utržená {fault}"])
    again(rack, phone, link, eventually)
    assert phone.revoke(attempt).word is JournalWord.BEGUN
    with pytest.raises(SubmitOutcomeUnknownError, match="it was begun"):
        phone.submit(attempt, phone.sim, TO, [f"utržená {fault}"])
    assert len(calls(rack, phone)) == before + 1


def test_an_exception_is_kept(rack, phone, attempt):
    rack.fault(phone.serial, "reject", 1)
    with pytest.raises(SubmitRejectedError):
        phone.submit(attempt, phone.sim, TO, ["x"])
    answer = phone.revoke(attempt)
    assert answer.word is JournalWord.REFUSED
    assert answer.reason.startswith("SecurityException: Sending SMS")


def test_a_sim_that_has_changed_is_kept_as_a_refusal(rack, phone, attempt):
    other = Sim(phone.sim.slot_index, phone.sim.subscription_id, None, None)
    phone._known.anchors[other.subscription_id] = "Logical SIM slot 7: subId=7"
    before = len(calls(rack, phone))
    with pytest.raises(NotSubmittedError, match="not the enrolled one"):
        phone.submit(attempt, other, TO, ["x"])
    assert phone.revoke(attempt).word is JournalWord.REFUSED
    assert len(calls(rack, phone)) == before


def test_a_phone_without_room_for_its_journal_sends_nothing(rack, phone, attempt, link):
    from device_drivers.adb.command import call

    directory = "/data/local/tmp/smsrack"
    link.run(phone.serial, call("rm", "-r", directory), 10, phone._shell)
    link.run(phone.serial, call("touch", directory), 10, phone._shell)
    before = len(calls(rack, phone))
    with pytest.raises(NotSubmittedError, match="free some space"):
        phone.submit(attempt, phone.sim, TO, ["x"])
    assert phone.revoke(attempt).word is JournalWord.SILENT
    assert len(calls(rack, phone)) == before
    found = {check.name: check.verdict for check in phone.enrol(EnrolOptions(send_only=True)).checks}
    link.run(phone.serial, call("rm", directory), 10, phone._shell)
    assert found["journal"] == "warn"
    phone.enrol(EnrolOptions(send_only=True))


def test_the_journal_outlives_a_restart(rack, phone, attempt, link, eventually):
    phone.submit(attempt, phone.sim, TO, ["před restartem"])
    boot_id = phone.enrolment.boot_id
    rack.call("POST", f"/phones/{phone.serial}/reboot")
    eventually(lambda: dict((p.serial, p.state) for p in link.list_phones()).get(phone.serial) != "device")
    again(rack, phone, link, eventually)
    phone.enrol(EnrolOptions(send_only=True))
    answer = phone.revoke(attempt)
    assert answer.word is JournalWord.RETURNED
    assert answer.boot_id != boot_id


def test_a_newer_phones_radio_log_knows_the_attempt_by_its_id(rack, phone, attempt, eventually):
    phone.submit(attempt, phone.sim, TO, ["podle čísla"])
    phone.submit(attempt + 1, phone.sim, TO, ["další"])
    if phone.enrolment.identity.api_level >= 30:
        assert eventually(lambda: phone.read_radio_answers(attempt)).sent == 1
    else:
        assert phone.read_radio_answers(attempt) is None


def test_old_entries_are_found_and_removed(phone, attempt):
    ids = {attempt + n for n in range(3)}
    for id_ in ids:
        phone.revoke(id_)
    assert ids <= phone.read_journal()
    phone.forget(ids - {attempt})
    assert phone.read_journal() & ids == {attempt}
