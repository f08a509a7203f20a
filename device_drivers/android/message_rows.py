"""Rows of `content query` on the phone's SMS store. Pure.

`content` prints values without escaping, so a message text could forge rows. Only integers and hex are ever asked
for, each whole line must match, and one line that does not rejects the batch.
"""

from __future__ import annotations

import re

from device_drivers.adb.command import DeviceCommand, call
from device_drivers.android.isms import CALLING_PACKAGE
from device_drivers.base import InboxRow, MessageQuery, SentRow

# android.provider.Telephony.TextBasedSmsColumns.
_TYPE_INBOX, _TYPE_SENT = 1, 2
_PACKAGE = re.compile(r"[A-Za-z][A-Za-z0-9_.]*", re.ASCII)
_NO_ROWS = "No result found."
_PROJECTION = "_id:type:date:date_sent:sub_id:hex(address):hex(body)"
_ROW = re.compile(
    # Nineteen digits are all that a column of 64 bits can hold.
    r"Row: \d{1,9} _id=(\d{1,19}), type=([12]), date=(-?\d{1,19}|NULL), date_sent=(-?\d{1,19}|NULL), "
    r"sub_id=(-?\d{1,19}|NULL), "
    r"hex\(address\)=([0-9A-F]*|NULL), hex\(body\)=([0-9A-F]*|NULL)",
    re.ASCII,
)


class RowGrammarError(ValueError):
    """The output is not rows of our query; nothing of it may be used."""


def query_command(query: MessageQuery, sender_package: str = CALLING_PACKAGE) -> DeviceCommand:
    """Ask for own sent rows and inbox rows in one `content` call: each call starts a VM on the phone.

    `sender_package` is the one that writes our rows; it comes from the phone, and may hold a package's letters only.
    """
    if not _PACKAGE.fullmatch(sender_package):
        raise RowGrammarError("the messaging app's name is not a package name")
    newer = f"date>={query.inbox_since_ms}"
    if query.inbox_after_row_id is not None:
        newer += f" OR _id>{query.inbox_after_row_id}"
    page = f" AND _id>{query.inbox_page_after_row_id}" if query.inbox_page_after_row_id is not None else ""
    where = f"(type={_TYPE_INBOX}{page} AND ({newer}))"
    if query.sent_since_ms is not None:
        where += f" OR (type={_TYPE_SENT} AND creator='{sender_package}' AND date>={query.sent_since_ms})"
    # Sent rows first: a limit cuts inbox rows only, unless there is none at all in the answer.
    sort = f"type DESC,_id ASC LIMIT {query.inbox_limit}"
    return _query("--projection", _PROJECTION, "--where", where, "--sort", sort)


def sent_command(query: MessageQuery, sender_package: str = CALLING_PACKAGE) -> DeviceCommand:
    """Ask for all own sent rows, without a limit."""
    if not _PACKAGE.fullmatch(sender_package):
        raise RowGrammarError("the messaging app's name is not a package name")
    where = f"type={_TYPE_SENT} AND creator='{sender_package}' AND date>={query.sent_since_ms}"
    return _query("--projection", _PROJECTION, "--where", where, "--sort", "_id ASC")


def count_command() -> DeviceCommand:
    """Ask for the number of rows: always one row where reading is allowed, none where it is not."""
    return _query("--projection", "count(*)")


def is_count(output: str) -> bool:
    """Tell whether the output of `count_command` shows that reading is allowed."""
    return re.fullmatch(r"Row: 0 count\(\*\)=\d+\r?\n?", output) is not None


def newest_command() -> DeviceCommand:
    """Ask for the highest row id."""
    return _query("--projection", "_id", "--sort", "_id DESC LIMIT 1")


def parse_newest(output: str) -> int:
    """Give the highest row id, 0 for none. Raises RowGrammarError."""
    if output.strip() == _NO_ROWS:
        return 0
    match = re.fullmatch(r"Row: 0 _id=(\d{1,19})\r?\n?", output, re.ASCII)
    if match is None:
        raise RowGrammarError("the answer is not a row id")
    return int(match.group(1))


def hex_command() -> DeviceCommand:
    """Ask for one row in the only form that is ever read."""
    return _query("--projection", _PROJECTION, "--sort", "_id ASC LIMIT 1")


def is_hex_readable(output: str) -> bool:
    """Tell whether the provider lets `hex()` through: rows of our grammar, or none."""
    try:
        parse_rows(output)
    except RowGrammarError:
        return False
    return True


def parse_rows(output: str) -> tuple[tuple[SentRow, ...], tuple[InboxRow, ...]]:
    """Give (sent, inbox) in the phone's order. Raises RowGrammarError."""
    sent: list[SentRow] = []
    inbox: list[InboxRow] = []
    lines = output.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if lines == [_NO_ROWS]:
        return (), ()
    if lines == [""]:
        raise RowGrammarError("the phone gave no answer to the query")
    for line in lines:
        match = _ROW.fullmatch(line)
        if match is None:
            raise RowGrammarError("a line of the answer is not a row")
        row_id, kind, date_ms, sent_at_ms, subscription_id, address, body = match.groups()
        where = int(row_id), _integer(date_ms, default=0)
        sub = _integer(subscription_id, default=-1)
        if int(kind) == _TYPE_SENT:
            sent.append(SentRow(*where, sub, _text(address), _text(body)))
        else:
            inbox.append(InboxRow(*where, _integer(sent_at_ms, default=0), sub, _text(address), _text(body)))
    return tuple(sent), tuple(inbox)


def _query(*arguments: str) -> DeviceCommand:
    return call("content", "query", "--uri", "content://sms", *arguments)


def _integer(value: str, *, default: int) -> int:
    return default if value == "NULL" else int(value)


def _text(value: str) -> str:
    if value == "NULL":
        return ""
    try:
        return bytes.fromhex(value).decode(errors="replace")
    except ValueError as error:
        raise RowGrammarError("a hex column is damaged") from error
