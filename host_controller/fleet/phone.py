"""One phone of the rack as the controller sees it: status, SIMs, health. Shared between its lane and the pages."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from device_drivers.base import PhoneDriver, PhoneHealth, PhoneIdentity, SendGuard, Sim

LINKED = "device"
ABSENT = "absent"


class PhoneStatus(StrEnum):
    """What a phone is doing, as an operator would say it."""

    READY = "ready"
    ENROLLING = "enrolling"
    WAITING = "not enrolled"
    REFUSED = "refused"
    HELD = "held"
    OFFLINE = "offline"
    UNAUTHORIZED = "unauthorized"


_LINK_WORDS = {
    "unauthorized": "unlock the phone and accept this computer's key",
    "authorizing": "unlock the phone and accept this computer's key",
    "offline": "unplug the phone and plug it in again",
    "no permissions": "run `smsrack udev install`, then plug the phone in again",
    ABSENT: "not connected; check cable and hub",
}


@dataclass(frozen=True)
class RackSim:
    """An enrolled SIM with its limits."""

    sim_id: int
    sim: Sim
    parts_per_minute: int
    parts_per_day: int | None


@dataclass(frozen=True)
class Enrolled:
    """What the database and the phone say about an enrolled phone."""

    phone_id: int
    identity: PhoneIdentity
    guard: SendGuard
    sims: tuple[RackSim, ...]


@dataclass(frozen=True)
class PhoneView:
    """A phone at one moment."""

    serial: str
    link: str = ABSENT
    """adb's word for the connection, or `absent`."""
    identity: PhoneIdentity | None = None
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
    last_error: str | None = None
    last_error_at: datetime | None = None

    @property
    def status(self) -> PhoneStatus:
        """The one word for it."""
        if self.link != LINKED:
            return PhoneStatus.UNAUTHORIZED if "author" in self.link else PhoneStatus.OFFLINE
        if self.hold:
            return PhoneStatus.HELD
        if self.enrolled:
            return PhoneStatus.READY
        if self.waits_for_consent:
            return PhoneStatus.WAITING
        return PhoneStatus.REFUSED if self.refusal else PhoneStatus.ENROLLING

    @property
    def advice(self) -> str | None:
        """What to do about it, or None where nothing is to be done."""
        if self.link != LINKED:
            return _LINK_WORDS.get(self.link, f"adb calls it {self.link!r}")
        if self.waits_for_consent and not self.enrolled:
            return f"run `smsrack phones enrol {self.serial}` to let it send"
        return self.hold or (None if self.enrolled else self.refusal)


class RackPhone:
    """The shared record of one phone. Thread-safe: readers get a frozen view."""

    def __init__(self, driver: PhoneDriver) -> None:
        self.driver = driver
        self._view = PhoneView(driver.serial)
        self._may_join = False
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
    def may_join(self) -> bool:
        """Whether somebody asked for this phone to be enrolled in this run."""
        return self._may_join

    def invite(self) -> None:
        """Let this phone be enrolled."""
        self._may_join = True
        self.update(waits_for_consent=False, refusal=None)

    def release(self) -> None:
        """Let a held phone send again."""
        self.update(hold=None)
