"""What a message can be, and the one table of how it may change. Pure."""

from __future__ import annotations

from enum import StrEnum

from host_controller.errors import IllegalTransitionError


class MessageState(StrEnum):
    """The state of a message; there are no others anywhere."""

    QUEUED = "queued"
    """Accepted and durable; waits for a phone that may send it."""
    SUBMITTING = "submitting"
    """An intent is on record: a phone may have it. Leaves only with evidence, or as `unknown`."""
    SENT = "sent"
    """The phone's own sent box holds it, seen twice. Not the same as delivered."""
    FAILED = "failed"
    """It certainly did not leave, and will not be tried again."""
    UNKNOWN = "unknown"
    """It may have left. Never sent again by itself."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"


_S = MessageState
TRANSITIONS: dict[MessageState, frozenset[MessageState]] = {
    # To sent where an earlier attempt, after which it was queued again, turns out to have left; to failed where no
    # phone of the rack could ever take it any more.
    _S.QUEUED: frozenset({_S.SUBMITTING, _S.CANCELLED, _S.EXPIRED, _S.SENT, _S.FAILED}),
    # Back to queued only with proof that nothing left.
    _S.SUBMITTING: frozenset({_S.SENT, _S.FAILED, _S.UNKNOWN, _S.QUEUED}),
    # To sent or failed by late evidence; to queued only by a person or an explicit policy.
    _S.UNKNOWN: frozenset({_S.SENT, _S.FAILED, _S.QUEUED}),
    _S.SENT: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.EXPIRED: frozenset(),
}


class AttemptState(StrEnum):
    """The state of one attempt to send a message from one SIM."""

    INTENT = "intent"
    """On record before the phone is touched."""
    RETURNED = "returned"
    """The framework's call returned; the proof is still to come."""
    SENT = "sent"
    """Its row is in the phone's sent box."""
    RADIO = "radio"
    """The radio took every part; its row may still come."""
    NOT_SENT = "not_sent"
    """Certainly did not leave: its parts do not count against the limits."""
    UNKNOWN = "unknown"


OPEN_ATTEMPTS = (AttemptState.INTENT, AttemptState.RETURNED)
ROWLESS_ATTEMPTS = (AttemptState.UNKNOWN, AttemptState.RADIO)
"""Given up or proven otherwise: a row that comes late belongs to them before it may prove a younger one."""


class Evidence(StrEnum):
    """What settled an attempt."""

    ROW = "row"
    """A row of the phone's sent box, seen twice."""
    RADIO = "radio"
    """The radio's own answers."""
    LINK = "link"
    """The link broke before the phone was reached."""
    JOURNAL = "journal"
    """The phone's journal: not begun, and never to be."""
    OPTED_OUT = "opted_out"
    """The recipient opted out after the claim and before the phone was reached."""
    REPORT = "report"
    """A remote phone's own word."""
    REJECTED = "rejected"
    """The framework refused it."""
    WITHDRAWN = "withdrawn"
    """The row appeared as sent and turned to failed: the network refused it, as far as the phone knows."""
    NONE = "none"
    """The horizon passed without any."""


class FailureCode(StrEnum):
    """Why a message failed or was cancelled."""

    PHONE_REJECTED = "phone_rejected"
    PHONE_REPORTED = "phone_reported"
    """A remote phone says that it could not send it."""
    OPTED_OUT = "opted_out"
    ASSUMED = "assumed"
    """A person or a policy has closed an unknown one."""
    WITHDRAWN = "withdrawn"
    """A person has cancelled it, with the rest of its batch."""
    UNROUTABLE = "unroutable"
    """The rack was changed, and none of its phones could ever take it any more."""


def check_transition(old: MessageState, new: MessageState) -> None:
    """Raise IllegalTransitionError unless the table allows this change."""
    if new not in TRANSITIONS[old]:
        raise IllegalTransitionError(f"a message that is {old} cannot become {new}")
