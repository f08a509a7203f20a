"""What operators have chosen about what comes in: which messages may leave this host, and how a STOP is answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.rules.classes import MessageClass
from host_controller.store.models import ConsentRuleRecord
from host_controller.text.stop_words import StopVerdict

_FORWARD, _ANSWER, _BARS = "forward", "stop_answer", "bars"
_CLEAR = (StopVerdict.CERTAIN, StopVerdict.START)


class ForwardPolicy(StrEnum):
    """Which inbound messages may leave this host, for Odoo or a webhook."""

    ALL = "all"
    KNOWN = "known"
    """From numbers that were written to, and a clear STOP or START."""
    STOP = "stop"
    """A clear STOP or START, and what may be a STOP from numbers that were written to."""

    def permits(self, verdict: StopVerdict, *, is_known: bool) -> bool:
        """Tell whether a message may leave; `is_known` says that its sender was written to.

        What may be a STOP from a stranger stays: one-time codes tell how to refuse further ones.
        """
        if self is ForwardPolicy.ALL or verdict in _CLEAR:
            return True
        return is_known and (self is ForwardPolicy.KNOWN or verdict is StopVerdict.SUSPECTED)


class Bars(StrEnum):
    """Which messages an opt-out keeps back."""

    ALL = "all"
    """Of every class: what class a message has is often a default that nobody has thought about."""
    MARKETING = "marketing"
    """Who ordered something is still told when it comes, and gets the codes that they ask for."""

    @property
    def classes(self) -> frozenset[MessageClass]:
        """The classes that are kept back."""
        return frozenset(MessageClass) if self is Bars.ALL else frozenset({MessageClass.MARKETING})


@dataclass(frozen=True)
class ConsentPolicy:
    """What is chosen, or the safe beginning."""

    forward: ForwardPolicy = ForwardPolicy.KNOWN
    stop_answer: str | None = None
    """What a clear STOP is answered with, once; None: nothing."""
    bars: Bars = Bars.ALL


def read_policy(session: Session) -> ConsentPolicy:
    """Give what holds now."""
    found = {row.name: row.value for row in session.scalars(select(ConsentRuleRecord))}
    return ConsentPolicy(
        ForwardPolicy(found.get(_FORWARD, ForwardPolicy.KNOWN)),
        found.get(_ANSWER) or None,
        Bars(found.get(_BARS, Bars.ALL)),
    )


def barred_classes(session: Session) -> frozenset[MessageClass]:
    """Give the classes of messages that an opt-out keeps back."""
    return read_policy(session).bars.classes


def change_policy(session: Session, policy: ConsentPolicy, *, now: datetime, actor: str) -> None:
    """Choose; who did it stays on record. Messages that are stored already keep what held when they came."""
    for name, value in (
        (_FORWARD, policy.forward.value),
        (_ANSWER, policy.stop_answer or ""),
        (_BARS, policy.bars.value),
    ):
        record = session.get(ConsentRuleRecord, name)
        if record is None:
            session.add(ConsentRuleRecord(name=name, value=value, actor=actor, changed_at=now))
        elif record.value != value:
            record.value, record.actor, record.changed_at = value, actor, now
