"""All phones of this host: which are plugged in, and how each stands."""

from __future__ import annotations

import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from device_drivers.base import PhoneDriver
from device_drivers.errors import LinkError
from host_controller.events import Bells
from host_controller.fleet.phone import ABSENT, LINKED, SAME_SERIAL, PhoneView, RackPhone
from host_controller.rules.timings import Timings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SeenPhone:
    """A phone as adb lists it."""

    serial: str
    state: str
    usb_path: str | None = None


class PhoneFinder(Protocol):
    """What the rack needs of the way to its phones."""

    def list_phones(self) -> Iterable[SeenPhone]:
        """Give every phone in sight. Raises LinkError."""
        ...

    def attach(self, address: str) -> None:
        """Reach for a phone by host:port. Raises LinkError."""
        ...


class Rack:
    """The phones by serial. `watch` is called from one thread; the rest is thread-safe."""

    def __init__(
        self,
        finder: PhoneFinder,
        make_driver: Callable[[str], PhoneDriver],
        addresses: tuple[str, ...],
        timings: Timings,
        bells: Bells,
    ) -> None:
        self._finder = finder
        self._make_driver = make_driver
        self._addresses = addresses
        self._timings = timings
        self._bells = bells
        self._phones: dict[str, RackPhone] = {}
        self._next_attach_s = 0.0
        self._attach_all = False
        self._list_trouble: str | None = None
        self._losses: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=timings.flaps))
        self.server_trouble: Callable[[], str | None] = lambda: None
        """What whoever watches the adb server says of it."""
        self.remote_phones: Callable[[], list[PhoneView]] = list
        """Gives the phones of the rack that need no cable."""

    @property
    def trouble(self) -> str | None:
        """Why no phone can be reached at all, or None."""
        return self.server_trouble() or self._list_trouble

    def phones(self) -> list[PhoneView]:
        """Every phone that was seen since the start, and the remote ones, each by serial."""
        views = [phone.view() for _, phone in sorted(list(self._phones.items()))]
        # While two phones share a serial, the name without a place is nobody's; later the names with one are.
        doubled = {view.serial.rsplit("@", 1)[0] for view in views if view.link == SAME_SERIAL}
        linked = [view for view in views if view.link != ABSENT or not (view.serial in doubled or "@" in view.serial)]
        return [*linked, *sorted(self.remote_phones(), key=lambda view: view.serial)]

    def find(self, serial: str) -> RackPhone | None:
        """Give a phone by its ADB serial or hardware serial."""
        for phone in list(self._phones.values()):
            identity = phone.view().identity
            if serial == phone.serial or (identity and serial == identity.hardware_serial):
                return phone
        return None

    def clone_of(self, phone: RackPhone, hardware_serial: str) -> str | None:
        """Give the place of another connected phone that claims the same hardware serial, or None.

        That other one is enrolled anew, so that it is refused as well: nobody knows which of the two is meant.
        """
        for other in list(self._phones.values()):
            view = other.view()
            same = view.identity is not None and view.identity.hardware_serial == hardware_serial
            if other is not phone and view.link == LINKED and same:
                if view.enrolled:
                    other.update(enrolled=None)
                    self._bells.ring()
                return view.usb_path or view.serial
        return None

    def watch(self) -> list[RackPhone]:
        """Look once at what is plugged in; give the phones that are new."""
        self._attach_missing()
        try:
            listed = _by_key(self._finder.list_phones())
        except LinkError as error:
            if self._list_trouble is None:
                _log.warning("no phone can be reached: %s", error.reason)
            self._list_trouble = error.reason
            listed = {}
        else:
            if self._list_trouble is not None:
                _log.info("the adb server answers again")
            self._list_trouble = None
        new = [RackPhone(self._make_driver(key)) for key in listed if key not in self._phones]
        for phone in new:
            self._phones[phone.serial] = phone
        self._note_links(listed)
        return new

    def attach_soon(self) -> None:
        """Reach for every phone by address at the next look: the adb server has forgotten them."""
        self._attach_all = True

    def _note_links(self, listed: dict[str, SeenPhone]) -> None:
        changed = False
        for key, phone in self._phones.items():
            seen, view = listed.get(key), phone.view()
            link = seen.state if seen else ABSENT
            if seen and link == SAME_SERIAL:
                places = sorted(p.usb_path or "TCP" for p in listed.values() if p.serial == seen.serial)
                words = f"phones with the same serial are at USB ports {' and '.join(places)}; use one of them only"
                phone.update(refusal=words)
            if seen and seen.usb_path != view.usb_path:
                phone.update(usb_path=seen.usb_path, enrolled=None)
            if link != view.link:
                _log.info("phone %s is %s", key, link)
                # Its lane may be slower than a hand that replugs it: whatever comes back is enrolled anew.
                phone.update(link=link, enrolled=None)
                changed = True
                if view.link == LINKED and self._list_trouble is None:
                    self._hold_if_flapping(phone)
        if changed:
            self._bells.ring()

    def _hold_if_flapping(self, phone: RackPhone) -> None:
        """A connection that comes and goes leaves every message that it cuts in doubt: better none at all."""
        losses, now_s = self._losses[phone.serial], time.monotonic()
        losses.append(now_s)
        if len(losses) == losses.maxlen and now_s - losses[0] < self._timings.flap_window_s:
            losses.clear()
            words = "its connection comes and goes; change its cable or its USB port, and then release the phone"
            _log.error("phone %s is held: %s", phone.serial, words)
            phone.update(hold=words)

    def _attach_missing(self) -> None:
        forgotten, self._attach_all = self._attach_all, False
        if time.monotonic() < self._next_attach_s and not forgotten:
            return
        for address in self._addresses:
            phone = self._phones.get(address)
            if forgotten or phone is None or phone.view().link == ABSENT:
                try:
                    self._finder.attach(address)
                except LinkError as error:
                    _log.debug("%s cannot be attached: %s", address, error.reason)
                    self._next_attach_s = time.monotonic() + self._timings.attach_retry_s


def _by_key(phones: Iterable[SeenPhone]) -> dict[str, SeenPhone]:
    """Name each phone by its serial; those that share one are named by their place too, and none of them may send."""
    by_serial: dict[str, list[SeenPhone]] = defaultdict(list)
    for phone in phones:
        by_serial[phone.serial].append(phone)
    result = {}
    for serial, same in by_serial.items():
        if len(same) == 1:
            result[serial] = same[0]
            continue
        for phone in same:
            result[f"{serial}@{phone.usb_path or 'tcp'}"] = replace(phone, state=SAME_SERIAL)
    return result
