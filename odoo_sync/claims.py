"""Claiming in Odoo what is held here, so that nobody else sends it; a crash or a lost answer at any point is made good.

A claim is written down here before it is made there. The write is unconditional, so the rows are read back: Odoo's own
sender, had it been faster, would have marked them. What cannot be told apart any more is left alone and listed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from host_controller.store.models import OdooSmsRecord
from host_controller.store.store import Store
from odoo_sync.client import OdooClient, SmsState
from odoo_sync.lease import Lease
from odoo_sync.mapping import CLAIM_STATE, CLAIM_WORD, is_uuid

_log = logging.getLogger(__name__)
# A claim is four calls, that which finds the rows among them: with so many rows at once, one call for 500 and more.
BATCH = 2500
TAKEN, DOUBTED = "taken_by_odoo", "claim_in_doubt"
_WORDS = {
    TAKEN: "Odoo has sent or cancelled them itself; is its SMS cron switched off?",
    DOUBTED: "another smsrack may have taken them over meanwhile; `smsrack odoo reconcile` lists them",
}
_WAITS = "outgoing"


@dataclass(frozen=True)
class _Held:
    """A row of ours that is not queued yet."""

    id: int
    sms_id: int
    uuid: str
    claim: str | None
    """The chain of the lease under which a claim was begun."""
    claimed_at: datetime | None


class Claims:
    """Claims what is held of one database."""

    def __init__(self, client: OdooClient, store: Store, lease: Lease, clock: Callable[[], datetime]) -> None:
        self._client, self._store, self._lease, self._clock = client, store, lease, clock

    def claim(self, seen: Collection[int] = ()) -> list[int]:
        """Claim up to `BATCH` rows; give our ids of those that are surely ours now.

        `seen` are the Odoo ids of rows that were read a moment ago, and waited. Raises OdooSyncError.
        """
        held = self._read_held()
        if not held:
            return []
        chain = self._lease.hold()
        waiting = self._waiting(held, set(seen))
        if waiting:
            self._note(waiting, {"claim": chain, "claimed_at": None})
            self._client.write_state([row.sms_id for row in waiting], CLAIM_STATE, None)
        now_begun = {row.id for row in waiting}
        begun = [replace(row, claim=chain, claimed_at=None) if row.id in now_begun else row for row in held]
        after = self._client.states([row.sms_id for row in held])
        verdicts = {row: _verdict(row, after.get(row.sms_id), chain) for row in begun}
        ours = [row for row, verdict in verdicts.items() if verdict is None]
        self._note(ours, {"claimed_at": self._clock()})
        for verdict in (TAKEN, DOUBTED):
            lost = [row for row, said in verdicts.items() if said == verdict]
            if lost:
                self._note(lost, {"refusal": verdict, "reported": verdict})
                _log.warning("Odoo %s: %s SMS are not sent: %s", self._client.name, len(lost), _WORDS[verdict])
        if ours:
            self._client.report([(CLAIM_WORD, [row.uuid for row in ours if is_uuid(row.uuid)])])
        return [row.id for row in ours]

    def _waiting(self, held: Sequence[_Held], seen: Collection[int]) -> list[_Held]:
        """Give those that nobody has claimed, as far as we know."""
        unseen = [row.sms_id for row in held if row.sms_id not in seen]
        states = self._client.states(unseen) if unseen else {}
        return [row for row in held if row.sms_id in seen or _state(states, row) == _WAITS]

    def _read_held(self) -> list[_Held]:
        row = OdooSmsRecord
        query: Any = (  # a select of these columns
            select(row.id, row.sms_id, row.uuid, row.claim, row.claimed_at)
            .where(row.database == self._client.name, row.message_id.is_(None), row.refusal.is_(None))
            .where(row.sms_id.is_not(None))
            .order_by(row.id)
            .limit(BATCH)
        )
        with self._store.reading() as session:
            return [_Held(*found) for found in session.execute(query)]

    def _note(self, rows: Sequence[_Held], values: dict[str, Any]) -> None:
        ids = [row.id for row in rows]

        def work(session: Session) -> None:
            session.execute(update(OdooSmsRecord).where(OdooSmsRecord.id.in_(ids)).values(**values))

        if ids:
            self._store.write(work)


def _state(states: dict[int, SmsState], row: _Held) -> str | None:
    found = states.get(row.sms_id)
    return found.state if found else None


def _verdict(row: _Held, found: SmsState | None, chain: str) -> str | None:
    """Say why a row must not be sent, or None where it is ours."""
    if found is None or found.state != CLAIM_STATE or row.claim is None:
        return TAKEN
    if row.claim != chain:
        return DOUBTED  # another had the lease in between, and may have claimed it
    # Before we have told Odoo of the claim, only its own sender can have settled the row.
    return TAKEN if found.to_delete and row.claimed_at is None else None
