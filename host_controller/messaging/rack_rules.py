"""What holds a message on every SIM: hours of its recipient, guards against repeats, caps, the fuse for money.

Only works of the store's one writer ask it, so that no two claims pass a limit side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.messaging.holds import HoldKind
from host_controller.messaging.queue import QueuedMessage
from host_controller.messaging.reach import facts_of
from host_controller.rules.classes import MessageClass
from host_controller.rules.configured import prefix_caps, quiet_rules, repeat_limits, spend_limit
from host_controller.rules.prefixes import PrefixLedger, PrefixUse
from host_controller.rules.quiet_hours import MessageWindow, next_moment, place_of
from host_controller.rules.recipient_filter import Facts
from host_controller.rules.repeats import Handed, RepeatLedger, text_key
from host_controller.rules.spend import SpendFuse
from host_controller.rules.states import AttemptState
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.settings import Settings
from host_controller.store.models import AttemptRecord, HoldRecord, MessageRecord
from host_controller.text.msisdn import Msisdn

_ALWAYS = MessageWindow()
_COUNTED = [state for state in AttemptState if state is not AttemptState.NOT_SENT]


class RackRules:
    """The rules of the whole rack, with what counts for them in memory."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self._quiet = quiet_rules(settings.quiet_hours)
        self._ledgers: _Ledgers | None = None

    def held(self, session: Session, message: QueuedMessage, now: datetime) -> Wait | None:
        """Say what holds a message on every SIM, and until when; None where nothing does."""
        quiet = self._quiet_hours(message.msisdn, message.message_class, now)
        return quiet or self._asked(session, message, now, blow=True)

    def would_hold(self, session: Session, message: QueuedMessage, now: datetime) -> Wait | None:
        """Say the same for who only wonders: no fuse blows of it."""
        quiet = self._quiet_hours(message.msisdn, message.message_class, now)
        return quiet or self._asked(session, message, now, blow=False)

    def opens_at(self, msisdn: str, message_class: MessageClass, at: datetime) -> datetime | None:
        """Say when quiet hours first let a message go that may go from `at` on; None for never. From any thread."""
        wait = self._quiet_hours(msisdn, message_class, at)
        return at if wait is None else wait.until

    def note(self, session: Session, message: QueuedMessage, at: datetime) -> None:
        """Count a message that is handed over."""
        self._loaded(session, at).note(message, at)

    def take_back(self, message: QueuedMessage, at: datetime) -> None:
        """Uncount a message that certainly did not leave."""
        if self._ledgers is not None:
            self._ledgers.take_back(message, at)

    def forget(self) -> None:
        """What is counted may be wrong: something was rolled back. From any thread."""
        self._ledgers = None

    def facts(self, message: QueuedMessage) -> Facts:
        """What is known of a message and its recipient, for the filters of phones."""
        return facts_of(message.msisdn, message.message_class, message.parts)

    def blown(self, session: Session, now: datetime) -> str | None:
        """Say, in words, that the fuse for money has blown; None where it has not, or there is none."""
        fuse = self._loaded(session, now).fuse
        return str(fuse.blown) if fuse and fuse.blown else None

    def _quiet_hours(self, msisdn: str, message_class: MessageClass, now: datetime) -> Wait | None:
        if not self._quiet.hours.get(message_class):
            return None
        place = place_of(Msisdn(msisdn), self._settings.zone)
        return next_moment(self._quiet, message_class, place, _ALWAYS, now)

    def _asked(self, session: Session, message: QueuedMessage, now: datetime, *, blow: bool) -> Wait | None:
        ledgers = self._loaded(session, now)
        wait = ledgers.held(message, now, blow=False)
        if wait is not None and wait.reason is WaitReason.SPEND_FUSE:
            # It must not blow of what was spent before a person released it, whatever was loaded in between.
            if _fuse_released_at(session) != ledgers.released_at:
                self.forget()
                ledgers = self._loaded(session, now)
            wait = ledgers.held(message, now, blow=blow)
        return wait

    def _loaded(self, session: Session, now: datetime) -> _Ledgers:
        if self._ledgers is None:
            self._ledgers = _load(session, self._settings, now)
        return self._ledgers


class _Ledgers:
    """What was handed over lately."""

    def __init__(
        self,
        repeats: RepeatLedger,
        prefixes: PrefixLedger | None,
        fuse: SpendFuse | None,
        released_at: datetime | None,
    ) -> None:
        self._repeats = repeats
        self._prefixes = prefixes
        self.fuse = fuse
        self.released_at = released_at
        """When a person last released the fuse, as far as this knows."""

    def held(self, message: QueuedMessage, now: datetime, *, blow: bool = True) -> Wait | None:
        msisdn, parts = Msisdn(message.msisdn), message.parts
        key = text_key(message.text)
        wait = self._repeats.next_allowed(message.message_class, message.msisdn, key, now)
        if wait is None and self._prefixes is not None:
            wait = self._prefixes.next_allowed(msisdn, parts, now)
        if wait is None and self.fuse is not None:
            fuse = self.fuse
            wait = fuse.next_allowed(msisdn, parts, now) if blow else fuse.would_hold(msisdn, parts, now)
        return wait

    def note(self, message: QueuedMessage, at: datetime) -> None:
        handed = Handed(at, message.message_class, message.msisdn, text_key(message.text))
        self._repeats.note(handed)
        use = PrefixUse(at, Msisdn(message.msisdn), message.parts)
        if self._prefixes is not None:
            self._prefixes.note(use)
        if self.fuse is not None:
            self.fuse.note(use)

    def take_back(self, message: QueuedMessage, at: datetime) -> None:
        self._repeats.take_back(Handed(at, message.message_class, message.msisdn, text_key(message.text)))
        use = PrefixUse(at, Msisdn(message.msisdn), message.parts)
        if self._prefixes is not None:
            self._prefixes.take_back(use)
        if self.fuse is not None:
            self.fuse.take_back(use)


def _load(session: Session, settings: Settings, now: datetime) -> _Ledgers:
    repeats = RepeatLedger(repeat_limits(settings.repeats))
    caps, limit = prefix_caps(settings.prefix_caps), spend_limit(settings.spend)
    prefixes = PrefixLedger(caps, settings.zone) if caps else None
    released = _fuse_released_at(session)
    starts = [repeats.start(now)]
    if prefixes is not None:
        starts.append(prefixes.start(now))
    if limit is not None:
        starts.append(now - limit.within)
    rows = session.execute(
        select(
            AttemptRecord.intent_at,
            AttemptRecord.part_count,
            MessageRecord.message_class,
            MessageRecord.msisdn,
            MessageRecord.text,
        )
        .join(MessageRecord, AttemptRecord.message_id == MessageRecord.id)
        .where(AttemptRecord.state.in_(_COUNTED), AttemptRecord.intent_at >= min(starts))
        .order_by(AttemptRecord.intent_at)
    ).all()
    fuse = SpendFuse(limit) if limit is not None else None
    for at, parts, class_, msisdn, text in rows:
        repeats.note(Handed(at, MessageClass(class_), msisdn, text_key(text)))
        use = PrefixUse(at, Msisdn(msisdn), parts)
        if prefixes is not None:
            prefixes.note(use)
        if fuse is not None and (released is None or at > released):
            fuse.note(use)
    return _Ledgers(repeats, prefixes, fuse, released)


def _fuse_released_at(session: Session) -> datetime | None:
    """When a person released the fuse for the last time: what was spent until then counts no more."""
    query = select(HoldRecord.released_at).where(HoldRecord.kind == HoldKind.FUSE, HoldRecord.released_at.is_not(None))
    return session.scalar(query.order_by(HoldRecord.released_at.desc()).limit(1))
