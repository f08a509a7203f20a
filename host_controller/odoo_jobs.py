"""What is done for each Odoo of the settings: the parts of `odoo_sync` put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from flask import Blueprint

from host_controller.errors import ConfigError
from host_controller.events import Bells
from host_controller.fleet.rack import Rack
from host_controller.messaging.holds import Holds
from host_controller.rules.timings import Timings
from host_controller.settings import OdooMode, Settings
from host_controller.store.store import Store
from odoo_sync.alarms import Alarms
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
from odoo_sync.received import Received
from odoo_sync.reconcile import Reconcile
from odoo_sync.reply_marks import ReplyMarks
from odoo_sync.results import Results
from odoo_sync.sync import OdooSync, Step

_RECONCILE_S = 3600.0
Clock = Callable[[], datetime]


def make_odoo_client(name: str, settings: Settings) -> OdooClient:
    """Give a client for one of the Odoo databases of the settings. Raises ConfigError."""
    if name not in settings.odoo:
        known = ", ".join(settings.odoo) or "none"
        raise ConfigError(f"there is no Odoo {name!r} in the settings; write one as [odoo.{name}]; known: {known}")
    odoo = settings.odoo[name]
    # Reports need no login: without a user, mode push does without what does.
    password = odoo.password(name) if odoo.user or odoo.mode is not OdooMode.PUSH else ""
    return OdooClient(odoo, password, name)


def make_reconcile(name: str, settings: Settings, store: Store, clock: Clock) -> Reconcile:
    """Give the comparison with one of the Odoo databases of the settings. Raises ConfigError."""
    if name in settings.odoo and settings.odoo[name].mode is OdooMode.GATEWAY:
        raise ConfigError(f"odoo.{name} is in mode gateway: its module is asked at each start of the daemon")
    return Reconcile(make_odoo_client(name, settings), store, clock)


def odoo_jobs(
    name: str,
    settings: Settings,
    store: Store,
    clock: Clock,
    bells: Bells,
    timings: Timings,
    rack: Rack,
    holds: Holds,
) -> Iterator[tuple[str, float, OdooSync]]:
    """Give what is done for one Odoo: a job's name, how often it runs, and what. Messages and results wait for none."""
    odoo = settings.odoo[name]
    alarms = Alarms()  # of all jobs: an Odoo that is away, or a login that holds no more, is one thing to tell

    def make(steps: Sequence[Step], first_s: float, longest_s: float) -> OdooSync:
        return OdooSync(name, steps, store, clock, lambda: Pause(first_s, longest_s), alarms)

    longest_s = timings.odoo_longest_pause_s
    if odoo.mode is OdooMode.GATEWAY:
        # An Odoo that is back fails messages for good while no phone has given a sign of life.
        sync = GatewaySync(name, settings, store, clock, bells, rack.phones)
        gateway = Step("messages", sync.run, lambda: pairings_version(odoo.pairing_file))
        yield f"odoo {name}", odoo.poll_s, make([gateway], odoo.poll_s, min(longest_s, HEARTBEAT_S))
    else:
        messages = _messages(name, settings, store, clock, bells, timings)
        yield f"odoo {name}", odoo.poll_s, make(messages, odoo.poll_s, longest_s)
    if odoo.user:
        # By themselves: a first copy of many contacts takes minutes.
        refusals = make(_refusals(name, settings, store, clock, bells, holds), odoo.poll_s, longest_s)
        yield f"odoo {name} refusals", odoo.poll_s, refusals
        both_ways = make(_both_ways(name, settings, store, clock, rack), odoo.poll_s, longest_s)
        yield f"odoo {name} both ways", odoo.poll_s, both_ways
    if odoo.user and odoo.mode is not OdooMode.GATEWAY:
        reconcile = make_reconcile(name, settings, store, clock)
        repairs = Step("repairs", lambda: reconcile.run().repaired)
        yield f"odoo {name} reconcile", _RECONCILE_S, make([repairs], _RECONCILE_S, _RECONCILE_S)


def _messages(name: str, settings: Settings, store: Store, clock: Clock, bells: Bells, timings: Timings) -> list[Step]:
    client, odoo = make_odoo_client(name, settings), settings.odoo[name]
    steps = [Step("results", Results(client, store, clock, timings).run)]
    if odoo.mode is OdooMode.PULL:
        steps.append(Step("messages", Pull(client, store, settings.messages, clock, bells).run))
    return steps


def _refusals(name: str, settings: Settings, store: Store, clock: Clock, bells: Bells, holds: Holds) -> list[Step]:
    """What keeps messages back."""
    odoo = settings.odoo[name]
    client = make_odoo_client(name, settings)  # its own: nobody waits for calls of others
    outbox = Outbox(name, store, clock, settings.timings_scale)
    of_brand = [peer for peer, other in settings.odoo.items() if other.brand == odoo.brand]
    home = settings.messages.home_region
    return [
        Step("pauses", Pauses(client, store, holds, bells, clock).run),
        Step("refused numbers", Blacklist(client, store, outbox, clock, home, odoo.brand, of_brand).run),
    ]


def _both_ways(name: str, settings: Settings, store: Store, clock: Clock, rack: Rack) -> list[Step]:
    odoo = settings.odoo[name]
    client = make_odoo_client(name, settings)  # its own, as above
    outbox = Outbox(name, store, clock, settings.timings_scale)
    partners = Partners(client, settings.messages.home_region)
    steps: list[Step] = []
    if odoo.mode is not OdooMode.GATEWAY:  # its module does this with what it is told
        told = [peer for peer, other in settings.odoo.items() if other.mode is not OdooMode.GATEWAY and other.user]
        forwarding = Forwarding(outbox, store, clock, told)
        forwarding.begin()
        marks = ReplyMarks(client, store, outbox, clock, settings.timings_scale)
        steps += [
            Step("replies", forwarding.run),
            Step("notes", Chatter(client, store, outbox, partners, clock).run),
            Step("answered messages", marks.run),
        ]
    with_user = [peer for peer, other in settings.odoo.items() if other.user]
    steps += [
        Step("received", Received(client, store, outbox, partners, clock, with_user).run),
        Step("phones", PhonesShown(client, store, rack.phones, clock, settings.zone).run),
    ]
    if odoo.contacts:
        steps += [
            Step("contacts", Contacts(client, store, clock).run),
            Step("shop orders", ShopOrders(client, store, clock).run),
            Step("till orders", TillOrders(client, store, clock).run),
        ]
    return steps


def make_odoo_push(settings: Settings, store: Store, clock: Clock, bells: Bells) -> list[Blueprint]:
    """What Odoos in mode push send to, if there are any. Raises ConfigError."""
    intakes: dict[str, Intake] = {}
    for name, odoo in settings.odoo.items():
        if odoo.mode is OdooMode.PUSH:
            token = odoo.account_token(name)
            if token in intakes:
                raise ConfigError(f"odoo.{name} and odoo.{intakes[token].name} have one account token; make another")
            intakes[token] = Intake(name, store, odoo, settings.messages, clock, bells)
    return [make_push(list(intakes.items()), settings.gateway.wrong_keys_per_minute)] if intakes else []
