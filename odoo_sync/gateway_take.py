"""Taking over what waits in Odoo's module `sms_gateway`: written down here, announced there, then queued.

The module hands a message out again after 30 minutes, or when it believes to: what is on record here is never queued a
second time, by its uuid. A crash at any point leaves a message that is announced and queued by the next round.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from host_controller.consent.refused import Refused
from host_controller.errors import OptedOutError
from host_controller.events import Bells
from host_controller.messaging.submit import Accepted, Draft, Rejected, accept_all, check
from host_controller.rules.classes import MessageClass
from host_controller.rules.states import MessageState
from host_controller.settings import MessageSettings, OdooSettings
from host_controller.store.bulk import rows_in
from host_controller.store.models import MessageRecord, OdooSmsRecord
from host_controller.store.store import Store
from odoo_sync.claims import TAKEN
from odoo_sync.errors import ModuleStumbledError
from odoo_sync.gateway_client import MOST_PENDING, ModuleSms
from odoo_sync.stand_in import SMS_ID, StandIn

_log = logging.getLogger(__name__)
# What is with us goes even where its campaign is paused in Odoo: no more than this is with us at once.
MOST_HELD = 1000
_MOVING = (MessageState.QUEUED, MessageState.SUBMITTING)
_MAY_HAVE_LEFT = (MessageState.SENT, MessageState.UNKNOWN)


class GatewayTake:
    """Moves messages of module phones into our queue."""

    def __init__(
        self,
        store: Store,
        odoo: OdooSettings,
        messages: MessageSettings,
        clock: Callable[[], datetime],
        bells: Bells,
    ) -> None:
        self._store = store
        self._odoo = odoo
        self._messages = messages
        self._clock = clock
        self._bells = bells
        self._class = MessageClass(odoo.message_class)

    def run(self, phone: StandIn, until_s: float) -> tuple[int, bool]:
        """Take one batch over; give how many were queued, and whether more may wait. Raises OdooSyncError.

        What is not announced by `until_s` (monotonic) is announced by a later round.
        """
        room = MOST_HELD - self._count_held(phone)
        rows: list[ModuleSms] = phone.client.pending(min(room, MOST_PENDING)) if room > 0 else []
        again = self._store.write(lambda session: self._hold(session, phone, rows))
        queued = self._queue_held(phone, until_s)
        for sms_id in again:
            # It waits here still, so that the next half hour has to begin anew.
            self._announce(phone, sms_id)
        return queued, len(rows) == MOST_PENDING

    def _count_held(self, phone: StandIn) -> int:
        is_unqueued = and_(OdooSmsRecord.message_id.is_(None), OdooSmsRecord.refusal.is_(None))
        query = (
            select(func.count())
            .select_from(OdooSmsRecord)
            .outerjoin(MessageRecord, OdooSmsRecord.message_id == MessageRecord.id)
            .where(OdooSmsRecord.module_phone_id == phone.record_id, OdooSmsRecord.reported.is_(None))
            .where(or_(is_unqueued, MessageRecord.state.in_(_MOVING)))
        )
        with self._store.reading() as session:
            return session.scalar(query) or 0

    def _hold(self, session: Session, phone: StandIn, rows: Sequence[ModuleSms]) -> list[int]:
        """Write down what is new here, with what is wrong with it; give the ids of what was taken before and waits.

        What has ended here is reported once more. Where the module has heard already that it certainly did not leave,
        a person has queued it again there: it is sent again.
        """
        query = select(OdooSmsRecord, MessageRecord.state).outerjoin(
            MessageRecord, OdooSmsRecord.message_id == MessageRecord.id
        )
        query = query.where(OdooSmsRecord.database == phone.connection)
        known = {
            record.uuid: (record, state)
            for record, state in rows_in(session, query, OdooSmsRecord.uuid, [row.uuid for row in rows])
        }
        again = []
        for row in rows:
            record, state = known.get(row.uuid, (None, None))
            if record is None:
                session.add(self._record(session, phone, row))
                continue
            # It may have been given to another phone of the module meanwhile.
            record.module_phone_id, record.sms_id = phone.record_id, row.id
            # Whatever the module has heard of it, it waits for the end once more.
            has_heard, record.reported = record.reported is not None, None
            if state in _MOVING:
                again.append(row.id)
            elif has_heard and state not in _MAY_HAVE_LEFT:
                record.retries += 1
                record.message_id = None
                record.number, record.body = row.number, row.body
                record.refusal = self._refusal(session, row)
        return again

    def _record(self, session: Session, phone: StandIn, row: ModuleSms) -> OdooSmsRecord:
        return OdooSmsRecord(
            database=phone.connection,
            sms_id=row.id,
            uuid=row.uuid,
            number=row.number,
            body=row.body,
            refusal=self._refusal(session, row),
            module_phone_id=phone.record_id,
            sim_number=row.sim_number[:32] or None,
        )

    def _refusal(self, session: Session, row: ModuleSms) -> str | None:
        checked = check(Draft(row.number, row.body), self._messages)
        if isinstance(checked, Rejected):
            return checked.code
        recipient = (checked.msisdn.e164, self._odoo.brand)
        return OptedOutError.code if Refused(session, [recipient]).holds(recipient, self._class) else None

    def _queue_held(self, phone: StandIn, until_s: float) -> int:
        """Announce what is held here and was not queued, then queue it."""
        query = (
            select(OdooSmsRecord.id, SMS_ID)
            .where(
                OdooSmsRecord.module_phone_id == phone.record_id,
                OdooSmsRecord.reported.is_(None),
                OdooSmsRecord.message_id.is_(None),
                OdooSmsRecord.refusal.is_(None),
            )
            .order_by(OdooSmsRecord.sms_id)
            .limit(MOST_PENDING)
        )
        with self._store.reading() as session:
            held = session.execute(query).all()
        if not held:
            return 0
        answers: dict[int, bool | None] = {}
        for record_id, sms_id in held:
            answers[record_id] = self._announce(phone, sms_id)
            if time.monotonic() > until_s:
                break
        ours = [record_id for record_id, is_ours in answers.items() if is_ours]
        lost = [record_id for record_id, is_ours in answers.items() if is_ours is False]
        self._store.write(lambda session: self._queue(session, phone, ours, lost))
        self._bells.ring()
        if lost:
            _log.warning("%s SMS were deleted or given to another phone in Odoo before they could be queued", len(lost))
        return len(ours)

    def _announce(self, phone: StandIn, sms_id: int) -> bool | None:
        """Tell of one message; None where the module stumbled over it, so that it is told in the next round."""
        try:
            return phone.client.announce(sms_id)
        except ModuleStumbledError:
            return None

    def _queue(self, session: Session, phone: StandIn, ours: Sequence[int], lost: Sequence[int]) -> None:
        for record in session.scalars(select(OdooSmsRecord).where(OdooSmsRecord.id.in_(lost))):
            record.refusal = record.reported = TAKEN
        query = select(OdooSmsRecord).where(OdooSmsRecord.id.in_(ours)).order_by(OdooSmsRecord.sms_id)
        records = session.scalars(query).all()
        drafts = [self._draft(record, phone) for record in records]
        checked = [check(draft, self._messages) for draft in drafts]
        outcomes = accept_all(session, self._messages, checked, now=self._clock(), actor=phone.actor)
        for record, outcome in zip(records, outcomes, strict=True):
            if isinstance(outcome, Accepted):
                record.message_id = outcome.message_id
                record.number = record.body = None  # the message has them now
            else:
                record.refusal = outcome.code

    def _draft(self, record: OdooSmsRecord, phone: StandIn) -> Draft:
        retry = f"/{record.retries}" if record.retries else ""
        sim_id, phone_id = phone.route.target(record.sim_number, self._messages.home_region)
        return Draft(
            record.number or "",
            record.body or "",
            # Makes a second message of the same row impossible, whatever happens here.
            f"odoo/{record.database}/{record.uuid}{retry}",
            only_sim_id=sim_id,
            only_phone_id=phone_id,
            message_class=self._class,
            brand=self._odoo.brand,
        )
