"""Guards of the whole rack against repeats: too many messages to one recipient, and one text too often. Pure.

A replayed queue or a program that runs wild must not reach a person a hundred times, nor a hundred people at once.
Messages are counted, not parts, from the intent on.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from host_controller.rules.classes import MessageClass
from host_controller.rules.waiting import Wait, WaitReason, longest

_HOUR = timedelta(hours=1)
_SWEEP_EVERY = 4096


@dataclass(frozen=True)
class RepeatLimits:
    """How often is too often, by class; a class that is not named, or None, is not limited."""

    recipient_per_hour: Mapping[MessageClass, int | None] = field(
        default_factory=lambda: {MessageClass.OTP: 10, MessageClass.TRANSACTIONAL: 10, MessageClass.MARKETING: 2}
    )
    """Messages of any class that a recipient may have got within the hour, this one with them."""
    same_text: Mapping[MessageClass, int | None] = field(
        default_factory=lambda: {MessageClass.OTP: 20, MessageClass.TRANSACTIONAL: 100}
    )
    """Messages of one text, this one with them, of all the classes that are named here. Marketing repeats by nature."""
    same_text_within: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Handed:
    """One message that was handed to a phone, as far as repeats go."""

    at: datetime
    message_class: MessageClass
    recipient: str = field(repr=False)
    text_key: bytes


def text_key(text: str) -> bytes:
    """A short name for a text, from which it cannot be read."""
    return hashlib.blake2b(text.encode(), digest_size=12).digest()


class RepeatLedger:
    """Who got how many messages within the hour, and how often each text went out. Not for several threads.

    A question costs O(log n) in the messages of its recipient and its text.
    """

    def __init__(self, limits: RepeatLimits, handed: Iterable[Handed] = ()) -> None:
        self.limits = limits
        self._recipients = _Times(_HOUR)
        self._texts = _Times(limits.same_text_within)
        for one in sorted(handed, key=lambda one: one.at):
            self.recall(one)

    def note(self, handed: Handed) -> None:
        """Count a message that goes out now."""
        self._count(handed, forget=True)

    def recall(self, handed: Handed) -> None:
        """Count a message that is on record."""
        self._count(handed, forget=False)

    def take_back(self, handed: Handed) -> None:
        """Uncount a message that certainly did not leave."""
        at = handed.at.astimezone(UTC)
        self._recipients.remove(handed.recipient, at)
        self._texts.remove(handed.text_key, at)

    def next_allowed(self, message_class: MessageClass, recipient: str, key: bytes, now: datetime) -> Wait | None:
        """Say what holds a message and until when; None where it may go now."""
        now = now.astimezone(UTC)
        per_hour = self.limits.recipient_per_hour.get(message_class)
        same_text = self.limits.same_text.get(message_class)
        return longest(
            (
                self._recipients.wait(recipient, per_hour, now, WaitReason.RECIPIENT_HOUR),
                self._texts.wait(key, same_text, now, WaitReason.SAME_TEXT),
            )
        )

    def _count(self, handed: Handed, *, forget: bool) -> None:
        at = handed.at.astimezone(UTC)
        self._recipients.add(handed.recipient, at, forget=forget)
        if self.limits.same_text.get(handed.message_class) is not None:
            self._texts.add(handed.text_key, at, forget=forget)

    def start(self, now: datetime) -> datetime:
        """How far back the rows must reach."""
        return now.astimezone(UTC) - max(_HOUR, self.limits.same_text_within)


class _Times:
    """Times by key, for one length of window."""

    def __init__(self, span: timedelta) -> None:
        self._span = span
        self._times: dict[str | bytes, list[datetime]] = {}
        self._until_sweep = _SWEEP_EVERY

    def add(self, key: str | bytes, at: datetime, *, forget: bool) -> None:
        times = self._times.setdefault(key, [])
        insort(times, at)
        # A row on record may come from a clock that was ahead.
        if not forget:
            return
        del times[: bisect_right(times, at - self._span)]
        self._until_sweep -= 1
        if self._until_sweep <= 0:
            self._until_sweep = _SWEEP_EVERY
            self._times = {name: times for name, times in self._times.items() if times[-1] > at - self._span}

    def remove(self, key: str | bytes, at: datetime) -> None:
        times = self._times.get(key, [])
        if at in times:
            times.remove(at)
        if not times:
            self._times.pop(key, None)

    def wait(self, key: str | bytes, limit: int | None, now: datetime, reason: WaitReason) -> Wait | None:
        times = self._times.get(key)
        if limit is None or (times is None and limit > 0):
            return None
        if limit <= 0 or times is None:
            return Wait(None, reason)
        if times[-1] > now:
            # The clock was set back: what lies in its future counts from now on.
            later = bisect_right(times, now)
            times[later:] = [now] * (len(times) - later)
        inside = len(times) - bisect_right(times, now - self._span)
        return None if inside < limit else Wait(times[-limit] + self._span, reason)
