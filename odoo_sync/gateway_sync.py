"""One round with an Odoo that has the module `sms_gateway`: what the app does, for each phone that we stand for.

Heartbeat, results, new messages, received ones. A phone that cannot be served does not keep the others waiting; an Odoo
that does not answer ends the round. The pairing file is read in each round: a phone that is paired works at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, update

from host_controller.errors import ConfigError, ControllerError
from host_controller.events import Bells
from host_controller.fleet.phone import PhoneView
from host_controller.settings import OdooSettings, Settings
from host_controller.store.models import ModulePhoneRecord
from host_controller.store.store import Store
from odoo_sync.ears import heard_by
from odoo_sync.errors import ModuleStumbledError, OdooRejectedError, OdooUnavailableError
from odoo_sync.gateway_client import GatewayClient
from odoo_sync.gateway_inbound import GatewayInbound
from odoo_sync.gateway_results import GatewayResults
from odoo_sync.gateway_take import GatewayTake
from odoo_sync.pairings import Pairing, read_pairings
from odoo_sync.stand_in import Route, StandIn, find_route, keep_record, read_pulse

_log = logging.getLogger(__name__)
# As the app's; the module takes a phone for offline after five minutes.
_HEARTBEAT = timedelta(seconds=60)


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
        self._is_in_trouble = False

    def run(self) -> None:
        """Do one round. Raises OdooSyncError or ConfigError; the next round makes up for it."""
        queued = reported = 0
        pairings, trouble = self._pairings()
        routes = [route for _, route in pairings]
        for index, (pairing, route) in enumerate(pairings):
            try:
                done = self._serve(pairing, route, heard_by(routes, index))
                queued, reported = queued + done[0], reported + done[1]
            except (OdooRejectedError, ModuleStumbledError) as error:
                trouble = trouble or error
            except OdooUnavailableError as error:
                trouble = error
                break
        self._note(trouble)
        if queued or reported:
            _log.info("Odoo %s: %s messages taken over, %s results reported", self._name, queued, reported)
        if trouble is not None:
            raise trouble

    def _pairings(self) -> tuple[list[tuple[Pairing, Route]], ControllerError | None]:
        """Give the phones that can be served, and what is wrong with the file or another phone."""
        found, trouble = [], None
        try:
            pairings = read_pairings(self._odoo.pairing_file, self._name)
        except ConfigError as error:
            return [], error
        with self._store.reading() as session:
            for pairing in pairings:
                try:
                    found.append((pairing, find_route(session, pairing, self._name)))
                except ConfigError as error:
                    trouble = trouble or error
        return found, trouble

    def _serve(self, pairing: Pairing, route: Route, heard: ColumnElement[bool]) -> tuple[int, int]:
        """Do everything for one phone; give how many messages were queued, and results reported."""
        known = self._known.get(pairing.key) or self._meet(pairing)
        phone = StandIn(known.record_id, self._name, known.client, route)
        self._beat(known, phone)
        if not known.is_reconciled:
            self._results.reconcile(phone)
            known.is_reconciled = True
        queued, reported, is_more = 0, 0, True
        while is_more:
            reported += self._results.run(phone)
            taken, is_more = self._take.run(phone)
            queued += taken
            self._beat(known, phone)
        self._inbound.run(phone, heard)
        return queued, reported

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
        known.next_beat_at = now + _HEARTBEAT
        stamp = update(ModulePhoneRecord).where(ModulePhoneRecord.id == known.record_id).values(heartbeat_at=now)
        self._store.write(lambda session: session.execute(stamp))

    def _note(self, trouble: ControllerError | None) -> None:
        if trouble is not None and not self._is_in_trouble:
            _log.warning("Odoo %s: %s; sending goes on, results are kept for later", self._name, trouble)
        if trouble is None and self._is_in_trouble:
            _log.info("Odoo %s answers again", self._name)
        self._is_in_trouble = trouble is not None
