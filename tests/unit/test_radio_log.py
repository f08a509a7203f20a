"""The radio log as a witness: answers after a position count, whatever else stands in the log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.android import radio_log
from device_drivers.android.radio_log import LogPosition
from device_drivers.base import RadioAnswers

HEAD = "--------- beginning of radio\n"


def line(words: str, tag: str = "RILJ    ") -> str:
    return f"11-25 10:00:00.123 D/{tag}( 1432): {words}\n"


SENT = line("[17]< RIL_REQUEST_SEND_SMS { mMessageRef = 17, mErrorCode = 0, mAckPdu = null} [SUB0]")
REFUSED = line("[18]< RIL_REQUEST_SEND_SMS error 2 [SUB0]")
CMS_ERROR = line("[19]< RIL_REQUEST_SEND_SMS { mMessageRef = 0, mErrorCode = 38, mAckPdu = null} [SUB0]")
ASKED = line("[17]> RIL_REQUEST_SEND_SMS [SUB0]")


def test_only_answers_after_the_position_count():
    before = HEAD + ASKED + SENT
    start = radio_log.position(before)
    assert radio_log.answers_since(before, start) == RadioAnswers(0, 0)
    assert radio_log.answers_since(
        before + ASKED + SENT.replace("[17]", "[21]") + REFUSED + CMS_ERROR, start
    ) == RadioAnswers(1, 2)


def test_an_equal_line_later_is_not_the_position():
    start = radio_log.position(HEAD + SENT)
    # The very same line twice (same time, same token) cannot be told apart: it is not counted.
    assert radio_log.answers_since(HEAD + SENT + SENT, start) == RadioAnswers(0, 0)


def test_a_log_that_does_not_reach_back_proves_nothing():
    assert radio_log.answers_since(HEAD + SENT, LogPosition("gone")) is None


def test_an_empty_log_is_a_position():
    start = radio_log.position(HEAD)
    assert start == LogPosition(None)
    assert radio_log.answers_since(HEAD + SENT, start) == RadioAnswers(1, 0)


def test_other_lines_are_no_answers():
    forged = line("a text: RIL_REQUEST_SEND_SMS { mMessageRef = 1, mErrorCode = 0,", tag="GsmSMS  ")
    other = line("[20]< RIL_REQUEST_SMS_ACKNOWLEDGE [SUB0]")
    assert radio_log.answers_since(HEAD + forged + other + ASKED, LogPosition(None)) == RadioAnswers(0, 0)


def test_whether_it_can_be_read():
    assert radio_log.is_readable(HEAD)
    assert not radio_log.is_readable("")
    assert not radio_log.is_readable("logcat read failure: Permission denied\n")


def test_newer_phones_note_the_attempts_id_beside_a_success():
    log = (
        "11-26 10:00:00.000 D/RILJ    ( 1432): [7]< SEND_SMS {mMessageRef = 1, mErrorCode = 0, mAckPdu = null,"
        " {x-message-id:4711}} [SUB0]\n"
        "11-26 10:00:01.000 D/RILJ    ( 1432): [8]< RIL_REQUEST_SEND_SMS { mMessageRef = 2, mErrorCode = 0,"
        " mAckPdu = null, {x-message-id:4711}} [SUB0]\n"
        "11-26 10:00:02.000 D/RILJ    ( 1432): [9]< SEND_SMS {mMessageRef = 3, mErrorCode = 0, mAckPdu = null,"
        " {x-message-id:471}} [SUB0]\n"
    )
    assert radio_log.answers_to(log, 4711) == RadioAnswers(sent=2, refused=0)
    assert radio_log.answers_to(log, 47) is None
    assert radio_log.answers_since(log, radio_log.LogPosition(None)) == RadioAnswers(sent=3, refused=0)


NEW = line("[UNSL]< UNSOL_RESPONSE_NEW_SMS [SUB0]").rstrip("\n")
LATER = NEW.replace("10:00:00", "10:00:05")


def heard(before: list[str], after: list[str]) -> list[bool]:
    """What counts of the lines of a followed log, before and after the border."""
    command = radio_log.follow_command()
    border = command.shell_line().split("; echo ")[1].split(";")[0]
    new_messages = radio_log.NewMessages(command)
    return [new_messages.take(text) for text in [*before, border, *after]][len(before) + 1 :]


@pytest.mark.parametrize(
    "words",
    [
        "[UNSL]< UNSOL_RESPONSE_NEW_SMS",
        "[UNSL]< UNSOL_RESPONSE_NEW_SMS [SUB1]",
        "[UNSL]< UNSOL_RESPONSE_NEW_SMS [PHONE0]",
        "[PHONE1] [UNSL]< UNSOL_RESPONSE_NEW_SMS",
        "[UNSL]< UNSOL_RESPONSE_CDMA_NEW_SMS [SUB0]",
        "[UNSL]< UNSOL_RESPONSE_NEW_SMS\r",
    ],
    ids=["Android 5", "two SIMs", "newer", "in front", "CDMA", "terminal"],
)
def test_a_new_message_is_told_of(words):
    assert heard([], [line(words).rstrip("\n")]) == [True]


@pytest.mark.parametrize(
    "text",
    [
        line("[UNSL]< UNSOL_RESPONSE_NEW_SMS_STATUS_REPORT [SUB0]"),
        line("[UNSL]< UNSOL_RESPONSE_NEW_SMS_ON_SIM [SUB0]"),
        line("[UNSL]< UNSOL_RESPONSE_NEW_BROADCAST_SMS [SUB0]"),
        line("[UNSL]< UNSOL_SIGNAL_STRENGTH"),
        line("[UNSL]< UNSOL_RESPONSE_NEW_SMS", tag="GsmSMS  "),
        line("a text: [UNSL]< UNSOL_RESPONSE_NEW_SMS"),
        "[UNSL]< UNSOL_RESPONSE_NEW_SMS",
        "RILJ: [UNSL]< UNSOL_RESPONSE_NEW_SMS",
        "",
        HEAD,
    ],
)
def test_other_lines_tell_of_none(text):
    assert heard([], [text.rstrip("\n")]) == [False]


def test_what_was_there_before_does_not_count():
    # `-T 1` gives the last line again, if it passes the filter.
    assert heard([HEAD, NEW], [HEAD, NEW, LATER]) == [False, False, True]
    assert heard([HEAD, ASKED], [HEAD, NEW]) == [False, True]
    assert heard([HEAD], [HEAD, NEW]) == [False, True]
    assert heard([HEAD, NEW], [HEAD, LATER, LATER]) == [False, True, True]


def test_a_log_without_its_border_tells_of_nothing():
    new_messages = radio_log.NewMessages(radio_log.follow_command())
    assert [new_messages.take(text) for text in (HEAD, NEW, "--0123456789abcdef--", LATER)] == [False] * 4


@given(st.lists(st.one_of(st.just(NEW), st.just(LATER), st.text(max_size=20), st.text(max_size=9).map(NEW.__add__))))
def test_as_many_are_told_of_as_there_are_whatever_stands_between(lines):
    prefix = (NEW, LATER)
    expected = [text.startswith(prefix) or text.startswith(NEW + " ") for text in lines]
    assert heard([], lines) == expected
