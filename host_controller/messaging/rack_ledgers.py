"""What the rules of the whole rack count, in memory, and how it is taken from the record. Not for several threads."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVarTuple

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from host_controller.messaging.holds import HoldKind
from host_controller.messaging.queue import QueuedMessage
from host_controller.rules.classes import MessageClass
from host_controller.rules.configured import prefix_caps, repeat_limits, spend_limit
from host_controller.rules.prefixes import PrefixLedger, PrefixUse
from host_controller.rules.repeats import Handed, RepeatLedger, text_key
from host_controller.rules.spend import SpendFuse
from host_controller.rules.states import AttemptState
from host_controller.rules.waiting import Wait
from host_controller.settings import Settings
from host_controller.store.models import AttemptRecord, HoldRecord, MessageRecord
from host_controller.text.msisdn import Msisdn

COUNTED = [state for state in AttemptState if state is not AttemptState.NOT_SENT]
"""The attempts that count: all that may have left."""


class RackLedgers:
    """What was handed over lately."""

    def __init__(self, settings: Settings, now: datetime, released_at: datetime | None) -> None:
        """Nothing yet; `load` fills it."""
        caps, limit = prefix_caps(settings.prefix_caps), spend_limit(settings.spend)
        self.repeats = RepeatLedger(repeat_limits(settings.repeats))
        self.prefixes = PrefixLedger(caps, settings.zone) if caps else None
        self.fuse = SpendFuse(limit) if limit is not None else None
        self.released_at = released_at
        """When a person last released the fuse, as far as this knows."""
        self._latest = now

    def covers(self, now: datetime) -> bool:
        """Say whether it knows all that counts at a time.

        Not where the clock was set back: what was too old by a later time is forgotten.
        """
        return now >= self._latest

    def held(self, message: QueuedMessage, now: datetime, *, blow: bool) -> Wait | None:
        """Say what holds a message on every SIM; with `blow` the fuse blows of it."""
        msisdn, parts = Msisdn(message.msisdn), message.parts
        wait = self.repeats.next_allowed(message.message_class, message.msisdn, text_key(message.text), now)
        if wait is None and self.prefixes is not None:
            wait = self.prefixes.next_allowed(msisdn, parts, now)
        if wait is None and self.fuse is not None:
            fuse = self.fuse
            wait = fuse.next_allowed(msisdn, parts, now) if blow else fuse.would_hold(msisdn, parts, now)
        return wait

    def note(self, message: QueuedMessage, at: datetime) -> None:
        """Count a message that is handed over."""
        self._latest = max(self._latest, at)
        self.repeats.note(_handed(message, at))
        use = PrefixUse(at, Msisdn(message.msisdn), message.parts)
        if self.prefixes is not None:
            self.prefixes.note(use)
        if self.fuse is not None:
            self.fuse.note(use)

    def take_back(self, message: QueuedMessage, at: datetime) -> None:
        """Uncount a message that certainly did not leave."""
        self.repeats.take_back(_handed(message, at))
        use = PrefixUse(at, Msisdn(message.msisdn), message.parts)
        if self.prefixes is not None:
            self.prefixes.take_back(use)
        if self.fuse is not None:
            self.fuse.take_back(use)
            # What it blew of may be gone; it blows again where it is not.
            self.fuse.blown = None


def _handed(message: QueuedMessage, at: datetime) -> Handed:
    return Handed(at, message.message_class, message.msisdn, text_key(message.text))


def load(session: Session, settings: Settings, now: datetime) -> RackLedgers:
    """Take from the record what counts now."""
    found = RackLedgers(settings, now, fuse_released_at(session))
    # The texts are long, and wanted of an hour at most.
    texts = _attempts_since(
        found.repeats.start(now), select(AttemptRecord.intent_at, _CLASS, MessageRecord.msisdn, MessageRecord.text)
    )
    for at, class_, msisdn, text in session.execute(texts):
        found.repeats.recall(Handed(at, MessageClass(class_), msisdn, text_key(text)))
    starts = []
    if found.prefixes is not None:
        starts.append(found.prefixes.start(now))
    if found.fuse is not None:
        since = now - found.fuse.limit.within
        starts.append(since if found.released_at is None else max(since, found.released_at))
    if starts:
        _load_uses(session, found, min(starts))
    return found


def _load_uses(session: Session, found: RackLedgers, since: datetime) -> None:
    query = _attempts_since(since, select(AttemptRecord.intent_at, MessageRecord.msisdn, AttemptRecord.part_count))
    for at, msisdn, parts in session.execute(query):
        use = PrefixUse(at, Msisdn(msisdn), parts)
        if found.prefixes is not None:
            found.prefixes.recall(use)
        if found.fuse is not None and (found.released_at is None or at > found.released_at):
            found.fuse.recall(use)


_CLASS = MessageRecord.message_class
_Row = TypeVarTuple("_Row")


def _attempts_since(since: datetime, query: Select[*_Row]) -> Select[*_Row]:
    return (
        query.join(MessageRecord, AttemptRecord.message_id == MessageRecord.id)
        .where(AttemptRecord.state.in_(COUNTED), AttemptRecord.intent_at >= since)
        .order_by(AttemptRecord.intent_at)
    )


def fuse_released_at(session: Session) -> datetime | None:
    """When a person released the fuse for the last time: what was spent until then counts no more."""
    query = select(HoldRecord.released_at).where(HoldRecord.kind == HoldKind.FUSE, HoldRecord.released_at.is_not(None))
    return session.scalar(query.order_by(HoldRecord.released_at.desc()).limit(1))
