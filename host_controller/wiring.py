"""The one place where the parts are put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from device_drivers.adb.adbutils_link import AdbutilsLink
from device_drivers.adb.link import AdbLink
from device_drivers.adb.server import AdbServer, find_adb
from device_drivers.android.phone import AndroidPhone
from host_controller.events import Bells
from host_controller.fleet.joining import Joining
from host_controller.fleet.rack import PhoneFinder, Rack
from host_controller.inbox.receive import Inbox
from host_controller.messaging.lane import LaneServices
from host_controller.rules.timings import Timings
from host_controller.settings import Settings
from host_controller.store.data_dir import DataDirectory
from host_controller.store.store import Store

LOOPBACK = "127.0.0.1"


def utc_now() -> datetime:
    """The controller's clock."""
    return datetime.now(UTC)


class AdbFinder(PhoneFinder):
    """Finds phones through an adb server."""

    def __init__(self, link: AdbLink) -> None:
        self._link = link

    def list_states(self) -> Iterable[tuple[str, str]]:
        """See PhoneFinder."""
        return [(phone.serial, phone.state) for phone in self._link.list_phones()]

    def attach(self, address: str) -> None:
        """See PhoneFinder."""
        self._link.attach(address)


@dataclass(frozen=True)
class Controller:
    """Everything that runs inside a daemon."""

    settings: Settings
    timings: Timings
    store: Store
    rack: Rack
    bells: Bells
    lane_services: LaneServices
    adb_server: AdbServer | None
    clock: Callable[[], datetime]


def build_controller(settings: Settings, data: DataDirectory) -> Controller:
    """Put a controller together on a locked data directory; nothing runs yet.

    Raises AdbNotFoundError where an adb server is to be started and there is no adb.
    """
    timings = Timings().scaled(settings.timings_scale)
    adb_server = None
    if settings.adb.start:
        adb_server = AdbServer(find_adb(settings.adb.binary), settings.adb.port, data.adb_home, usb=settings.adb.usb)
    link = AdbutilsLink(LOOPBACK, settings.adb.port)
    store = Store(data.database)
    bells = Bells()
    rack = Rack(AdbFinder(link), lambda serial: AndroidPhone(link, serial), settings.adb.connect, timings, bells)
    lane_services = LaneServices(
        store=store,
        joining=Joining(rack, store, settings, utc_now),
        inbox=Inbox(store, settings.messages.home_region, utc_now),
        bells=bells,
        settings=settings,
        timings=timings,
        clock=utc_now,
    )
    return Controller(settings, timings, store, rack, bells, lane_services, adb_server, utc_now)
