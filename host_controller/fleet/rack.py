"""All phones of this host: which are plugged in, and how each stands."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from device_drivers.base import PhoneDriver
from device_drivers.errors import LinkError
from host_controller.events import Bells
from host_controller.fleet.phone import ABSENT, LINKED, PhoneView, RackPhone
from host_controller.rules.timings import Timings

_log = logging.getLogger(__name__)


class PhoneFinder(Protocol):
    """What the rack needs of the way to its phones."""

    def list_states(self) -> Iterable[tuple[str, str]]:
        """Give (adb serial, state) of every phone in sight. Raises LinkError."""
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
        self.trouble: str | None = None
        """Why no phone can be reached at all, or None."""

    def phones(self) -> list[PhoneView]:
        """Every phone that was seen since the start, by serial."""
        return [phone.view() for _, phone in sorted(list(self._phones.items()))]

    def find(self, serial: str) -> RackPhone | None:
        """Give a phone by its ADB serial or hardware serial."""
        for phone in list(self._phones.values()):
            identity = phone.view().identity
            if serial == phone.serial or (identity and serial == identity.hardware_serial):
                return phone
        return None

    def clone_of(self, phone: RackPhone, hardware_serial: str) -> str | None:
        """Give the serial of another connected phone that claims the same hardware serial, or None."""
        for other in list(self._phones.values()):
            view = other.view()
            same = view.enrolled is not None and view.enrolled.identity.hardware_serial == hardware_serial
            if other is not phone and view.link == LINKED and same:
                return view.serial
        return None

    def watch(self) -> list[RackPhone]:
        """Look once at what is plugged in; give the phones that are new."""
        self._attach_missing()
        try:
            listed = dict(self._finder.list_states())
        except LinkError as error:
            if self.trouble is None:
                _log.warning("no phone can be reached: %s", error.reason)
            self.trouble = error.reason
            listed = {}
        else:
            if self.trouble is not None:
                _log.info("the adb server answers again")
            self.trouble = None
        new = [RackPhone(self._make_driver(serial)) for serial in listed if serial not in self._phones]
        for phone in new:
            self._phones[phone.serial] = phone
        self._note_links(listed)
        return new

    def _note_links(self, listed: dict[str, str]) -> None:
        changed = False
        for phone in self._phones.values():
            link, before = listed.get(phone.serial, ABSENT), phone.view().link
            if link != before:
                _log.info("phone %s is %s", phone.serial, link)
                phone.update(link=link)
                changed = True
        if changed:
            self._bells.ring()

    def _attach_missing(self) -> None:
        if time.monotonic() < self._next_attach_s:
            return
        for address in self._addresses:
            phone = self._phones.get(address)
            if phone is None or phone.view().link == ABSENT:
                try:
                    self._finder.attach(address)
                except LinkError as error:
                    _log.debug("%s cannot be attached: %s", address, error.reason)
                    self._next_attach_s = time.monotonic() + self._timings.attach_retry_s
