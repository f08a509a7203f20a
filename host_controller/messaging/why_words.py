"""Why something waits, in words and with the figures of the rule that holds it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from host_controller.messaging import stale
from host_controller.messaging.holds import HoldKind, Scope, active_holds, weightiest
from host_controller.messaging.reach import facts_of
from host_controller.messaging.standings import Standing
from host_controller.rules.choice import QueuedMessage
from host_controller.rules.classes import MessageClass
from host_controller.rules.configured import repeat_limits
from host_controller.rules.ledger import most_parts
from host_controller.rules.lifetime import spoken
from host_controller.rules.prefixes import PrefixTable
from host_controller.rules.quiet_hours import region_of
from host_controller.rules.recipient_filter import truth, unknown_fields
from host_controller.rules.states import AttemptState
from host_controller.rules.waiting import WaitReason
from host_controller.settings import Settings
from host_controller.store.models import AttemptRecord, BatchRecord, MessageEvent, MessageRecord, PhoneRecord
from host_controller.text.msisdn import Msisdn

_HOUR = timedelta(hours=1)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def held_words(session: Session, settings: Settings, message: MessageRecord, reason: WaitReason, now: datetime) -> str:
    """Say what holds a message on every SIM."""
    return _Held(session, settings, message, now).words(reason)


class _Held:
    """What is on record of a message, and of the rule that holds it."""

    def __init__(self, session: Session, settings: Settings, message: MessageRecord, now: datetime) -> None:
        self._session = session
        self._settings = settings
        self._message = message
        self._class = MessageClass(message.message_class)
        self._now = now

    def words(self, reason: WaitReason) -> str:
        known = {
            WaitReason.RESTORED: self._restored,
            WaitReason.STALE: self._stale,
            WaitReason.BATCH_PAUSED: self._batch_paused,
            WaitReason.NOT_BEFORE: self._not_before,
            WaitReason.RETRY: self._retry,
            WaitReason.QUIET_HOURS: self._quiet_hours,
            WaitReason.RECIPIENT_HOUR: self._recipient_hour,
            WaitReason.SAME_TEXT: self._same_text,
            WaitReason.PREFIX_CAP: self._prefix_cap,
            WaitReason.TOO_LONG: self._too_long,
            WaitReason.SPEND_FUSE: self._spend_fuse,
        }
        return known[reason]() if reason in known else f"it waits: {reason.replace('_', ' ')}"

    def _restored(self) -> str:
        query = select(PhoneRecord.adb_serial).where(
            PhoneRecord.journal_checked.is_(False), PhoneRecord.removed_at.is_(None)
        )
        names = ", ".join(self._session.scalars(query.order_by(PhoneRecord.id))) or "none"
        return f"it comes from a backup; phones that have not said yet what they have sent since: {names}"

    def _stale(self) -> str:
        event = MessageEvent
        last = select(event.reason).where(event.message_id == self._message.id, event.actor == stale.ACTOR)
        words = self._session.scalar(last.order_by(event.id.desc()).limit(1)) or "held after an outage"
        hours = self._settings.messages.stale_after_h
        return f"{words}, which made it late by more than {hours:g} h; `smsrack stale` releases or cancels it"

    def _batch_paused(self) -> str:
        batch = self._session.get(BatchRecord, self._message.batch_id) if self._message.batch_id else None
        hold = weightiest(
            hold
            for hold in active_holds(self._session)
            if hold.scope is Scope.BATCH and hold.target_id == self._message.batch_id
        )
        name = f" {batch.name}" if batch else ""
        if hold is None:
            return f"its batch{name} was paused a moment ago"
        return f"its batch{name} is {hold.kind} by {hold.actor}: {hold.reason}"

    def _not_before(self) -> str:
        batch = self._session.get(BatchRecord, self._message.batch_id) if self._message.batch_id else None
        if batch and batch.not_before == self._message.not_before:
            return f"the window of batch {batch.name} has not begun"
        return "its sender asked for a later time"

    def _retry(self) -> str:
        tries = select(func.max(AttemptRecord.n)).where(AttemptRecord.message_id == self._message.id)
        last = select(MessageEvent.reason).where(MessageEvent.message_id == self._message.id)
        words = self._session.scalar(last.order_by(MessageEvent.id.desc()).limit(1))
        return f"try {self._session.scalar(tries) or 1} did not leave ({words}); it is tried again later and later"

    def _quiet_hours(self) -> str:
        region = region_of(self._message.msisdn)
        quiet = self._settings.quiet_hours
        by_region = getattr(quiet, self._class.value)
        hours = by_region.get(region, by_region.get("*"))
        if hours is None:
            return "the hours of its recipient's country were closed when it was last looked at"
        days = " ".join(day for day, is_open in zip(_DAYS, hours.days, strict=True) if is_open == "1")
        holidays = "" if hours.on_holidays or not quiet.holidays.get(region) else ", not on holidays"
        times = f"from {hours.opens} to {hours.closes} on {days}{holidays}"
        return f"{self._class} may reach {region or 'its country'} {times}, by the clocks there"

    def _recipient_hour(self) -> str:
        limit = repeat_limits(self._settings.repeats).recipient_per_hour.get(self._class)
        count = self._handed(_HOUR, MessageRecord.msisdn == self._message.msisdn)
        return f"its recipient got {count} messages within the hour; {self._class} may be at most number {limit}"

    def _same_text(self) -> str:
        repeats = self._settings.repeats
        count = self._handed(
            timedelta(minutes=repeats.same_text_within_min),
            MessageRecord.text == self._message.text,
            MessageRecord.message_class.in_(repeats.same_text),
        )
        limit = repeat_limits(repeats).same_text.get(self._class)
        return f"its text went out {count} times within {repeats.same_text_within_min:g} min, and {limit} are allowed"

    def _handed(self, within: timedelta, *conditions: object) -> int:
        query = (
            select(func.count())
            .select_from(AttemptRecord)
            .join(MessageRecord, MessageRecord.id == AttemptRecord.message_id)
            .where(AttemptRecord.state.in_(list(AttemptState)), AttemptRecord.state != AttemptState.NOT_SENT)
            .where(AttemptRecord.intent_at > self._now - within, *conditions)  # type: ignore[arg-type]
        )
        return self._session.scalar(query) or 0

    def _prefix_cap(self) -> str:
        return f"the cap of {self._cap()} is spent"

    def _too_long(self) -> str:
        return f"it has {self._message.part_count} parts, more than the cap of {self._cap()} ever lets through"

    def _cap(self) -> str:
        found = PrefixTable(self._settings.prefix_caps).longest(Msisdn(self._message.msisdn))
        if found is None:
            return "its number"
        prefix, cap = found
        figures = [
            f"{count} parts {period}"
            for count, period in ((cap.parts_per_hour, "an hour"), (cap.parts_per_day, "a day"))
            if count is not None
        ]
        return f"numbers that begin with {prefix} ({', '.join(figures)})"

    def _spend_fuse(self) -> str:
        for hold in active_holds(self._session):
            if hold.kind is HoldKind.FUSE:
                return f"the spend fuse holds the whole rack: {hold.reason}; `smsrack resume` releases it"
        spend = self._settings.spend
        return f"it would pass the {spend.limit} {spend.currency} that may be spent within {spend.within_h:g} h"


def sim_words(standing: Standing, reason: WaitReason, message: QueuedMessage, sticky: Standing | None) -> str:
    """Say what holds a message on one SIM."""
    limits, spent, sim = standing.sim.limits, standing.spent, standing.sim
    used = {
        WaitReason.HOUR: ("of this hour", sum(spent.hour) if spent else 0, limits.parts_per_hour),
        WaitReason.QUOTA: ("of today", sum(spent.day) if spent else 0, limits.parts_per_day),
        WaitReason.MONTH: ("of this billing month", sum(spent.month) if spent else 0, limits.parts_per_month),
    }.get(reason)
    if used is not None:
        return f"{used[1]} of the {used[2]} parts {used[0]} are spent, and it needs {message.parts}"
    guard = limits.guard
    return {
        WaitReason.PACE: f"it pauses after each message, for {limits.parts_per_minute} parts a minute"
        + _slowed(standing),
        WaitReason.GUARD: f"Android would stop it at {guard.max_parts} parts in {guard.interval_s:g} s,"
        f" of which {guard.usable_parts} are used",
        WaitReason.RECIPIENTS: f"it has written to {spent.recipients if spent else 0} numbers in this billing month,"
        f" and may to {limits.recipients_per_month}",
        WaitReason.RESERVE: f"what is left of its limits is kept for what is more urgent than {message.message_class}",
        WaitReason.TOO_LONG: f"it has {message.parts} parts, and at most {most_parts(limits, message.message_class)} of"
        f" {message.message_class} ever go at once",
        WaitReason.STICKY: f"the recipient knows {sticky.name if sticky else 'another SIM'}",
        WaitReason.BUSY: "an equal message to the same number is in the phone's hands; their proofs could not be told"
        " apart",
        WaitReason.NO_ROUTE: _filter_words(standing, message),
    }.get(reason, standing.words or f"held: {sim.held.reason if sim.held else reason}")


def _slowed(standing: Standing) -> str:
    ends_at = standing.ramp.ends_at
    return f"; after an outage it starts slowly, at full pace from {spoken(ends_at)}" if ends_at else ""


def _filter_words(standing: Standing, message: QueuedMessage) -> str:
    facts = message.facts or facts_of(message.recipient, message.message_class, message.parts)
    if truth(standing.sim.recipients, facts) is None:
        unknown = ", ".join(unknown_fields(standing.sim.recipients, facts)) or "a field that cannot be compared"
        return f"the phone's recipient filter asks for what is not known: {unknown}"
    return "the phone's recipient filter is against this recipient"


def counted(messages: int, one: str, several: str) -> str:
    """Say how many messages do something."""
    return f"1 message {one}" if messages == 1 else f"{messages} messages {several}"
