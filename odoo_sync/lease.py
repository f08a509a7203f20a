"""One smsrack only takes a database's SMS over: whoever has the lease there.

Over RPC there is no compare-and-swap, but `sms.sms.uuid` is unique: of two that create the same one Odoo refuses one.
(A key of `ir.config_parameter` would do as well, but wants the group Settings, and Odoo's own secrets stand there.)
A lease is a row there (lease_row.py). To take it over is to create the next generation; only its holder gives signs of
life in it. No clocks are compared: a lease is free when who waits has seen the same sign of life for `FREE_AFTER_S`.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable

from sqlalchemy.orm import Session

from host_controller.store.models import OdooLeaseRecord
from host_controller.store.store import Store
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooDuplicateError, OdooElsewhereError
from odoo_sync.lease_row import LeaseRow, create_lease, free_lease, read_lease, renew_lease

_log = logging.getLogger(__name__)
RENEW_AFTER_S = 20.0
FREE_AFTER_S = 300.0
"""More than what a holder needs from its last renewal to the end of a claim: 20 s, and the longest call of 120 s."""
ALONE = "alone"
"""The chain of who may not create an SMS there, and so has no lease and must be the only one."""


class Lease:
    """The right of this smsrack to take over what waits in one database."""

    def __init__(self, client: OdooClient, store: Store, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client, self._store, self._monotonic = client, store, monotonic
        self._chain: str | None = None
        """Since this process has the lease."""
        self._renewed_s = 0.0
        self._foreign: tuple[str, float] | None = None
        self._may_create: bool | None = None

    def hold(self) -> str:
        """Take, renew or keep the lease; give what names the unbroken time in which we have had it.

        A process before this one counts as us. Raises OdooElsewhereError while another has it, and OdooSyncError.
        """
        now_s = self._monotonic()
        if self._chain is not None and now_s - self._renewed_s < RENEW_AFTER_S:
            return self._chain
        if not self._is_possible():
            return ALONE
        top = read_lease(self._client)
        with self._store.reading() as session:
            ours = session.get(OdooLeaseRecord, self._client.name)
        is_ours = top is not None and ours is not None and top.beat in (ours.beat, ours.next_beat)
        if top is not None and not is_ours and not top.is_free:
            self._chain = None
            self._wait_for(top, now_s)
        chain = ours.chain if is_ours and ours is not None else secrets.token_hex(8)
        beat = self._write_down(chain, top)
        if is_ours and self._chain is not None and top is not None and not top.is_free:
            renew_lease(self._client, top, beat)
        else:
            self._create(top, beat)
        self._chain, self._renewed_s, self._foreign = chain, now_s, None
        return chain

    def _is_possible(self) -> bool:
        if self._may_create is None:
            self._may_create = bool(self._client.call("sms.sms", "check_access_rights", ["create", False], {}))
            if not self._may_create:
                _log.warning(
                    "Odoo %s: without the right to create sms.sms no second smsrack can be kept off", self._client.name
                )
        return self._may_create

    def _wait_for(self, top: LeaseRow, now_s: float) -> None:
        """Return once the holder has been silent for long enough. Raises OdooElsewhereError."""
        if self._foreign is None or self._foreign[0] != top.beat:
            self._foreign = top.beat, now_s
        if now_s - self._foreign[1] < FREE_AFTER_S:
            raise OdooElsewhereError(
                f"another smsrack sends for the database {self._client.database}, {top}; this one waits until it is "
                f"silent for {FREE_AFTER_S / 60:.0f} minutes: switch one of the two off. Where that one is gone for "
                f"good, `smsrack odoo release-lease {self._client.name} --config FILE` ends the wait"
            )

    def _write_down(self, chain: str, top: LeaseRow | None) -> str:
        """Note here what Odoo will hold next: its answer may be lost."""
        beat = secrets.token_hex(8)

        def work(session: Session) -> None:
            row = session.get(OdooLeaseRecord, self._client.name)
            if row is None:
                row = OdooLeaseRecord(database=self._client.name)
                session.add(row)
            row.chain, row.beat, row.next_beat = chain, top.beat if top else beat, beat

        self._store.write(work)
        return beat

    def _create(self, top: LeaseRow | None, beat: str) -> None:
        generation = top.generation + 1 if top else 1
        try:
            create_lease(self._client, generation, beat)
        except OdooDuplicateError as error:
            raise OdooElsewhereError("another smsrack was first; this one waits") from error
        if top is not None:
            free_lease(self._client, top)
        _log.info("Odoo %s: this smsrack sends for the database %s", self._client.name, self._client.database)
