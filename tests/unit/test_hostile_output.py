"""What a hostile phone, or a hostile SMS on a good one, can make the readers do: nothing but refuse."""

from __future__ import annotations

import contextlib
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_drivers.android import device_state, journal, message_rows, parcel, radio_log, radio_state, subscriptions
from device_drivers.android.radio_log import LogPosition

# In `make soak` a hundred thousand.
EXAMPLES = int(os.environ.get("SMSRACK_TEST_EXAMPLES", "1500"))
SEED = int(os.environ.get("SMSRACK_TEST_SEED", "20261125"))
PIECES = [
    "Row: 0 _id=1, type=1, date=1, date_sent=1, sub_id=1, hex(address)=2B34, hex(body)=53544F50",
    "Row: 7 _id=9, address=+420777123456, body=STOP", "Result: Parcel(00000000    '....')",
    "Result: Parcel(00000000", "Result: Parcel(\t00000000    '....')", "No result found.", "NULL", "\r", "\n", "\r\n",
    ", type=2", "hex(body)=", "' '", "\u202eSTOP\u202c", "\u2028", "\x85", "\x0b", "\x1c", "😀", "\ud800",
    "0x00000000: ", "ffffffff", "  Phone Id=0", "mSignalStrength=SignalStrength: ", " ActiveSubInfoList:",
    "  {id=1, iccId=8 simSlotIndex=0 x", "defaultSmsSubId=1", "local logs", "9" * 5000, "-", "\0", "٣", "²",
    "[1]< RIL_REQUEST_SEND_SMS error 1", "RILJ", "[UNSL]< UNSOL_RESPONSE_NEW_SMS",
    "11-25 10:00:00.123 D/RILJ    ( 1432): ", "  level: ", "  Window #1 Window{", "package=com.android.phone",
]  # fmt: skip
OUTPUT = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), max_size=12).map("".join)


def hostile_bodies():
    draw = random.Random(SEED)
    return ["".join(draw.choice(PIECES) for _ in range(draw.randint(1, 8))) for _ in range(600)]


def row(n, body):
    raw = body.encode("utf-8", "surrogatepass").hex().upper()
    return (
        f"Row: {n} _id={n + 1}, type=1, date=1700000000000, date_sent=0, sub_id=3, hex(address)=2B34, hex(body)={raw}\n"
    )


def test_no_body_forges_or_hides_a_row():
    bodies = hostile_bodies()
    _, inbox = message_rows.parse_rows("".join(row(n, body) for n, body in enumerate(bodies)))
    assert [r.row_id for r in inbox] == list(range(1, len(bodies) + 1)), f"seed {SEED}"
    assert [r.body for r in inbox] == [
        body.encode("utf-8", "surrogatepass").decode(errors="replace") for body in bodies
    ]


@pytest.mark.parametrize("n", range(0, 600, 60))
def test_a_body_that_comes_unescaped_refuses_the_batch(n):
    """As a provider would give it that takes no hex(): nothing of the batch may be used."""
    body = hostile_bodies()[n]
    text = row(0, "good") + f"Row: 1 _id=2, type=1, body={body}\n" + row(2, "good")
    with pytest.raises(message_rows.RowGrammarError):
        message_rows.parse_rows(text)


@settings(max_examples=EXAMPLES)
@given(OUTPUT)
def test_the_readers_never_crash(output):
    with contextlib.suppress(message_rows.RowGrammarError):
        message_rows.parse_rows(output)
    with contextlib.suppress(parcel.ParcelGrammarError):
        parcel.parse_reply(output)
    message_rows.is_count(output)
    message_rows.is_hex_readable(output)
    for sim in subscriptions.parse_sims(output, output):
        subscriptions.mapping_line(output, sim)
    subscriptions.default_sms_subscription(output)
    radio_state.parse_radio(output)
    device_state.parse_battery(output)
    device_state.parse_clock_ms(output)
    device_state.parse_guard(output, output)
    device_state.parse_boot_id(output)
    device_state.shows_guard_dialog(output)
    radio_log.answers_since(output, radio_log.position(output))
    radio_log.answers_since(output, LogPosition(None))
    new_messages = radio_log.NewMessages(radio_log.follow_command())
    assert not any([new_messages.take(line) for line in output.split("\n")]), "nothing counts before the border"
    journal.parse_probe([output] * 6)


@settings(max_examples=EXAMPLES)
@given(OUTPUT)
def test_a_damaged_reply_is_never_a_success(junk):
    """Only the exact dump of a zero word says that a call returned."""
    try:
        reply = parcel.parse_reply(junk)
    except parcel.ParcelGrammarError:
        return
    assert junk.startswith("Result: Parcel(")
    assert junk.rstrip("\n").endswith(")")
    assert reply.exception is not None or "00000000" in junk
