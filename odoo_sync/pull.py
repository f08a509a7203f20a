"""Taking over what waits in Odoo: claimed here first, then there, then queued. A crash at any point is made good."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.consent.refused import Refused
from host_controller.errors import OptedOutError
from host_controller.events import Bells
from host_controller.messaging.submit import Accepted, Checked, Draft, Rejected, accept_all, check
from host_controller.rules.classes import MessageClass
from host_controller.settings import MessageSettings
from host_controller.store.models import OdooSmsRecord
from host_controller.store.store import Store
from odoo_sync.client import OdooClient, OdooSms
from odoo_sync.mapping import CLAIM_STATE, CLAIM_WORD

_log = logging.getLogger(__name__)
_BATCH = 500
# States in which a row that we hold here may still be claimed there: untouched, or claimed by us before a crash.
_CLAIMABLE = ("outgoing", CLAIM_STATE)
_TAKEN = "taken_by_odoo"


class Pull:
    """Moves outgoing SMS of one Odoo database into our queue."""

    def __init__(
        self,
        client: OdooClient,
        store: Store,
        settings: MessageSettings,
        clock: Callable[[], datetime],
        bells: Bells,
    ) -> None:
        self._client = client
        self._store = store
        self._settings = settings
        self._clock = clock
        self._bells = bells
        self._actor = f"odoo {client.name}"

    def run(self) -> int:
        """Take over what waits; give how many messages were queued. Raises OdooSyncError."""
        queued = 0
        while True:
            rows = self._client.outgoing(_BATCH)
            fresh = self._store.write(lambda session, rows=rows: self._hold(session, rows))  # type: ignore[misc]
            queued += self._claim_held()
            if fresh < _BATCH:
                return queued

    def _hold(self, session: Session, rows: Sequence[OdooSms]) -> int:
        """Write down every row that is new here, and what is wrong with it; give how many were new."""
        database = self._client.name
        uuids = [row.uuid for row in rows]
        known = set(
            session.scalars(
                select(OdooSmsRecord.uuid).where(OdooSmsRecord.database == database, OdooSmsRecord.uuid.in_(uuids))
            )
        )
        fresh = [row for row in rows if row.uuid not in known]
        for row in fresh:
            checked = check(Draft(row.number, row.body), self._settings)
            session.add(
                OdooSmsRecord(
                    database=database,
                    sms_id=row.id,
                    uuid=row.uuid,
                    number=row.number,
                    body=row.body,
                    refusal=_refusal(session, checked),
                )
            )
        return len(fresh)

    def _claim_held(self) -> int:
        """Claim in Odoo what is held here, then queue it."""
        with self._store.reading() as session:
            held = session.execute(
                select(OdooSmsRecord.id, OdooSmsRecord.sms_id, OdooSmsRecord.uuid)
                .where(
                    OdooSmsRecord.database == self._client.name,
                    OdooSmsRecord.message_id.is_(None),
                    OdooSmsRecord.refusal.is_(None),
                )
                .order_by(OdooSmsRecord.id)
                .limit(_BATCH)
            ).all()
        if not held:
            return 0
        states = self._client.states([row.sms_id for row in held])
        ours = [row for row in held if states.get(row.sms_id) in _CLAIMABLE]
        lost = [row.id for row in held if states.get(row.sms_id) not in _CLAIMABLE]
        if ours:
            self._client.write_state([row.sms_id for row in ours], CLAIM_STATE, None)
            self._client.report([(CLAIM_WORD, [row.uuid for row in ours])])
        ids = [row.id for row in ours]
        self._store.write(lambda session: self._queue(session, ids, lost))
        self._bells.ring()
        if lost:
            _log.warning("%s SMS were sent or cancelled by Odoo itself; is its SMS cron switched off?", len(lost))
        return len(ids)

    def _queue(self, session: Session, claimed: Sequence[int], lost: Sequence[int]) -> None:
        for record in session.scalars(select(OdooSmsRecord).where(OdooSmsRecord.id.in_(lost))):
            record.refusal = record.reported = _TAKEN
        query = select(OdooSmsRecord).where(OdooSmsRecord.id.in_(claimed)).order_by(OdooSmsRecord.id)
        records = session.scalars(query).all()
        # The ref makes a second message of the same row impossible, whatever happens here.
        drafts = [Draft(r.number or "", r.body or "", f"odoo/{r.database}/{r.uuid}") for r in records]
        checked = [check(draft, self._settings) for draft in drafts]
        outcomes = accept_all(session, self._settings, checked, now=self._clock(), actor=self._actor)
        for record, outcome in zip(records, outcomes, strict=True):
            if isinstance(outcome, Accepted):
                record.message_id = outcome.message_id
                record.number = record.body = None  # the message has them now
            else:
                record.refusal = outcome.code


def _refusal(session: Session, checked: Checked | Rejected) -> str | None:
    if isinstance(checked, Rejected):
        return checked.code
    recipient = (checked.msisdn.e164, checked.draft.brand)
    message_class = checked.draft.message_class or MessageClass.TRANSACTIONAL
    return OptedOutError.code if Refused(session, [recipient]).holds(recipient, message_class) else None
