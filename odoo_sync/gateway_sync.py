"""One round with an Odoo that has the module `sms_gateway`: what the app does, for each phone that we stand for.

Heartbeat, results, new messages, received ones. A phone that cannot be served does not keep the others waiting; an Odoo
that does not answer ends the round. The pairing file is read in each round: a phone that is paired works at once.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, update

from host_controller.errors import ConfigError
from host_controller.events import Bells
from host_controller.fleet.phone import PhoneView
from host_controller.settings import OdooSettings, Settings
from host_controller.store.models import ModulePhoneRecord
from host_controller.store.store import Store
from odoo_sync.ears import heard_by
from odoo_sync.errors import ModuleStumbledError, OdooRejectedError, OdooSyncError
from odoo_sync.gateway_client import GatewayClient
from odoo_sync.gateway_inbound import GatewayInbound
from odoo_sync.gateway_results import GatewayResults
from odoo_sync.gateway_take import GatewayTake
from odoo_sync.pairings import Pairing, read_pairings
from odoo_sync.stand_in import Route, StandIn, find_route, keep_record, read_pulse

_log = logging.getLogger(__name__)
# As the app's; the module takes a phone for offline after five minutes.
HEARTBEAT_S = 60.0
# A round makes way then: other phones have heartbeats to send, and a daemon that is to stop waits for it.
_ROUND_S = 20.0


@dataclass
class _Known:
    """What this run of the daemon knows of a phone."""

    client: GatewayClient
    record_id: int
    name: str
    next_beat_at: datetime
    is_reconciled: bool = False


class GatewaySync:
    """Keeps one Odoo with the module in step."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        store: Store,
        clock: Callable[[], datetime],
        bells: Bells,
        phones: Callable[[], Sequence[PhoneView]],
    ) -> None:
        """`name` is ours for the connection; `phones` gives the phones of the rack."""
        self._name = name
        self._odoo: OdooSettings = settings.odoo[name]
        self._store = store
        self._clock = clock
        self._phones = phones
        self._take = GatewayTake(store, self._odoo, settings.messages, clock, bells)
        self._results = GatewayResults(store, clock)
        self._inbound = GatewayInbound(store, clock)
        self._known: dict[str, _Known] = {}
        self._troubled: set[str] = set()

    def run(self) -> int:
        """Do one round; give how many messages and results were moved.

        Raises OdooUnavailableError where Odoo does not answer, and OdooRejectedError where no phone at all can be
        served; a later round makes up for it. That one of several cannot be served is only logged.
        """
        moved = 0
        pairings, without_route = self._pairings()
        troubles: dict[str, OdooSyncError | None] = {}
        routes = [route for _, route in pairings]
        for index, (pairing, route) in enumerate(pairings):
            self._keep_online(pairings)
            try:
                moved += self._serve(pairing, route, heard_by(routes, index))
                troubles[pairing.key] = None
            except (OdooRejectedError, ModuleStumbledError) as error:
                troubles[pairing.key] = error
        troubles |= without_route
        if None not in troubles.values():
            raise next(error for error in troubles.values() if error is not None)
        for key, trouble in troubles.items():
            self._note(key, trouble)
        return moved

    def _pairings(self) -> tuple[list[tuple[Pairing, Route]], dict[str, OdooSyncError]]:
        """Give the phones that can be served, and of the others, by key, why not. Raises OdooRejectedError."""
        found: list[tuple[Pairing, Route]] = []
        without_route: dict[str, OdooSyncError] = {}
        try:
            pairings = read_pairings(self._odoo.pairing_file, self._name)
        except ConfigError as error:
            raise OdooRejectedError(str(error)) from error
        with self._store.reading() as session:
            for pairing in pairings:
                try:
                    found.append((pairing, find_route(session, pairing, self._name)))
                except ConfigError as error:
                    without_route[pairing.key] = OdooRejectedError(str(error))
        return found, without_route

    def _serve(self, pairing: Pairing, route: Route, heard: ColumnElement[bool]) -> int:
        """Do everything for one phone; give how many messages and results were moved."""
        known = self._known.get(pairing.key) or self._meet(pairing)
        phone = StandIn(known.record_id, self._name, known.client, route)
        self._beat(known, phone)
        if not known.is_reconciled:
            self._results.reconcile(phone)
            known.is_reconciled = True
        until_s = time.monotonic() + _ROUND_S
        queued = reported = 0
        is_more = True
        while is_more:
            reported += self._results.run(phone, until_s)
            taken, is_more = self._take.run(phone, until_s)
            queued += taken
            is_more = is_more and time.monotonic() < until_s
            self._beat(known, phone)
        told = self._inbound.run(phone, heard, until_s)
        if queued or reported or told:
            words = "Odoo %s: %s messages taken over, %s results and %s received messages told"
            _log.info(words, self._name, queued, reported, told)
        return queued + reported + told

    def _keep_online(self, pairings: Sequence[tuple[Pairing, Route]]) -> None:
        """Send the heartbeats that are due, so that while one phone is served no other passes for offline."""
        for pairing, route in pairings:
            if (known := self._known.get(pairing.key)) is not None:
                with contextlib.suppress(OdooRejectedError, ModuleStumbledError):  # its own turn tells of that
                    self._beat(known, StandIn(known.record_id, self._name, known.client, route))

    def _meet(self, pairing: Pairing) -> _Known:
        client = GatewayClient(self._odoo, pairing.key, self._name)
        phone = client.phone()
        record_id = self._store.write(lambda session: keep_record(session, self._name, phone))
        known = _Known(client, record_id, phone.name, self._clock())
        self._known[pairing.key] = known
        return known

    def _beat(self, known: _Known, phone: StandIn) -> None:
        now = self._clock()
        if now < known.next_beat_at:
            return
        battery, signal = read_pulse(self._phones(), phone.route)
        known.client.heartbeat(battery, signal, self._results.count_due(phone))
        known.next_beat_at = now + timedelta(seconds=HEARTBEAT_S)
        stamp = update(ModulePhoneRecord).where(ModulePhoneRecord.id == known.record_id).values(heartbeat_at=now)
        self._store.write(lambda session: session.execute(stamp))

    def _note(self, of: str, trouble: OdooSyncError | None) -> None:
        """Log the first trouble of a phone, by its key, and its end; that of the whole connection is its rounds'."""
        if trouble is not None and of not in self._troubled:
            _log.warning("Odoo %s: one of its phones is not served, others are: %s", self._name, trouble)
            self._troubled.add(of)
        if trouble is None and of in self._troubled:
            _log.info("Odoo %s: a phone of it that was not served is served again", self._name)
            self._troubled.discard(of)
