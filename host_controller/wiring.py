"""The one place where the parts are put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import waitress
from flask import Flask

from device_drivers.adb.adbutils_link import AdbutilsLink
from device_drivers.adb.link import AdbLink
from device_drivers.adb.server import AdbNotFoundError, AdbServer, find_adb
from device_drivers.android.phone import AndroidPhone
from host_controller.errors import ConfigError
from host_controller.events import Bells
from host_controller.fleet.joining import Joining
from host_controller.fleet.rack import PhoneFinder, Rack
from host_controller.inbox.receive import Inbox
from host_controller.messaging.lane import LaneServices
from host_controller.messaging.lanes import Lanes
from host_controller.messaging.sweep import sweep_overdue
from host_controller.rules.timings import Timings
from host_controller.scheduler import Clock
from host_controller.settings import Settings
from host_controller.store.data_dir import DataDirectory
from host_controller.store.store import Store
from odoo_sync.client import OdooClient
from odoo_sync.pull import Pull
from odoo_sync.push_results import PushResults
from odoo_sync.sync import OdooSync
from web import Services, create_app, make_api, make_pages

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


class Surface(Protocol):
    """A web server: `run` blocks until `close`."""

    def run(self) -> None:
        """Serve."""
        ...

    def close(self) -> None:
        """End."""
        ...


@dataclass(frozen=True)
class Controller:
    """Everything that runs inside a daemon."""

    settings: Settings
    timings: Timings
    store: Store
    rack: Rack
    bells: Bells
    lanes: Lanes
    clock: Clock
    adb_server: AdbServer | None
    surfaces: tuple[Surface, ...]


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
    lanes = Lanes(lane_services)
    clock = Clock()
    clock.every(timings.watch_s, "phones", lambda: lanes.open(rack.watch()))
    clock.every(timings.watch_s, "overdue", lambda: sweep_overdue(store, timings, utc_now()))
    clock.every(timings.read_idle_s, "inbox", lanes.ask_to_read)
    clock.every(timings.health_s, "health", lanes.ask_for_health)
    if settings.odoo.url:
        clock.every(settings.odoo.poll_s, "odoo", _odoo_sync(settings, store, bells).run)
    services = Services(store, rack, bells, settings, utc_now, clock.jobs)
    surfaces = _surfaces(services, data)
    return Controller(settings, timings, store, rack, bells, lanes, clock, adb_server, surfaces)


def make_odoo_client(settings: Settings) -> OdooClient:
    """Give a client for the Odoo of the settings. Raises ConfigError."""
    if not settings.odoo.url:
        raise ConfigError("no Odoo is set; write odoo.url, odoo.database and odoo.user into the settings file")
    return OdooClient(settings.odoo, settings.odoo.password())


def _odoo_sync(settings: Settings, store: Store, bells: Bells) -> OdooSync:
    client = make_odoo_client(settings)
    return OdooSync(Pull(client, store, settings.messages, utc_now, bells), PushResults(client, store, utc_now))


def make_api_app(services: Services) -> Flask:
    """The API as the daemon's socket serves it: no browser gets there, so it needs no token."""
    return create_app([make_api(services)], secret="", allowed_hosts=[LOOPBACK], csrf=False)


def _adb_server(settings: Settings, data: DataDirectory) -> AdbServer:
    try:
        adb = find_adb(settings.adb.binary)
    except AdbNotFoundError as error:
        raise ConfigError(str(error)) from error
    return AdbServer(adb, settings.adb.port, data.adb_home, usb=settings.adb.usb)


def _surfaces(services: Services, data: DataDirectory) -> tuple[Surface, ...]:
    web = services.settings.web
    site = create_app([make_pages(services)], secret=data.web_secret(), allowed_hosts=web.allowed_hosts)
    try:
        pages = waitress.create_server(site, host=web.host, port=web.port)
    except OSError as error:
        raise ConfigError(f"port {web.port} cannot be used ({error.strerror}); choose another with --port") from error
    socket = data.checked_socket()
    socket.unlink(missing_ok=True)  # of a daemon that was killed; the lock says that none runs
    api = waitress.create_server(make_api_app(services), unix_socket=str(socket), unix_socket_perms="600")
    return pages, api
