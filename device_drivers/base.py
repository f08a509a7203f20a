"""The contract between the controller and a phone: what a phone can be asked, and what it answers.

Everything here is a frozen value or an abstract method. Clocks of a phone are `*_ms` since the epoch *by that
phone's own clock*; they are compared with each other only, never with the host's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Sim:
    """One active subscription of a phone."""

    slot_index: int
    """SIM tray, from 0."""
    subscription_id: int
    """Android's handle (`sub_id`); changes when the SIM does."""
    iccid: str | None
    """As the phone shows it; user builds mask the tail."""
    operator: str | None


@dataclass(frozen=True)
class PhoneIdentity:
    """Which handset this is."""

    serial: str
    """ADB serial: the address that the adb server knows."""
    hardware_serial: str
    """`ro.serialno`."""
    manufacturer: str
    model: str
    android_release: str
    api_level: int
    build_fingerprint: str


@dataclass(frozen=True)
class SendGuard:
    """Android's own limit on outgoing SMS (SmsUsageMonitor): over it, a dialog on the phone holds the message."""

    max_parts: int
    interval_s: float


@dataclass(frozen=True)
class Enrolment:
    """What was found out about a phone before it may send."""

    identity: PhoneIdentity
    sims: tuple[Sim, ...]
    guard: SendGuard
    can_read_sms: bool


@dataclass(frozen=True)
class SimHealth:
    """Radio state of one SIM; None where the phone does not say."""

    slot_index: int
    in_service: bool | None
    signal_dbm: int | None


@dataclass(frozen=True)
class PhoneHealth:
    """State of a phone at one moment; None where the phone does not say."""

    battery_percent: int | None
    battery_temperature_c: float | None
    charging: bool | None
    sims: tuple[SimHealth, ...]
    subscriptions: tuple[Sim, ...]
    """The SIMs that are active now, to be compared with the enrolled ones."""


@dataclass(frozen=True)
class SubmitReceipt:
    """The framework call returned without an exception. That is not proof of sending."""

    phone_clock_ms: int
    """Read in the same shell call, just before the message was handed over."""


@dataclass(frozen=True)
class SentRow:
    """One row of the phone's own sent box, written by us."""

    row_id: int
    date_ms: int
    subscription_id: int
    address: str
    body: str = field(repr=False)


@dataclass(frozen=True)
class InboxRow:
    """One row of the phone's inbox."""

    row_id: int
    date_ms: int
    sent_at_ms: int
    """The message centre's time stamp, 0 if there is none."""
    subscription_id: int
    sender: str = field(repr=False)
    body: str = field(repr=False)


@dataclass(frozen=True)
class MessageQuery:
    """Which rows one reading round asks for."""

    sent_since_ms: int | None
    """Own sent rows dated at or after this; None asks for none."""
    inbox_since_ms: int
    """Inbox rows dated at or after this..."""
    inbox_after_row_id: int | None
    """...or with a greater row id, if given. (Row ids are reused on Android, so neither alone is enough.)"""


@dataclass(frozen=True)
class MessageRows:
    """Answer to a `MessageQuery`, each list in ascending row id."""

    phone_clock_ms: int
    """Read in the same shell call, before the rows."""
    sent: tuple[SentRow, ...]
    inbox: tuple[InboxRow, ...]


class PhoneDriver(Protocol):
    """One phone. Methods block, each within its own time limit, and are called from one thread at a time."""

    @property
    def serial(self) -> str:
        """ADB serial."""
        ...

    def enrol(self) -> Enrolment:
        """Identify the phone and probe, without sending, that our calls mean on it what we think.

        Raises UnsupportedPhoneError where they do not, LinkError or PhoneAnswerError.
        """
        ...

    def read_clock_ms(self) -> int:
        """Give the phone's clock in ms since the epoch. Raises LinkError or PhoneAnswerError."""
        ...

    def read_health(self) -> PhoneHealth:
        """Read battery, radio and SIMs in one shell call. Raises LinkError or PhoneAnswerError."""
        ...

    def submit(self, attempt_id: int, sim: Sim, msisdn: str, parts: Sequence[str]) -> SubmitReceipt:
        """Hand one message, cut into parts, to the phone's framework; safe to repeat only as the error says.

        Raises NotSubmittedError, SubmitRejectedError or SubmitOutcomeUnknownError.
        """
        ...

    def read_messages(self, query: MessageQuery) -> MessageRows:
        """Read own sent rows and inbox rows in one call. Raises LinkError or PhoneAnswerError."""
        ...
