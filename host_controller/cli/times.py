"""Classes, times and spans as people type them, on the command line and in a CSV file."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import click

from host_controller.client import ApiClient
from host_controller.rules.classes import MessageClass

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)", re.ASCII)
_LONGEST_S = 366 * 86_400
_YEARS = range(2000, 3000)


def read_class(text: str) -> str:
    """Read the class of a message. Raises ValueError with words for a person."""
    if text not in list(MessageClass):
        raise ValueError(f"{text!r} is no class; write one of {', '.join(MessageClass)}")
    return text


def read_moment(text: str) -> datetime:
    """Read a time; without a zone it is naive. Raises ValueError with words for a person."""
    try:
        at = datetime.fromisoformat(text)
        if at.year not in _YEARS:
            raise ValueError
    except ValueError:
        raise ValueError(f"{text!r} is no time; write it like 2026-12-01 09:00 or 2026-12-01T09:00+01:00") from None
    return at


def read_ttl(text: str) -> float:
    """Read a span of time in seconds. Raises ValueError with words for a person."""
    match = _SPAN.fullmatch(text)
    ttl_s = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not 0 < ttl_s <= _LONGEST_S:
        raise ValueError(f"{text!r} is no span of time up to a year; write it like 90s, 15m, 24h or 2d")
    return ttl_s


class RackTimes:
    """Times for the API: one without a zone is in the rack's, which the API is asked for when it is needed."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    @cached_property
    def zone(self) -> ZoneInfo:
        """The rack's zone."""
        return ZoneInfo(self._api.call("GET", "/status")["time_zone"])

    def json(self, at: datetime | None) -> str | None:
        """Give a time as the API takes it."""
        if at is None:
            return None
        return (at if at.tzinfo else at.replace(tzinfo=self.zone)).isoformat()


class _Read(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has it without one
    """A value that one of the functions above reads."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See ParamType."""
        try:
            return self._read(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


CLASS = click.Choice([kind.value for kind in MessageClass])
MOMENT = _Read("time", read_moment)
TTL = _Read("span", read_ttl)
