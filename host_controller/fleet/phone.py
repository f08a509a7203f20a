"""One phone of the rack as the controller sees it: status, SIMs, health. Shared between its lane and the pages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from device_drivers.base import Check, EnrolOptions, PhoneDriver, PhoneHealth, PhoneIdentity, SendGuard, SendWay, Sim
from host_controller.fleet.errands import Errands
from host_controller.rules.classes import MessageClass
from host_controller.rules.ledger import Spent
from host_controller.rules.limits import most_unconfirmed
from host_controller.rules.recipient_filter import EVERYBODY, Node
from host_controller.rules.waiting import Wait

LINKED = "device"
ABSENT = "absent"
SAME_SERIAL = "same serial"
SILENT = "no heartbeat"


class PhoneStatus(StrEnum):
    """What a phone is doing, as an operator would say it."""

    READY = "ready"
    ENROLLING = "enrolling"
    WAITING = "not enrolled"
    REFUSED = "refused"
    STOPPED = "stopped"
    HELD = "held"
    OFFLINE = "offline"
    UNAUTHORIZED = "unauthorized"


_ACCEPT_KEY = "unlock the phone and accept this computer's key"
# adb's words for a connection (its transport.cpp) -> what a person should do.
_LINK_WORDS = {
    "unauthorized": _ACCEPT_KEY,
    "authorizing": f"{_ACCEPT_KEY}; it is being asked",
    "connecting": "wait a moment; if it stays so, unplug the phone and plug it in again",
    "offline": "unplug the phone and plug it in again; if that does not help, restart it",
    "no permissions": "run `smsrack udev install`, then plug the phone in again",
    "detached": "the adb server leaves this phone alone; run `adb attach`, or restart the adb server",
    "bootloader": "it is in its boot loader; restart it",
    "recovery": "it is in its recovery system; restart it",
    "rescue": "it is in rescue mode; restart it",
    "sideload": "it waits for an update to be loaded; restart it",
    "host": "it plays a USB host; choose `charging only` in its USB settings",
    ABSENT: "not connected; check cable and hub",
    SILENT: "nothing was heard of its app for long; open it there, and see that sending is started",
}


def link_advice(state: str) -> str:
    """Say what to do about a phone that adb lists in this state."""
    known = next((words for start, words in _LINK_WORDS.items() if state.startswith(start)), None)
    return known or f"adb calls it {state!r}; unplug the phone and plug it in again"


@dataclass(frozen=True)
class RackSim:
    """An enrolled SIM with its limits."""

    sim_id: int
    sim: Sim
    parts_per_minute: int
    parts_per_day: int | None
    stopped: str | None = None
    """What has changed about it, until a person confirms; None where it may send."""
    msisdn: str | None = None
    """Its own number, as the operator has typed it."""
    parts_per_hour: int | None = None
    parts_per_month: int | None = None
    recipients_per_month: int | None = None
    month_reset_day: int = 1
    jitter_percent: int = 0
    zone: str | None = None
    """Whose midnight starts its day; None for the rack's."""
    self_paced: bool = False
    """Whether its phone keeps the pace by itself, as a remote one does."""


@dataclass(frozen=True)
class Enrolled:
    """What the database and the phone say about an enrolled phone."""

    phone_id: int
    identity: PhoneIdentity
    guard: SendGuard
    sims: tuple[RackSim, ...]
    can_read_sms: bool = True
    has_radio_log: bool = True
    send_way: SendWay = SendWay.ISMS
    boot_id: str | None = None
    """Of the phone's start; a new one ends the link, and so the enrolment."""
    has_journal: bool = True
    epoch: int = 0
    """Counts the times that this phone has come to a host; what an older one knows is out of date."""
    recipients: Node = EVERYBODY
    """Whom it may write to."""
    is_remote: bool = False
    """Whether it fetches its messages and reports on them by itself."""

    @property
    def usable_sims(self) -> tuple[RackSim, ...]:
        """The SIMs that are not stopped."""
        return tuple(sim for sim in self.sims if sim.stopped is None)

    @property
    def is_readable(self) -> bool:
        """Whether what it has received can be read from here."""
        return self.can_read_sms and not self.is_remote

    @property
    def is_audible(self) -> bool:
        """Whether its log can tell that something came in that can be read."""
        return self.is_readable and self.has_radio_log

    @property
    def has_witness(self) -> bool:
        """Whether anything at all can prove that this phone has sent."""
        return self.can_read_sms or self.has_radio_log

    @property
    def proof_is_singular(self) -> bool:
        """Whether only one message at a time can be told apart by what the phone shows of it."""
        return not self.can_read_sms or self.send_way is SendWay.APP

    @property
    def most_unproven(self) -> int:
        """How many messages may be in its hands: what its proof cannot tell apart must not be there at once."""
        pace = sum(sim.parts_per_minute for sim in self.usable_sims)
        return 1 if self.proof_is_singular else most_unconfirmed(pace)


@dataclass(frozen=True)
class PhoneView:
    """A phone at one moment."""

    serial: str
    link: str = ABSENT
    """adb's word for the connection, `absent`, or `same serial`."""
    usb_path: str | None = None
    """Where it is plugged in, like `1-2.3`; None over TCP."""
    identity: PhoneIdentity | None = None
    checks: tuple[Check, ...] = ()
    enrolled: Enrolled | None = None
    health: PhoneHealth | None = None
    refusal: str | None = None
    """Why it could not be enrolled."""
    waits_for_consent: bool = False
    hold: str | None = None
    """Why it must not send until somebody releases it."""
    waiting_for: str | None = None
    """Why its next message has to wait."""
    waiting_until: datetime | None = None
    spent: Callable[[datetime], Mapping[int, Spent]] | None = None
    """Asks its lane what each of its enrolled SIMs has used, by SIM id."""
    next_allowed: Callable[[int, int, MessageClass, str | None, datetime], Wait | None] | None = None
    """Asks its lane what the limits of a SIM say to a message: SIM id, parts, class, number, now."""
    last_error: str | None = None
    last_error_at: datetime | None = None

    @property
    def status(self) -> PhoneStatus:
        """The one word for it."""
        if self.link == SAME_SERIAL:
            return PhoneStatus.REFUSED
        if self.link != LINKED:
            return PhoneStatus.UNAUTHORIZED if "author" in self.link else PhoneStatus.OFFLINE
        if self.hold:
            return PhoneStatus.HELD
        if self.enrolled:
            return PhoneStatus.READY if self.enrolled.usable_sims else PhoneStatus.STOPPED
        if self.waits_for_consent:
            return PhoneStatus.WAITING
        return PhoneStatus.REFUSED if self.refusal else PhoneStatus.ENROLLING

    @property
    def advice(self) -> str | None:
        """What to do about it, or None where nothing is to be done."""
        if self.link == SAME_SERIAL:
            return self.refusal
        if self.link != LINKED:
            return link_advice(self.link)
        if self.waits_for_consent and not self.enrolled:
            return f"run `smsrack phones enrol {self.serial}` to let it send"
        if self.hold:
            return self.hold
        if self.enrolled is None:
            words = f"{self.refusal}; `smsrack phones show {self.serial}` and its page say what to do"
            return words if self.refusal else None
        stopped = [f"SIM {sim.sim.slot_index + 1}: {sim.stopped}" for sim in self.enrolled.sims if sim.stopped]
        if stopped:
            return f"{'; '.join(stopped)}; `smsrack phones confirm {self.serial}` lets it send again"
        return "airplane mode is on; switch it off" if self.health and self.health.airplane_mode else None


class RackPhone:
    """The shared record of one phone. Thread-safe: readers get a frozen view."""

    def __init__(self, driver: PhoneDriver) -> None:
        self.driver = driver
        self.errands = Errands()
        self._view = PhoneView(driver.serial)
        self._invitation: EnrolOptions | None = None
        self.last_wish: EnrolOptions | None = None
        """How somebody last asked for it to be enrolled; holds for a phone that has no record yet."""
        self._lock = threading.Lock()

    @property
    def serial(self) -> str:
        """ADB serial."""
        return self._view.serial

    def view(self) -> PhoneView:
        """Give the phone as it is now."""
        return self._view

    def update(self, **changes: object) -> None:
        """Change fields of the view."""
        with self._lock:
            self._view = replace(self._view, **changes)  # type: ignore[arg-type]

    def note_error(self, words: str, at: datetime) -> None:
        """Remember the last thing that went wrong."""
        self.update(last_error=words, last_error_at=at)

    @property
    def invitation(self) -> EnrolOptions | None:
        """How somebody asked, in this run, for this phone to be enrolled; None where nobody did."""
        return self._invitation

    def invite(self, options: EnrolOptions) -> None:
        """Have this phone enrolled, or enrolled anew."""
        self._invitation = self.last_wish = options
        self.update(waits_for_consent=False, refusal=None, enrolled=None, checks=())

    def invitation_is_done(self, invitation: EnrolOptions | None) -> None:
        """It has joined, or was refused, as this invitation asked; a newer one stands."""
        if self._invitation is invitation:
            self._invitation = None

    def release(self) -> None:
        """Let a held phone send again."""
        self.update(hold=None)
