"""From when until when a message may go. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from host_controller.errors import InvalidWindowError, TooLateError


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, open where it is None."""

    not_before: datetime | None = None
    """Nothing goes earlier."""
    not_after: datetime | None = None
    """What has not gone by then never will."""


def lifetime(window: Window, ttl: timedelta | None, now: datetime) -> Window:
    """What is left of a window from now on, where a message may also wait no longer than `ttl` from its beginning.

    Raises InvalidWindowError, or TooLateError where nothing is left.
    """
    check_window(window)
    not_before = window.not_before if window.not_before is not None and window.not_before > now else None
    ends = [] if window.not_after is None else [window.not_after]
    if ttl is not None:
        ends.append((not_before or now) + ttl)
    not_after = min(ends, default=None)
    if not_after is not None and not_after <= (not_before or now):
        raise TooLateError(f"its time was over at {spoken(not_after)}; give it a later end")
    return Window(not_before, not_after)


def check_window(window: Window) -> None:
    """Raise InvalidWindowError where a window has no moment in it."""
    if window.not_before is not None and window.not_after is not None and window.not_after <= window.not_before:
        begins, ends = spoken(window.not_before), spoken(window.not_after)
        raise InvalidWindowError(f"it would begin at {begins} and end at {ends}; let it end after it begins")


def spoken(at: datetime) -> str:
    """A time as messages for people have it."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
