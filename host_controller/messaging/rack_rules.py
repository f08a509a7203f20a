"""What holds a message on every SIM: hours of its recipient, guards against repeats, caps, the fuse for money.

Only works of the store's one writer ask it, so that no two claims pass a limit side by side.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.messaging.queue import QueuedMessage
from host_controller.messaging.rack_ledgers import COUNTED, RackLedgers, fuse_released_at, load
from host_controller.messaging.reach import facts_of
from host_controller.rules.classes import MessageClass
from host_controller.rules.configured import quiet_rules
from host_controller.rules.quiet_hours import next_moment, place_of
from host_controller.rules.recipient_filter import Facts
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.settings import Settings
from host_controller.store.models import AttemptRecord, MessageRecord
from host_controller.text.msisdn import Msisdn


class RackRules:
    """The rules of the whole rack, with what counts for them in memory.

    To load that from the record takes seconds, in which nobody else writes. So where works are taken back, what they
    had noted is looked for in the record and uncounted alone; see `began` and `rolled_back`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._quiet = quiet_rules(settings.quiet_hours)
        self._ledgers: RackLedgers | None = None
        # Of the writer's transaction that is under way: what it has noted, and whether it did what cannot be undone.
        self._noted: list[_Noted] = []
        self._is_tied = False
        # What was noted and may have been taken back.
        self._doubted: list[_Noted] = []

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

    def note(self, message: QueuedMessage, at: datetime) -> None:
        """Count a message that is handed over; its attempt is on record already, within this work."""
        ledgers = self._ledgers
        # Where they are forgotten, the next load finds it.
        if ledgers is not None:
            ledgers.note(message, at)
            self._noted.append((message, at))

    def take_back(self, message: QueuedMessage, at: datetime) -> None:
        """Uncount a message that certainly did not leave."""
        ledgers = self._ledgers
        if ledgers is None:
            return
        if self._doubted:
            self.forget()  # it may be one of them, and would be uncounted twice
            return
        ledgers.take_back(message, at)
        self._is_tied = True

    def take_back_attempt(self, session: Session, attempt_id: int) -> None:
        """Uncount an attempt that certainly sent nothing; called within the work that settles it."""
        attempt = session.get_one(AttemptRecord, attempt_id)
        self.take_back(as_queued(attempt.message), attempt.intent_at)

    def forget(self) -> None:
        """What is counted may be wrong: load it again. From any thread."""
        self._ledgers = None

    def began(self) -> None:
        """The writer begins a transaction: what was done before it is never taken back."""
        self._noted.clear()
        self._is_tied = False

    def rolled_back(self) -> None:
        """The writer took back some of what was done since it last began, or all."""
        if self._is_tied:
            self.forget()
        self._doubted += self._noted
        self._noted.clear()

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
        return next_moment(self._quiet, message_class, place, now)

    def _asked(self, session: Session, message: QueuedMessage, now: datetime, *, blow: bool) -> Wait | None:
        ledgers = self._loaded(session, now)
        wait = ledgers.held(message, now, blow=False)
        if wait is not None and wait.reason is WaitReason.SPEND_FUSE:
            # It must not blow of what was spent before a person released it, whatever was loaded in between.
            if fuse_released_at(session) != ledgers.released_at:
                self.forget()
                ledgers = self._loaded(session, now)
            wait = ledgers.held(message, now, blow=blow)
        return wait

    def _loaded(self, session: Session, now: datetime) -> RackLedgers:
        ledgers = self._ledgers
        if ledgers is None or not ledgers.covers(now):
            ledgers = load(session, self._settings, now)
            self._noted.clear()
            self._doubted.clear()
            self._is_tied = True
            self._ledgers = ledgers
        elif self._doubted:
            self._undo(session, ledgers)
        return ledgers

    def _undo(self, session: Session, ledgers: RackLedgers) -> None:
        """Uncount what was noted and is not on record."""
        attempt = AttemptRecord
        ids = {message.message_id for message, _ in self._doubted}
        query = select(attempt.message_id, attempt.intent_at).where(attempt.message_id.in_(ids))
        on_record = {(message_id, at) for message_id, at in session.execute(query.where(attempt.state.in_(COUNTED)))}
        for message, at in self._doubted:
            if (message.message_id, at) in on_record:
                self._noted.append((message, at))
            else:
                ledgers.take_back(message, at)
        self._doubted.clear()


_Noted = tuple[QueuedMessage, datetime]


def as_queued(message: MessageRecord) -> QueuedMessage:
    """A message on record, as the rules are asked about it."""
    return QueuedMessage(
        message.id,
        message.uid,
        message.msisdn,
        message.text,
        message.part_count,
        MessageClass(message.message_class),
        message.created_at,
        message.batch_id,
        message.only_phone_id,
        message.only_sim_id,
        message.expires_at,
        0,
    )
