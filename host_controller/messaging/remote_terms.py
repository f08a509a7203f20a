"""What remote phones and the rack say to each other, in the rack's own terms."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True)
class Heartbeat:
    """What a remote phone tells of itself; None where it does not say."""

    battery_percent: int | None = None
    signal_dbm: int | None = None
    unsynced_count: int = 0
    """Reports that it could not deliver yet."""


@dataclass(frozen=True)
class Handed:
    """A message that a remote phone has been handed; its lease runs."""

    message_id: int
    number: str = field(repr=False)
    text: str = field(repr=False)
    uuid: str
    """32 hexadecimal digits, for ever the same for a message."""
    sim_msisdn: str
    """The SIM that it must leave from; empty where the phone may choose."""


@dataclass(frozen=True)
class PickUp:
    """What a remote phone gets when it asks for messages, by ascending id."""

    messages: tuple[Handed, ...]
    limit_reached: bool = False
    """Whether something waits that only the limits of its SIMs, or of its key, keep back."""
    retry_after_s: float | None = None
    """When to ask again, where a limit says so."""


class Reported(StrEnum):
    """What a remote phone can say of a message."""

    SENDING = "sending"
    """It has begun."""
    SENT = "sent"
    ERROR = "error"


@dataclass(frozen=True)
class Report:
    """What it says of one message."""

    message_id: int
    status: Reported
    error: str | None = field(default=None, repr=False)
    """The app's word for what went wrong, like RADIO_OFF."""


class ReportOutcome(StrEnum):
    """What became of a report."""

    TAKEN = "taken"
    REPEATED = "repeated"
    """It says what is known."""
    IGNORED = "ignored"
    """It came too late, or says less than is known: nothing was changed."""
    NOT_FOUND = "not_found"
    """There is no such message, or the phone was never handed it."""


@dataclass(frozen=True)
class Reconciled:
    """What the rack knows of messages that a remote phone has reports on which it could not deliver."""

    already_confirmed: tuple[int, ...]
    """Sent, which no report can change."""
    stuck: tuple[int, ...]
    """Leased to the phone at this moment."""
    not_found: tuple[int, ...]
    """Unknown, or never handed to this phone."""


@dataclass(frozen=True)
class SimFigures:
    """One SIM of a remote phone; limits of 0 are none, as the app wants it."""

    msisdn: str
    sent_today: int
    """Parts that the phone says have left, in the SIM's own day."""
    daily_limit: int
    sent_month: int
    monthly_limit: int
    sent_total: int
    pending: int
    """Messages that it could be handed now; those for any SIM count for the first."""
    in_hands: int
    """Messages that are leased to it."""
    parts_per_minute: int


@dataclass(frozen=True)
class RemoteFigures:
    """A remote phone."""

    phone_id: int
    name: str
    is_online: bool
    sims: tuple[SimFigures, ...]
