"""Taking over what waits in Odoo: held here first, then claimed there, then queued. A crash at any point is made good.

What comes from a mailing is marketing and a batch of its own; the rest is of the class that the settings say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from host_controller.consent.opt_outs import Recipient
from host_controller.consent.refused import Refused
from host_controller.errors import OptedOutError
from host_controller.events import Bells
from host_controller.messaging.submit import Accepted, Checked, Draft, Rejected, accept_all, check
from host_controller.rules.classes import MessageClass
from host_controller.settings import MessageSettings
from host_controller.store.models import OdooSmsRecord
from host_controller.store.store import Store
from odoo_sync.adopt import adopt
from odoo_sync.claims import BATCH, Claims
from odoo_sync.client import OdooClient, OdooSms
from odoo_sync.errors import OdooRejectedError
from odoo_sync.lease import Lease
from odoo_sync.mailings import batch_of

# So many are written here at once: sends wait for the same writer.
_WRITE = 500


class Pull:
    """Moves outgoing SMS of one Odoo database into our queue."""

    def __init__(
        self,
        client: OdooClient,
        store: Store,
        settings: MessageSettings,
        clock: Callable[[], datetime],
        bells: Bells,
        lease: Lease | None = None,
    ) -> None:
        self._client = client
        self._store = store
        self._settings = settings
        self._clock = clock
        self._bells = bells
        self._lease = lease or Lease(client, store)
        self._claims = Claims(client, store, self._lease, clock)
        self._actor = f"odoo {client.name}"

    def run(self) -> int:
        """Take over what waits; give how many messages were queued. Raises OdooSyncError."""
        self._client.capabilities()  # of an Odoo that we do not know nothing is taken
        if self._client.own_sender_is_on():
            raise OdooRejectedError(
                "Odoo's own SMS sender is on, and both would send the same: switch off its scheduled action "
                "SMS Queue Manager; nothing is taken over until then"
            )
        self._lease.hold()
        queued = self._queue_held()
        adopt_h = self._client.settings.adopt_errors_h
        if adopt_h is not None:
            adopt(self._client, self._clock() - timedelta(hours=adopt_h))
        last_id = 0
        while True:
            self._lease.hold()
            rows = self._client.outgoing(BATCH, last_id)
            for start in range(0, len(rows), _WRITE):
                some = rows[start : start + _WRITE]
                self._store.write(lambda session, some=some: self._hold(session, some))  # type: ignore[misc]
            if rows:
                queued += self._queue_held({row.id for row in rows})
            if len(rows) < BATCH:
                return queued
            last_id = rows[-1].id

    def _hold(self, session: Session, rows: Sequence[OdooSms]) -> None:
        """Write down every row that is new here, and what is wrong with it."""
        database = self._client.name
        uuids = [row.uuid for row in rows]
        query = select(OdooSmsRecord.uuid).where(OdooSmsRecord.database == database, OdooSmsRecord.uuid.in_(uuids))
        known = set(session.scalars(query))
        # Somebody lets a message wait in Odoo again that is settled here: it is not sent twice, but put right there.
        again = update(OdooSmsRecord).where(OdooSmsRecord.database == database, OdooSmsRecord.uuid.in_(known))
        session.execute(again.values(agreed_at=None))
        records = [
            OdooSmsRecord(
                database=database,
                sms_id=row.id,
                uuid=row.uuid,
                number=row.number,
                body=row.body,
                mailing_id=row.mailing_id,
            )
            for row in rows
            if row.uuid not in known
        ]
        checked = [check(self._draft(record), self._settings) for record in records]
        refused = Refused(session, [_recipient(item) for item in checked if isinstance(item, Checked)])
        for record, item in zip(records, checked, strict=True):
            record.refusal = _refusal(refused, item)
        session.add_all(records)

    def _queue_held(self, seen: Collection[int] = ()) -> int:
        """Claim in Odoo what is held here, then queue it. `seen`: see `Claims.claim`."""
        queued = 0
        while claimed := self._claims.claim(seen):
            for start in range(0, len(claimed), _WRITE):
                some = claimed[start : start + _WRITE]
                self._store.write(lambda session, some=some: self._queue(session, some))  # type: ignore[misc]
                self._bells.ring()
            queued += len(claimed)
        return queued

    def _queue(self, session: Session, claimed: Sequence[int]) -> None:
        query = select(OdooSmsRecord).where(OdooSmsRecord.id.in_(claimed)).order_by(OdooSmsRecord.id)
        records = session.scalars(query).all()
        checked = [check(self._draft(record), self._settings) for record in records]
        outcomes = accept_all(session, self._settings, checked, now=self._clock(), actor=self._actor)
        for record, outcome in zip(records, outcomes, strict=True):
            if isinstance(outcome, Accepted):
                record.message_id = outcome.message_id
                record.number = record.body = None  # the message has them now
            else:
                record.refusal = outcome.code

    def _draft(self, record: OdooSmsRecord) -> Draft:
        odoo = self._client.settings
        is_mailing = record.mailing_id is not None
        return Draft(
            record.number or "",
            record.body or "",
            # It makes a second message of the same row impossible, whatever happens here.
            ref=f"odoo/{record.database}/{record.uuid}",
            batch=batch_of(record.database, record.mailing_id) if record.mailing_id is not None else None,
            message_class=MessageClass.MARKETING if is_mailing else MessageClass(odoo.message_class),
            brand=odoo.brand,
        )


def _recipient(checked: Checked) -> Recipient:
    return checked.msisdn.e164, checked.draft.brand


def _refusal(refused: Refused, checked: Checked | Rejected) -> str | None:
    if isinstance(checked, Rejected):
        return checked.code
    message_class = checked.draft.message_class or MessageClass.TRANSACTIONAL
    return OptedOutError.code if refused.holds(_recipient(checked), message_class) else None
