"""`AndroidPhone` through the real adb server on simulated phones: every outcome of a send, told apart."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_drivers.android.phone import AndroidPhone
from device_drivers.base import EnrolOptions, MessageQuery, SendGuard, Sim
from device_drivers.errors import (
    NotSubmittedError,
    PhoneAnswerError,
    PhoneOfflineError,
    SubmitOutcomeUnknownError,
    SubmitRejectedError,
)
from host_controller.text.parts import cut_into_parts
from tests.reconnect import back_again

TO = "+420777123456"
# A phone begins an attempt once: each takes an id of its own.
IDS = itertools.count(1)


@pytest.fixture(params=[0, 1], ids=["android10", "android14"])
def phone(request, phones, link):
    made = AndroidPhone(link, phones.phones[request.param])
    made.enrolment = made.enrol(EnrolOptions())
    yield made
    phones.clear(made.serial)


def air_of(phones, text):
    return [entry for entry in phones.air() if entry["text"] == text]


def again(phone, phones, link, eventually):
    """After a fault of the link: wait until the phone is back."""
    phones.clear(phone.serial)
    back_again(phone, link, eventually)


def test_enrolment(phone, phones):
    sims = phones.sims(phone.serial)
    assert [(s.slot_index, s.subscription_id, s.operator) for s in phone.enrolment.sims] == [
        (s["slot_index"], s["subscription_id"], s["operator"]) for s in sims
    ]
    assert phone.enrolment.capabilities.can_read_sms
    assert phone.enrolment.guard == SendGuard(100_000, 60.0)
    assert phone.enrolment.identity.api_level in (29, 34)


def test_health(phone):
    health = phone.read_health()
    assert health.battery_percent in range(101)
    assert health.charging is True
    assert [sim.in_service for sim in health.sims] == [True, True]
    assert all(-120 < sim.signal_dbm < -50 for sim in health.sims)
    assert health.subscriptions == phone.enrolment.sims


@pytest.mark.parametrize("slot", [0, 1])
@pytest.mark.parametrize(
    "text",
    ["Ahoj", "x" * 160, "x" * 161, "€" * 200, "Příliš žluťoučký kůň " * 8, "👨‍👩‍👧‍👦" * 30, "ř" * 67 * 10],
    ids=["short", "single", "two", "extension", "czech", "families", "ten"],
)
def test_parts_as_we_cut_them_go_on_the_air_and_come_back_as_one_row(phone, phones, eventually, slot, text):
    sim = phone.enrolment.sims[slot]
    parts = cut_into_parts(text)
    before = phone.read_clock_ms()
    receipt = phone.submit(next(IDS), sim, TO, parts.texts)
    assert receipt.phone_clock_ms >= before

    def row():
        rows = phone.read_messages(MessageQuery(receipt.phone_clock_ms, before, None))
        return [r for r in rows.sent if r.body == text]

    (found,) = eventually(row)
    assert (found.subscription_id, found.address) == (sim.subscription_id, TO)
    # The row is written when the last part has left.
    message = [entry for entry in phones.air() if entry["phone"] == phone.serial][-parts.count :]
    assert [entry["text"] for entry in message] == list(parts.texts)
    assert {(entry["parts"], entry["slot_index"], entry["encoding"]) for entry in message} == {
        (parts.count, slot, parts.encoding)
    }


@settings(max_examples=60)
@given(
    st.text(
        alphabet=st.one_of(
            st.sampled_from("'\"$`\\\n-;&|(){}<>*?~#!% "), st.sampled_from("Ďжя😀🇨🇿"), st.characters(codec="utf-8")
        ),
        min_size=1,
        max_size=60,
    ).filter(lambda text: "\0" not in text)
)
def test_any_text_reaches_the_air_unchanged(phone, phones, eventually, text):
    def air():
        return [entry["text"] for entry in phones.air() if entry["to"] == recipient]

    recipient = "+420777000111"
    parts, before = cut_into_parts(text), len(air())
    phone.submit(next(IDS), phone.enrolment.sims[0], recipient, parts.texts)
    eventually(lambda: len(air()) >= before + parts.count)
    assert air()[before:] == list(parts.texts)


def test_a_hostile_text_is_only_a_text(phone, phones, eventually):
    text = "-n '$(reboot)' `reboot`; reboot\n\"Ř\" \\ 'x' && 😀"
    phone.submit(next(IDS), phone.enrolment.sims[1], TO, [text])
    eventually(lambda: air_of(phones, text))
    assert phone.read_clock_ms()


def test_inbound_rows_are_read_as_they_are(phone, phones, eventually):
    body = "Row: 7 _id=9, type=2\nhex(body)=00, ‮STOP 😀 'x'"
    before = phone.read_clock_ms()
    phones.inject(phone.serial, "+420603111222", body, slot_index=1)
    rows = eventually(lambda: phone.read_messages(MessageQuery(None, before, None)).inbox)
    assert (rows[-1].sender, rows[-1].body) == ("+420603111222", body)
    assert rows[-1].subscription_id == phone.enrolment.sims[1].subscription_id


def test_an_exception_of_the_framework_is_a_rejection(phone, phones):
    phones.fault(phone.serial, "reject", 1)
    with pytest.raises(SubmitRejectedError, match="SecurityException"):
        phone.submit(next(IDS), phone.enrolment.sims[0], TO, ["rejected"])
    assert air_of(phones, "rejected") == []


def test_a_sim_that_is_not_in_its_slot_any_more_sends_nothing(phone, phones):
    sim = phone.enrolment.sims[0]
    other = Sim(sim.slot_index, sim.subscription_id + 100, sim.iccid, sim.operator)
    with pytest.raises(NotSubmittedError, match="not the enrolled one"):
        phone.submit(next(IDS), other, TO, ["wrong sim"])
    assert air_of(phones, "wrong sim") == []


def test_a_link_that_breaks_before_the_command_runs_is_in_doubt(phone, phones, link, eventually):
    """Nothing left here, but the host cannot know."""
    phones.fault(phone.serial, "drop_before", 1)
    with pytest.raises(SubmitOutcomeUnknownError):
        phone.submit(next(IDS), phone.enrolment.sims[0], TO, ["cut before"])
    again(phone, phones, link, eventually)
    assert air_of(phones, "cut before") == []


def test_a_link_that_breaks_before_the_shell_is_confirmed_may_have_sent(phone, phones, link, eventually):
    """The adb server answers FAIL here although the phone ran the command: that FAIL is no proof."""
    phones.fault(phone.serial, "drop_unopened", 1)
    with pytest.raises(SubmitOutcomeUnknownError, match="closed the shell: closed"):
        phone.submit(next(IDS), phone.enrolment.sims[0], TO, [f"cut unopened {phone.serial}"])
    eventually(lambda: air_of(phones, f"cut unopened {phone.serial}"))
    again(phone, phones, link, eventually)


def test_a_link_that_breaks_after_the_hand_over_is_in_doubt(phone, phones, link, eventually):
    phones.fault(phone.serial, "drop_after", 1)
    with pytest.raises(SubmitOutcomeUnknownError):
        phone.submit(next(IDS), phone.enrolment.sims[0], TO, [f"cut after {phone.serial}"])
    eventually(lambda: air_of(phones, f"cut after {phone.serial}"))
    again(phone, phones, link, eventually)


def test_a_call_that_hangs_is_in_doubt(phone, phones, eventually, monkeypatch):
    monkeypatch.setattr("device_drivers.android.phone._SUBMIT_LIMIT_S", 0.5)
    phones.fault(phone.serial, "hang", 1)
    with pytest.raises(SubmitOutcomeUnknownError, match="no answer"):
        phone.submit(next(IDS), phone.enrolment.sims[0], TO, [f"hangs {phone.serial}"])
    eventually(lambda: air_of(phones, f"hangs {phone.serial}"))


def test_a_phone_that_is_gone_got_nothing(phone, phones, link, eventually):
    phones.call("POST", f"/phones/{phone.serial}/unplug")

    def gone():
        try:
            phone.read_clock_ms()
        except PhoneOfflineError:
            return True
        except Exception:
            return False

    eventually(gone)
    with pytest.raises(NotSubmittedError):
        phone.submit(next(IDS), phone.enrolment.sims[0], TO, ["unplugged"])
    phones.call("POST", f"/phones/{phone.serial}/plug")
    again(phone, phones, link, eventually)
    assert air_of(phones, "unplugged") == []


def test_nothing_is_sent_before_enrolment(phones, link):
    phone = AndroidPhone(link, phones.phones[0])
    with pytest.raises(NotSubmittedError, match="not been enrolled"):
        phone.submit(next(IDS), Sim(0, 11, None, None), TO, ["x"])


def test_a_phone_whose_shell_may_not_read_sms_says_so(phone, phones):
    phones.fault(phone.serial, "denied")
    assert not phone.enrol(EnrolOptions()).capabilities.can_read_sms


def test_what_the_last_look_refuses_does_not_reach_the_phone(phone, phones, eventually):
    @contextmanager
    def refuse():
        raise LookupError("no")
        yield

    attempt, sim = next(IDS), phone.enrolment.sims[0]
    with pytest.raises(LookupError):
        phone.submit(attempt, sim, TO, ["kept back"], refuse)
    assert phone.read_clock_ms()
    assert not air_of(phones, "kept back")
    phone.submit(attempt, sim, TO, ["now it goes"])
    eventually(lambda: air_of(phones, "now it goes"))


def read_pages(phone, query):
    """Give the rows of every page, and how many of them each has."""
    rows, sizes = [], []
    while True:
        page = phone.read_messages(query)
        rows.extend(page.inbox)
        sizes.append(len(page.inbox))
        if not page.more_inbox:
            return rows, sizes
        query = replace(query, sent_since_ms=None, inbox_page_after_row_id=page.inbox[-1].row_id)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_an_inbox_is_read_page_by_page_whatever_was_sent_meanwhile(phone, phones, eventually, limit):
    before = phone.read_clock_ms()
    sent = f"sent before the pages of {limit} "
    for n in range(3):
        phone.submit(next(IDS), phone.enrolment.sims[0], TO, [f"{sent}{n}"])
    for n in range(7):
        phones.inject(phone.serial, "+420603111222", f"{n}")
    query = MessageQuery(before, before, None, inbox_limit=limit)
    eventually(lambda: len(phone.read_messages(replace(query, inbox_limit=100)).inbox) == 7)
    eventually(lambda: len([row for row in phone.read_messages(query).sent if row.body.startswith(sent)]) == 3)
    rows, sizes = read_pages(phone, query)
    assert [row.body for row in rows] == [f"{n}" for n in range(7)]
    assert all(size <= limit for size in sizes)


def test_the_newest_row_is_named_whatever_its_kind(phone, phones, eventually):
    phones.inject(phone.serial, "+420603111222", "the first")
    received = eventually(phone.read_newest_row_id)
    before = phone.read_clock_ms()
    phone.submit(next(IDS), phone.enrolment.sims[0], TO, ["and one that was sent"])
    sent = eventually(lambda: phone.read_messages(MessageQuery(before, before, None)).sent)
    assert phone.read_newest_row_id() == sent[-1].row_id > received


def test_a_damaged_row_and_one_that_forges_others_neither_hide_nor_make_any(phone, phones, eventually):
    before = phone.read_clock_ms()
    forged = "Hi\nRow: 9 _id=99, type=1, date=1, date_sent=1, sub_id=1, hex(address)=2B34, hex(body)=53544F50"
    texts = [forged, "\ud83d half", "NULL", "STOP"]
    for text in texts:
        phones.inject(phone.serial, "+420603111222", text)
    rows = eventually(lambda: len(found := phone.read_messages(MessageQuery(None, before, None)).inbox) == 4 and found)
    assert [row.sender for row in rows] == ["+420603111222"] * 4
    assert rows[0].body == forged
    assert [row.body for row in rows[2:]] == ["NULL", "STOP"]


def test_no_access_is_told_from_nothing_there(phone, phones):
    later = phone.read_clock_ms() + 3_600_000
    assert phone.read_messages(MessageQuery(later, later, None)).inbox == ()
    phones.fault(phone.serial, "denied")
    with pytest.raises(PhoneAnswerError, match="read SMS"):
        phone.read_messages(MessageQuery(later, later, None))
