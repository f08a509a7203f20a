"""The contract between the controller and a phone: what a phone can be asked, and what it answers.

Everything here is a frozen value or an abstract method. Clocks of a phone are `*_ms` since the epoch *by that
phone's own clock*; they are compared with each other only, never with the host's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from device_drivers.last_look import LastLook
from device_drivers.stop import Stop


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


class SendWay(StrEnum):
    """How a phone is made to send."""

    ISMS = "isms"
    """A call to the framework's SMS service."""
    APP = "app"
    """The messaging app on the screen, with a tap on its button: for phones whose service is blocked."""


class Verdict(StrEnum):
    """How a check of a phone ended."""

    PASS = "pass"  # noqa: S105 - a verdict
    WARN = "warn"
    """The phone may send; a person should look at it."""
    FAIL = "fail"
    """The phone sends nothing."""


@dataclass(frozen=True)
class Check:
    """One line of the check list of an enrolment."""

    name: str
    verdict: Verdict
    finding: str
    next_step: str | None = None
    """What a person can do about it; None where nothing is to be done."""


@dataclass(frozen=True)
class Capabilities:
    """What a phone was found to be able to do; nothing of it is assumed."""

    shell: str
    """`shell_v2`, or `exec` (Android 5 and 6)."""
    text_code: int | None
    """Transaction code of sendTextForSubscriber, None where it could not be made sure of."""
    multipart_code: int | None
    codes_from: str | None
    """Where the codes come from: Android's order, Qualcomm's, or the phone's own framework."""
    can_read_sms: bool
    """Whether sent rows and inbox can be read; without that the phone is send-only."""
    has_journal: bool
    """Whether a directory can be made on the phone exactly once."""
    has_radio_log: bool
    """Whether the phone's log tells of the radio's answers: the only witness of a send-only phone."""


@dataclass(frozen=True)
class EnrolOptions:
    """What the operator has decided about a phone, and what is remembered of it."""

    send_only: bool = False
    """Accepts that replies and STOP are not seen, and that sending is proven by the radio log at best."""
    send_way: SendWay = SendWay.ISMS
    known_boot_id: str | None = None
    """Boot id at the last enrolment: the journal must have outlived it."""


@dataclass(frozen=True)
class Enrolment:
    """What was found out about a phone before it may send."""

    identity: PhoneIdentity
    sims: tuple[Sim, ...]
    guard: SendGuard
    """As the settings say; in force only from the phone's next start on, if they were changed since."""
    boot_id: str | None
    capabilities: Capabilities
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class SimHealth:
    """Radio state of one SIM; None where the phone does not say."""

    slot_index: int
    in_service: bool | None
    signal_dbm: int | None
    network: str | None = None
    """Name of the network that it is on."""
    roaming: bool | None = None


@dataclass(frozen=True)
class PhoneHealth:
    """State of a phone at one moment; None where the phone does not say."""

    battery_percent: int | None
    battery_temperature_c: float | None
    charging: bool | None
    sims: tuple[SimHealth, ...]
    subscriptions: tuple[Sim, ...]
    """The SIMs that are active now, to be compared with the enrolled ones."""
    battery_health: str | None = None
    """`good`, or Android's word for what is wrong."""
    airplane_mode: bool | None = None
    guard_dialog: bool | None = None
    """Whether a dialog of the phone process waits for a tap: it holds a message back."""
    boot_id: str | None = None
    clock_ms: int | None = None


@dataclass(frozen=True)
class SubmitReceipt:
    """The framework call returned without an exception. That is not proof of sending."""

    phone_clock_ms: int
    """Read in the same shell call, just before the message was handed over."""


class JournalWord(StrEnum):
    """What a phone's journal says about an attempt."""

    REVOKED = "revoked"
    """It was not begun, and can never be begun from now on."""
    BEGUN = "begun"
    """It was begun; how it ended is not known."""
    RETURNED = "returned"
    """The framework's call returned without an exception."""
    REFUSED = "refused"
    """It was begun, and certainly nothing left."""
    SILENT = "silent"
    """The journal could not be asked."""


@dataclass(frozen=True)
class JournalAnswer:
    """What the journal says, and under which start of the phone."""

    word: JournalWord
    boot_id: str | None
    """A journal that was not yet on the flash when the phone lost its power has forgotten: REVOKED proves something
    only under the boot id of the attempt."""
    reason: str | None = None
    """Of a refusal, in the phone's words."""
    phone_clock_ms: int | None = None
    """When it was begun, by the phone's clock; None where it was not."""
    subscription_id: int | None = None
    """Through which SIM it was begun."""


@dataclass(frozen=True)
class RadioAnswers:
    """What the radio said, since a message was handed over, to requests to send a part."""

    sent: int
    refused: int


@dataclass(frozen=True)
class SentRow:
    """One row of the phone's own sent box, written by us."""

    row_id: int
    date_ms: int
    subscription_id: int
    address: str = field(repr=False)
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


INBOX_PAGE = 1000
"""Rows of an inbox that are read at once: some hundred kB on the way, a few seconds on an old phone."""


@dataclass(frozen=True)
class MessageQuery:
    """Which rows one reading round asks for."""

    sent_since_ms: int | None
    """Own sent rows dated at or after this; None asks for none."""
    inbox_since_ms: int
    """Inbox rows dated at or after this..."""
    inbox_after_row_id: int | None
    """...or with a greater row id, if given. (Row ids are reused on Android, so neither alone is enough.)"""
    inbox_page_after_row_id: int | None = None
    """Of those, only rows with a greater row id: the page after one that ended there."""
    inbox_limit: int = INBOX_PAGE
    """At most so many inbox rows, those with the smallest row ids; own sent rows are always all given."""


@dataclass(frozen=True)
class MessageRows:
    """Answer to a `MessageQuery`, each list in ascending row id."""

    phone_clock_ms: int
    """Read in the same shell call, before the rows."""
    sent: tuple[SentRow, ...]
    inbox: tuple[InboxRow, ...]
    more_inbox: bool = False
    """There may be more inbox rows than the limit of the query let through."""


class PhoneDriver(Protocol):
    """One phone. Methods block, each within its own time limit, and are called from one thread at a time.

    `listen` is the exception: it blocks until it is stopped, in a thread of its own, beside all others.
    """

    @property
    def serial(self) -> str:
        """ADB serial."""
        ...

    def enrol(self, options: EnrolOptions) -> Enrolment:
        """Identify the phone and probe, without sending, what it can do and that our calls mean on it what we think.

        A check that failed does not raise; `submit` then refuses. Raises LinkError or PhoneAnswerError.
        """
        ...

    def read_clock_ms(self) -> int:
        """Give the phone's clock in ms since the epoch. Raises LinkError or PhoneAnswerError."""
        ...

    def read_newest_row_id(self) -> int:
        """Give the highest row id in the message store, of whatever kind; 0 where it is empty.

        Raises LinkError or PhoneAnswerError.
        """
        ...

    def read_health(self) -> PhoneHealth:
        """Read battery, radio, screen and SIMs in one shell call. Raises LinkError or PhoneAnswerError."""
        ...

    def read_report(self) -> dict[str, str]:
        """Give what the phone says about itself, by topic, with numbers and names masked, for a bug report.

        Raises LinkError or PhoneAnswerError.
        """
        ...

    def set_guard(self, guard: SendGuard | None) -> None:
        """Write Android's send guard into the phone's settings, None for its default; in force after a restart.

        Raises LinkError or PhoneAnswerError.
        """
        ...

    def submit(
        self, attempt_id: int, sim: Sim, msisdn: str, parts: Sequence[str], last_look: LastLook = nullcontext
    ) -> SubmitReceipt:
        """Hand one message, cut into parts, to the phone; safe to repeat only as the error says.

        Raises NotSubmittedError, SubmitRejectedError or SubmitOutcomeUnknownError, and what `last_look` raises.
        """
        ...

    def revoke(self, attempt_id: int) -> JournalAnswer:
        """Make sure that an attempt that is in doubt is not begun from now on, or learn that it was.

        Raises LinkError or PhoneAnswerError.
        """
        ...

    def read_journal(self) -> frozenset[int] | None:
        """Give the ids of all attempts that the journal knows; None where the phone keeps none.

        Raises LinkError or PhoneAnswerError.
        """
        ...

    def forget(self, attempt_ids: Collection[int]) -> None:
        """Remove these attempts from the journal: they could be begun again. Raises as `read_journal`."""
        ...

    def read_radio_answers(self, attempt_id: int) -> RadioAnswers | None:
        """Count the radio's answers to this attempt; None where that cannot be told.

        By its id on phones that note it, else only for the last attempt that was submitted.

        Raises LinkError or PhoneAnswerError.
        """
        ...

    def read_messages(self, query: MessageQuery) -> MessageRows:
        """Read own sent rows and inbox rows in one call. Raises LinkError or PhoneAnswerError.

        Nothing at all is an answer only where reading is allowed; where it no longer is, that is a PhoneAnswerError.
        """
        ...

    def listen(self, on_message: Callable[[], None], stop: Stop) -> None:
        """Call `on_message` whenever the phone's log tells of a message that has come in, until `stop`; blocks.

        A hint, no proof: its row may be written a moment later, or never; and what the log does not tell of comes all
        the same. The phone must have been enrolled. Raises LinkError, also where the log ends or may not be read.
        """
        ...
