"""Reading what the SMS Gateway app and its like send: JSON that may hold anything, and numbers written as strings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from flask import request

Json = dict[str, Any]
MOST = 2**31 - 1
"""Of every integer that goes to or comes from the app, which reads 32 bits."""
# Of a time that the app tells; what is outside is a mistake, and what is added to it must still be a time.
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_LONGEST_DIGITS = 20


class RefusedError(Exception):
    """A request that cannot be served, in the one shape of the gateway's errors."""

    def __init__(self, status: int, words: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(words)
        self.status, self.words, self.retry_after_s = status, words, retry_after_s


def read_object() -> Json:
    """Give the request's JSON object; no body at all is an empty one. Raises RefusedError."""
    data = request.get_data()
    if not data.strip():
        return {}
    try:
        body = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise RefusedError(400, "Invalid JSON body")
    return body


def integer(body: Mapping[str, Any], name: str, least: int, most: int = MOST) -> int | None:
    """Give a field's whole number, brought into its range; None where it is missing or null. Raises RefusedError."""
    value = body.get(name)
    if value is None:
        return None
    number = as_integer(value)
    if number is None:
        raise RefusedError(400, f"{name} must be an integer")
    return min(max(number, least), most)


def as_integer(value: object) -> int | None:
    """Give a whole number, also one that was written as a string or with a point; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        digits = value.strip()
        if not digits.removeprefix("-").isascii() or not digits.removeprefix("-").isdigit():
            return None
        return int(digits) if len(digits) <= _LONGEST_DIGITS else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) else None


def as_id(value: object) -> int | None:
    """Give an id that there could be; None for anything else."""
    number = as_integer(value)
    return number if number is not None and 0 < number <= MOST else None


def flag(body: Mapping[str, Any], name: str) -> bool:
    """Give a field's truth value, false where it is missing or null. Raises RefusedError."""
    value = body.get(name)
    known = {"true": True, "1": True, "false": False, "0": False, "": False}
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str | int) and str(value).strip().lower() in known:
        return known[str(value).strip().lower()]
    raise RefusedError(400, f"{name} must be true or false")


def as_text(value: object) -> str:
    """Give a string, also of a number; empty for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    # Digits beyond all use would cost more to write than to refuse.
    return str(value) if abs(value) < 10**_LONGEST_DIGITS else ""


def storable(text: str) -> str:
    """Give a text as every database takes it: without half characters and NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def listed(body: Mapping[str, Any], name: str, most: int, words: str) -> list[Any]:
    """Give a field's list. Raises RefusedError, with these words where it is none."""
    value = body.get(name)
    if not isinstance(value, list):
        raise RefusedError(400, words)
    if len(value) > most:
        raise RefusedError(413, f"{name} has more than {most} entries; send fewer at a time")
    return value


def moment(value: object) -> datetime | None:
    """Give a time of ISO 8601, in UTC where it names no zone, or of milliseconds since 1970.

    None where that is not what it is: a message is worth more than its time.
    """
    number = as_integer(value)
    try:
        if number is not None:
            at = datetime.fromtimestamp(number / 1000, UTC)
        elif isinstance(value, str):
            at = datetime.fromisoformat(value.strip())
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return at if _EARLIEST <= at < _LATEST else None


def time_text(at: datetime) -> str:
    """Write a time as the app's JavaScript reads it without a mistake."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
