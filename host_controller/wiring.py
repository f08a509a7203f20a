"""The one place where the parts are put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import waitress
from flask import Blueprint, Flask

from device_drivers.adb.address import ClientLibrary, ServerAddress
from device_drivers.adb.link import AdbLink
from device_drivers.adb.server import AdbNotFoundError, AdbServer, find_adb
from device_drivers.adb.socket_link import SocketLink
from device_drivers.adb.supervision import AdbSupervision, ForeignServer
from device_drivers.android.framework import FrameworkCache
from device_drivers.android.phone import AndroidPhone
from device_drivers.failpoints import arm
from host_controller.errors import ConfigError
from host_controller.events import Bells
from host_controller.fleet.joining import Joining
from host_controller.fleet.rack import PhoneFinder, Rack, SeenPhone
from host_controller.inbox.reading import Inbox
from host_controller.messaging.dispatcher import build_dispatcher
from host_controller.messaging.expiry import Expiry
from host_controller.messaging.freeing import free_resumed
from host_controller.messaging.holds import Holds
from host_controller.messaging.judgement import assume_old
from host_controller.messaging.lanes import Lanes
from host_controller.messaging.leases import Leases
from host_controller.messaging.queue import look_anew, move_due
from host_controller.messaging.remote_care import RemoteCare
from host_controller.messaging.remote_phones import RemotePhones
from host_controller.messaging.session import LaneServices
from host_controller.messaging.sweep import sweep_overdue
from host_controller.messaging.unroutable import Unroutable
from host_controller.rules.timings import Timings
from host_controller.scheduler import Clock
from host_controller.settings import AdbSettings, OdooMode, Settings
from host_controller.store.data_dir import DataDirectory
from host_controller.store.store import Store
from odoo_sync.api import make_odoo_api
from odoo_sync.blacklist import Blacklist
from odoo_sync.chatter import Chatter
from odoo_sync.client import OdooClient
from odoo_sync.facts import Contacts, ShopOrders, TillOrders
from odoo_sync.forwarding import Forwarding
from odoo_sync.gateway_sync import HEARTBEAT_S, GatewaySync
from odoo_sync.intake import Intake
from odoo_sync.outbox import Outbox
from odoo_sync.pairings import pairings_version
from odoo_sync.partners import Partners
from odoo_sync.pause import Pause
from odoo_sync.pauses import Pauses
from odoo_sync.phones_shown import PhonesShown
from odoo_sync.pull import Pull
from odoo_sync.push import make_push
from odoo_sync.push_results import PushResults
from odoo_sync.received import Received
from odoo_sync.reconcile import Reconcile
from odoo_sync.reply_marks import ReplyMarks
from odoo_sync.sync import OdooSync, Step
from web import Services, create_app, make_api, make_gateway_app, make_gateway_server, make_pages

LOOPBACK = "127.0.0.1"
_RECONCILE_S = 3600.0
# A hundred phones with the files of a database are more than select() can look at.
_SERVER = {"asyncore_use_poll": True, "ident": ""}


def utc_now() -> datetime:
    """The controller's clock."""
    return datetime.now(UTC)


class AdbFinder(PhoneFinder):
    """Finds phones through an adb server."""

    def __init__(self, link: AdbLink) -> None:
        self._link = link

    def list_phones(self) -> Iterable[SeenPhone]:
        """See PhoneFinder."""
        return [SeenPhone(phone.serial, phone.state, phone.usb_path) for phone in self._link.list_phones()]

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
    adb_server: AdbServer | ForeignServer
    adb_supervision: AdbSupervision
    surfaces: tuple[Surface, ...]


def build_controller(settings: Settings, data: DataDirectory) -> Controller:
    """Put a controller together on a locked data directory; nothing runs yet.

    Raises ConfigError where an adb server is to be started and there is no adb, or a port is taken.
    """
    timings = Timings().scaled(settings.timings_scale)
    if settings.failpoint:
        arm(settings.failpoint)
    adb_server = _adb_server(settings.adb, data)
    link = SocketLink(adb_server.address, ClientLibrary(settings.adb.client))
    frameworks = FrameworkCache(data.frameworks)
    store = Store(settings.database or data.database)
    bells = Bells()
    rack = Rack(
        AdbFinder(link), lambda serial: AndroidPhone(link, serial, frameworks), settings.adb.connect, timings, bells
    )
    holds = Holds(store)
    dispatcher = build_dispatcher(store, bells, holds, settings, utc_now)
    look_anew(store)
    free_resumed(store, holds)
    inbox = Inbox(store, settings, utc_now, bells.ring)
    lane_services = LaneServices(
        store=store,
        joining=Joining(rack, store, settings, utc_now),
        inbox=inbox,
        bells=bells,
        dispatcher=dispatcher,
        settings=settings,
        timings=timings,
        clock=utc_now,
    )
    lanes = Lanes(lane_services)
    remotes = RemotePhones(store, dispatcher, settings, utc_now)
    rack.remote_phones = remotes.views
    clock = Clock()
    supervision = AdbSupervision(
        adb_server, link, on_change=lambda: clock.run_soon("phones"), on_restart=rack.attach_soon
    )
    rack.server_trouble = lambda: supervision.trouble
    clock.every(timings.watch_s, "phones", lambda: lanes.open(rack.watch()))
    clock.every(timings.watch_s, "overdue", lambda: sweep_overdue(store, bells, timings, utc_now()))
    clock.every(timings.watch_s, "expiry", Expiry(store, utc_now, lambda _: dispatcher.usual_wait()).run)
    clock.every(timings.health_s, "unroutable", Unroutable(store, settings, utc_now).run)
    clock.every(timings.late_round_s, "unknown", lambda: assume_old(store, settings.messages, timings, utc_now()))
    clock.every(timings.due_s, "due", lambda: move_due(store, dispatcher.queue, utc_now))
    clock.every(timings.workload_s, "workload", dispatcher.workload.count)
    clock.every(timings.watch_s, "leases", Leases(store, bells, timings, utc_now).run)
    clock.every(timings.watch_s, "remote phones", remotes.watch)
    clock.every(timings.read_idle_s, "inbox", lanes.ask_to_read)
    clock.every(timings.health_s, "health", lanes.ask_for_health)
    for name in settings.odoo:
        for job, every_s, sync in _odoo_jobs(name, settings, store, bells, timings, rack, holds):
            clock.every(every_s, job, sync.run)
    remote = RemoteCare(store, remotes, dispatcher, timings, utc_now)
    services = Services(store, rack, bells, settings, utc_now, clock.jobs, holds, dispatcher=dispatcher, remote=remote)
    surfaces = _surfaces(services, data)
    return Controller(settings, timings, store, rack, bells, lanes, clock, adb_server, supervision, surfaces)


def make_odoo_client(name: str, settings: Settings) -> OdooClient:
    """Give a client for one of the Odoo databases of the settings. Raises ConfigError."""
    if name not in settings.odoo:
        known = ", ".join(settings.odoo) or "none"
        raise ConfigError(f"there is no Odoo {name!r} in the settings; write one as [odoo.{name}]; known: {known}")
    odoo = settings.odoo[name]
    # Reports need no login: without a user, mode push does without what does.
    password = odoo.password(name) if odoo.user or odoo.mode is not OdooMode.PUSH else ""
    return OdooClient(odoo, password, name)


def make_reconcile(name: str, settings: Settings, store: Store) -> Reconcile:
    """Give the comparison with one of the Odoo databases of the settings. Raises ConfigError."""
    if name in settings.odoo and settings.odoo[name].mode is OdooMode.GATEWAY:
        raise ConfigError(f"odoo.{name} is in mode gateway: its module is asked at each start of the daemon")
    return Reconcile(make_odoo_client(name, settings), store, utc_now)


def _odoo_jobs(
    name: str, settings: Settings, store: Store, bells: Bells, timings: Timings, rack: Rack, holds: Holds
) -> Iterator[tuple[str, float, OdooSync]]:
    """Give what is done for one Odoo: a job's name, how often it runs, and what. Messages and results wait for none."""
    odoo = settings.odoo[name]
    without_login: set[str] = set()  # of all jobs: a login that holds no more is one thing to mend

    def make(steps: Sequence[Step], first_s: float, longest_s: float) -> OdooSync:
        return OdooSync(name, steps, store, utc_now, lambda: Pause(first_s, longest_s), without_login)

    longest_s = timings.odoo_longest_pause_s
    if odoo.mode is OdooMode.GATEWAY:
        # An Odoo that is back fails messages for good while no phone has given a sign of life.
        sync = GatewaySync(name, settings, store, utc_now, bells, rack.phones)
        gateway = Step("messages", sync.run, lambda: pairings_version(odoo.pairing_file))
        yield f"odoo {name}", odoo.poll_s, make([gateway], odoo.poll_s, min(longest_s, HEARTBEAT_S))
    else:
        messages = _messages(name, settings, store, bells, timings)
        yield f"odoo {name}", odoo.poll_s, make(messages, odoo.poll_s, longest_s)
    if odoo.user:
        both_ways = make(_both_ways(name, settings, store, bells, rack, holds), odoo.poll_s, longest_s)
        yield f"odoo {name} both ways", odoo.poll_s, both_ways
    if odoo.user and odoo.mode is not OdooMode.GATEWAY:
        reconcile = make_reconcile(name, settings, store)
        repairs = Step("repairs", lambda: reconcile.run().repaired)
        yield f"odoo {name} reconcile", _RECONCILE_S, make([repairs], _RECONCILE_S, _RECONCILE_S)


def _messages(name: str, settings: Settings, store: Store, bells: Bells, timings: Timings) -> list[Step]:
    client, odoo = make_odoo_client(name, settings), settings.odoo[name]
    steps = [Step("results", PushResults(client, store, utc_now, timings).run)]
    if odoo.mode is OdooMode.PULL:
        steps.append(Step("messages", Pull(client, store, settings.messages, utc_now, bells).run))
    return steps


def _both_ways(name: str, settings: Settings, store: Store, bells: Bells, rack: Rack, holds: Holds) -> list[Step]:
    odoo = settings.odoo[name]
    client = make_odoo_client(name, settings)  # its own: messages and results wait for none of its calls
    outbox = Outbox(name, store, utc_now, settings.timings_scale)
    home = settings.messages.home_region
    of_brand = [peer for peer, other in settings.odoo.items() if other.brand == odoo.brand]
    partners = Partners(client, home)
    steps = [
        Step("pauses", Pauses(client, store, holds, bells, utc_now).run),
        Step("refused numbers", Blacklist(client, store, outbox, utc_now, home, odoo.brand, of_brand).run),
    ]
    if odoo.mode is not OdooMode.GATEWAY:  # its module does this with what it is told
        told = [peer for peer, other in settings.odoo.items() if other.mode is not OdooMode.GATEWAY and other.user]
        forwarding = Forwarding(outbox, store, utc_now, told)
        forwarding.begin()
        marks = ReplyMarks(client, store, outbox, utc_now, settings.timings_scale)
        steps += [
            Step("replies", forwarding.run),
            Step("notes", Chatter(client, store, outbox, partners, utc_now).run),
            Step("answered messages", marks.run),
        ]
    with_user = [peer for peer, other in settings.odoo.items() if other.user]
    steps += [
        Step("received", Received(client, store, outbox, partners, utc_now, with_user).run),
        Step("phones", PhonesShown(client, store, rack.phones, utc_now, settings.zone).run),
    ]
    if odoo.contacts:
        steps += [
            Step("contacts", Contacts(client, store, utc_now).run),
            Step("shop orders", ShopOrders(client, store, utc_now).run),
            Step("till orders", TillOrders(client, store, utc_now).run),
        ]
    return steps


def make_api_app(services: Services) -> Flask:
    """The API as the daemon's socket serves it: no browser gets there, so it needs no token."""
    odoo = make_odoo_api(services.store, lambda name: make_reconcile(name, services.settings, services.store))
    return create_app([make_api(services), odoo], secret="", allowed_hosts=[LOOPBACK], csrf=False)


def _adb_server(settings: AdbSettings, data: DataDirectory) -> AdbServer | ForeignServer:
    if settings.port:
        address = ServerAddress(port=settings.port)
    else:
        address = ServerAddress(socket_path=data.checked_socket(settings.socket or data.adb_socket))
    if not settings.start:
        return ForeignServer(address)
    try:
        adb = find_adb(settings.binary)
    except AdbNotFoundError as error:
        raise ConfigError(str(error)) from error
    return AdbServer(adb, address, data.adb_home, usb=settings.usb, libusb=settings.libusb)


def _surfaces(services: Services, data: DataDirectory) -> tuple[Surface, ...]:
    web = services.settings.web
    site = create_app([make_pages(services)], secret=data.web_secret(), allowed_hosts=web.allowed_hosts)
    try:
        pages = waitress.create_server(site, host=web.host, port=web.port, **_SERVER)
    except OSError as error:
        raise ConfigError(f"port {web.port} cannot be used ({error.strerror}); choose another with --port") from error
    socket = data.checked_socket(data.socket)
    socket.unlink(missing_ok=True)  # of a daemon that was killed; the lock says that none runs
    api = waitress.create_server(make_api_app(services), unix_socket=str(socket), unix_socket_perms="600", **_SERVER)
    return pages, api, *_gateway(services)


def _gateway(services: Services) -> tuple[Surface, ...]:
    settings = services.settings.gateway
    if settings.port is None or services.remote is None:
        return ()
    app = make_gateway_app(services, services.remote, _odoo_push(services))
    try:
        return (make_gateway_server(app, settings),)
    except OSError as error:
        raise ConfigError(
            f"port {settings.port} of {settings.host} cannot be used ({error.strerror}); choose another gateway.port"
        ) from error


def _odoo_push(services: Services) -> list[Blueprint]:
    """What Odoos in mode push send to, if there are any. Raises ConfigError."""
    settings = services.settings
    intakes: dict[str, Intake] = {}
    for name, odoo in settings.odoo.items():
        if odoo.mode is OdooMode.PUSH:
            token = odoo.account_token(name)
            if token in intakes:
                raise ConfigError(f"odoo.{name} and odoo.{intakes[token].name} have one account token; make another")
            intakes[token] = Intake(name, services.store, odoo, settings.messages, services.clock, services.bells)
    return [make_push(list(intakes.items()), settings.gateway.wrong_keys_per_minute)] if intakes else []
