"""What becomes of a message that has come in, whatever way it came: judged, stored, and obeyed in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from device_drivers.failpoints import failpoint
from host_controller.consent.flood import flood_notice
from host_controller.consent.opt_outs import EVERY_BRAND, OptOutSource, Origin, in_force, lift
from host_controller.consent.policy import read_policy
from host_controller.consent.stop_lists import tables_in_force
from host_controller.inbox.answering import answer_stop
from host_controller.messaging.opting_out import opt_out
from host_controller.settings import Settings
from host_controller.store.bulk import insert_rows, rows_in
from host_controller.store.models import InboundRecord, MessageRecord, SimRecord
from host_controller.store.store import Store
from host_controller.text.msisdn import Msisdn, parse_sender
from host_controller.text.stop_words import StopDecision, StopVerdict, judge_stop

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judged:
    """What a message asks for, and of whom it is."""

    msisdn: Msisdn | None
    """None: of a company's name or a short code, which can refuse nothing."""
    decision: StopDecision
    may_forward: bool

    @property
    def is_stop(self) -> bool:
        """Whether it is to be obeyed as a STOP."""
        return self.decision.verdict is StopVerdict.CERTAIN

    @property
    def asks_for_something(self) -> bool:
        """Whether it changes what may be sent to somebody."""
        return self.msisdn is not None and self.decision.verdict in (StopVerdict.CERTAIN, StopVerdict.START)


@dataclass(frozen=True)
class Received:
    """A message as it is to be stored, beside what was judged of it."""

    judged: Judged
    columns: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Obeyed:
    """What a message that was stored has changed."""

    opted_out: bool = False
    """It is a clear STOP, and was obeyed..."""
    was_opted_out: bool = False
    """...by a number that had opted out already."""
    is_answered: bool = False
    """An answer was queued."""


NOTHING_CHANGED = Obeyed()


class Intake:
    """Takes messages in, for who reads phones and for who is told by apps. Thread-safe."""

    def __init__(
        self, store: Store, settings: Settings, clock: Callable[[], datetime], on_answer: Callable[[], None]
    ) -> None:
        """`on_answer` is called when answers to STOPs were queued."""
        self._store = store
        self._settings = settings
        self._clock = clock
        self._on_answer = on_answer
        self._alarmed = False

    def judge(self, said: Sequence[tuple[str, str]]) -> list[Judged]:
        """Judge messages, each a sender and a text. Raises StoreError."""
        senders = [parse_sender(sender, self._settings.messages.home_region) for sender, _ in said]
        with self._store.reading() as session:
            own = set(session.scalars(select(SimRecord.msisdn).where(SimRecord.msisdn.is_not(None))))
            tables, policy = tables_in_force(session), read_policy(session)
            known = own | _written_to(session, [sender.e164 for sender in senders if sender])
        judged = []
        for (_, text), msisdn in zip(said, senders, strict=True):
            can_refuse = msisdn is not None and msisdn.e164 not in own
            decision = judge_stop(text, sender_is_msisdn=can_refuse, tables=tables)
            may_forward = policy.forward.permits(decision.verdict, is_known=msisdn is not None and msisdn.e164 in known)
            judged.append(Judged(msisdn, decision, may_forward))
        return judged

    def write(self, judged: Collection[Judged], work: Callable[[Session], T]) -> T:
        """Run a work that stores these messages; whom a STOP is of, nothing goes to from now on. Raises StoreError."""
        with self._store.refusals.writing([one.msisdn.e164 for one in judged if one.msisdn and one.is_stop]):
            failpoint("inbound.before")
            result = self._store.write(work)
            failpoint("inbound.after")
        return result

    def add_all(self, session: Session, received: Iterable[Received], now: datetime) -> bool:
        """Add messages in their order, and obey them; tell whether answers were queued.

        What asks for nothing is written by one statement: an inbox may hold tens of thousands.
        """
        plain: list[dict[str, Any]] = []
        is_answered = False
        for one in received:
            if one.judged.asks_for_something:
                insert_rows(session, InboundRecord, plain)
                plain = []
                is_answered |= self.add(session, InboundRecord(**one.columns), one.judged, now).is_answered
            else:
                sender, text = one.columns["sender"], one.columns["text"]
                plain.append({**one.columns, **_judged_columns(sender, text, one.judged)})
        insert_rows(session, InboundRecord, plain)
        return is_answered

    def add(self, session: Session, record: InboundRecord, judged: Judged, now: datetime) -> Obeyed:
        """Add a message, with what was judged of it, and obey it."""
        for name, value in _judged_columns(record.sender, record.text, judged).items():
            setattr(record, name, value)
        session.add(record)
        if judged.msisdn is None or not judged.asks_for_something:
            return NOTHING_CHANGED
        session.flush()
        obey = self._obey_stop if judged.is_stop else _obey_start
        return obey(session, record, judged.msisdn, now)

    def tell(self, *, answered: bool) -> None:
        """Say what has come of messages that are stored: answers to send, or a flood of STOPs."""
        if answered:
            self._on_answer()
        with self._store.reading() as session:
            notice = flood_notice(session, self._settings.inbox, self._clock())
        if notice and not self._alarmed:
            _log.error("%s", notice)
        self._alarmed = notice is not None

    def _obey_stop(self, session: Session, record: InboundRecord, msisdn: Msisdn, now: datetime) -> Obeyed:
        if _has_started_since(session, record):
            _log.info("STOP from %s is older than their START", msisdn)
            return NOTHING_CHANGED
        was_opted_out = bool(in_force(session, msisdn.e164, brand=EVERY_BRAND))
        origin = Origin(
            OptOutSource.INBOUND, f"inbound {record.id}", record.id, rule=record.stop_rule, word=record.stop_word
        )
        outcome = opt_out(session, msisdn.e164, origin, now=now)
        _log.info("STOP from %s: opted out, %s queued messages cancelled", msisdn, outcome.cancelled)
        is_answered = self._answer(session, record, msisdn, now)
        return Obeyed(opted_out=True, was_opted_out=was_opted_out, is_answered=is_answered)

    def _answer(self, session: Session, record: InboundRecord, msisdn: Msisdn, now: datetime) -> bool:
        answer, regions = read_policy(session).stop_answer, self._settings.messages.allowed_regions
        if answer is None or flood_notice(session, self._settings.inbox, now) is not None:
            return False  # of a flood somebody may have forged the senders
        return answer_stop(session, record, msisdn, answer, regions, now) is not None


def _obey_start(session: Session, record: InboundRecord, msisdn: Msisdn, now: datetime) -> Obeyed:
    """Lift what the person has set, and nothing else; a STOP that came after it stays."""
    own = [
        found
        for found in in_force(session, msisdn.e164, sources=[OptOutSource.INBOUND])
        if found.inbound is None or found.inbound.received_at <= record.received_at
    ]
    actor = f"inbound {record.id}"
    if lift(own, now=now, actor=actor, reason="the person asked for messages again"):
        _log.info("START from %s: no longer opted out by themselves", msisdn)
    return NOTHING_CHANGED


def _has_started_since(session: Session, record: InboundRecord) -> bool:
    query = select(InboundRecord.id).where(
        InboundRecord.msisdn == record.msisdn,
        InboundRecord.stop == StopVerdict.START,
        InboundRecord.received_at > record.received_at,
    )
    return session.scalar(query.limit(1)) is not None


def _written_to(session: Session, numbers: Collection[str]) -> set[str]:
    query = select(MessageRecord.msisdn).distinct()
    return {number for (number,) in rows_in(session, query, MessageRecord.msisdn, numbers)}


def _judged_columns(sender: str, text: str, judged: Judged) -> dict[str, Any]:
    msisdn, decision = judged.msisdn.e164 if judged.msisdn else None, judged.decision
    name = storable(sender)
    return {
        "sender": name,
        "text": storable(text),
        "msisdn": msisdn,
        "peer": msisdn or name,
        "stop": decision.verdict,
        "stop_rule": decision.rule,
        "stop_word": decision.word,
        "may_forward": judged.may_forward,
    }


def storable(text: str) -> str:
    """Give a text as every database can hold it: a row that cannot be stored would hide all that come after it."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
