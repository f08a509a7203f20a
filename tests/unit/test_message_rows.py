"""Rows of `content query`: what is read, and what a hostile message text cannot do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.android import message_rows
from device_drivers.android.message_rows import RowGrammarError, parse_rows
from device_drivers.base import InboxRow, MessageQuery, SentRow


def row(kind: int, address: str, body: str, n: int = 0) -> str:
    hexed = [text.encode("utf-8", "surrogatepass").hex().upper() for text in (address, body)]
    return (
        f"Row: {n} _id=17, type={kind}, date=1700000000123, date_sent=1700000000000, sub_id=3, "
        f"hex(address)={hexed[0]}, hex(body)={hexed[1]}"
    )


def test_sent_and_inbox_rows_are_told_apart():
    sent, inbox = parse_rows(row(2, "+420777123456", "Ahoj") + "\n" + row(1, "+420777123456", "STOP", 1) + "\n")
    assert sent == (SentRow(17, 1700000000123, 3, "+420777123456", "Ahoj"),)
    assert inbox == (InboxRow(17, 1700000000123, 1700000000000, 3, "+420777123456", "STOP"),)


def test_no_rows():
    assert parse_rows("No result found.\n") == ((), ())


def test_carriage_returns_of_a_terminal_are_harmless():
    assert parse_rows(row(2, "1", "x") + "\r\n")[0][0].body == "x"


def test_null_columns():
    line = "Row: 0 _id=1, type=1, date=5, date_sent=NULL, sub_id=NULL, hex(address)=, hex(body)=NULL"
    assert parse_rows(line)[1] == (InboxRow(1, 5, 0, -1, "", ""),)


@pytest.mark.parametrize(
    "output",
    [
        "",
        "Error while accessing provider:sms\n",
        row(1, "1", "a") + "\nRow: 7 _id=9, address=+420777123456\n",
        row(1, "1", "a").replace("type=1", "type=5"),
        row(1, "1", "a") + "\nNo result found.\n",
        row(1, "1", "a")[:-1],
        row(1, "1", "a").replace("17", "١٧"),
    ],
    ids=["nothing", "error", "forged-row", "failed-type", "mixed", "half-a-byte", "other-digits"],
)
def test_one_bad_line_rejects_the_batch(output):
    with pytest.raises(RowGrammarError):
        parse_rows(output)


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=5))
def test_any_text_comes_back_and_forges_nothing(messages):
    output = "\n".join(row(1, sender, body, n) for n, (sender, body) in enumerate(messages))
    _, inbox = parse_rows(output)
    seen = [(r.sender, r.body) for r in inbox]
    assert seen == [tuple(t.encode("utf-8", "surrogatepass").decode(errors="replace") for t in m) for m in messages]


def test_the_query_asks_for_own_rows_only_and_never_for_plain_text():
    line = message_rows.query_command(MessageQuery(100, 50, 7)).shell_line()
    assert "type=2 AND creator=" in line
    assert "date>=100" in line
    assert "(type=1 AND (date>=50 OR _id>7))" in line
    assert "hex(body)" in line


def test_the_query_without_cursor_and_without_open_attempts():
    line = message_rows.query_command(MessageQuery(None, 50, None)).shell_line()
    assert "type=2" not in line
    assert "_id>" not in line
