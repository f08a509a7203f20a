"""Telling Odoo's module `sms_gateway` what was received, each message once: it goes to the partner's chatter there.

Only what may leave this host. A row is written before the first call; after a lost answer the module's list is read
before it is told again. What the module cannot take is stepped over, and tried again ever more seldom.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session

from host_controller.store.models import InboundRecord, ModuleInboundRecord, ModulePhoneRecord, SimRecord
from host_controller.store.store import Store
from odoo_sync.disguise import JOINER, as_copy, disarm, has_stop, plain
from odoo_sync.errors import ModuleStumbledError
from odoo_sync.refusals import DECIDED_STOP, IS_STOP
from odoo_sync.stand_in import StandIn

_log = logging.getLogger(__name__)
RECORDED, SKIPPED = "recorded", "skipped"
_BATCH = 200
_FIRST_PAUSE = timedelta(minutes=1)
_MOST_TRIES = 10
_UNNAMED = "unknown"


@dataclass(frozen=True)
class _Due:
    record_id: int
    sender: str = field(repr=False)
    text: str = field(repr=False)
    """As it is told: with invisible characters where the module would get it wrong."""
    disarmed: str = field(repr=False)
    """The same without anything that the module takes for a STOP."""
    to_number: str = field(repr=False)
    is_stop: bool
    tries: int


class GatewayInbound:
    """Tells module phones of received messages."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def run(self, phone: StandIn, heard: ColumnElement[bool], until_s: float) -> int:
        """Tell what is due of the messages that fulfil `heard`, until `until_s` (monotonic); give how many were told.

        Raises OdooSyncError.
        """
        self._store.write(lambda session: self._enlist(session, phone, heard))
        told = 0
        for due in self._read_due(phone, ModuleInboundRecord.told.is_(None)):
            told += self._tell(phone, due)
            if time.monotonic() > until_s:
                break
        unlisted = and_(ModuleInboundRecord.told == RECORDED, ModuleInboundRecord.blacklisted.is_(False), IS_STOP)
        for due in self._read_due(phone, unlisted):
            self._blacklist(phone, due)
            if time.monotonic() > until_s:
                break
        return told

    def _enlist(self, session: Session, phone: StandIn, heard: ColumnElement[bool]) -> None:
        """Write down what is new, and what a person has called a STOP since."""
        record = session.get_one(ModulePhoneRecord, phone.record_id)
        newest = session.scalar(
            select(func.max(ModuleInboundRecord.inbound_id)).where(ModuleInboundRecord.module_phone_id == record.id)
        )
        is_known = exists().where(
            ModuleInboundRecord.inbound_id == InboundRecord.id,
            ModuleInboundRecord.module_phone_id.in_(_phones_of(phone.connection)),
        )
        query = (
            select(InboundRecord)
            .where(InboundRecord.may_forward, heard, InboundRecord.id >= record.first_inbound_id, ~is_known)
            .where(or_(InboundRecord.id > (newest or 0), DECIDED_STOP))
            .order_by(InboundRecord.id)
            .limit(_BATCH)
        )
        for inbound in session.scalars(query).all():
            copies = _count_like(session, phone.connection, inbound)
            session.add(
                ModuleInboundRecord(
                    module_phone_id=record.id, inbound_id=inbound.id, copies=copies, next_at=self._clock()
                )
            )
            session.flush()

    def _read_due(self, phone: StandIn, condition: ColumnElement[bool]) -> Sequence[_Due]:
        query = (
            select(ModuleInboundRecord, InboundRecord, SimRecord.msisdn, IS_STOP)
            .join(InboundRecord, ModuleInboundRecord.inbound_id == InboundRecord.id)
            .outerjoin(SimRecord, InboundRecord.sim_id == SimRecord.id)
            .where(ModuleInboundRecord.module_phone_id == phone.record_id, condition)
            .where(ModuleInboundRecord.next_at <= self._clock(), ModuleInboundRecord.tries < _MOST_TRIES)
            .order_by(ModuleInboundRecord.id)
            .limit(_BATCH)
        )
        with self._store.reading() as session:
            return [_due(*row) for row in session.execute(query)]

    def _tell(self, phone: StandIn, due: _Due) -> bool:
        """Tell of one message; False where the module could not take it now."""
        if due.tries and phone.client.find_inbound(due.sender, {due.text, due.disarmed}):
            self._note(due, told=RECORDED, tries=0)
            return True
        if not due.tries:
            self._note(due, tries=1)  # from now on the module may have it
        texts = dict.fromkeys((due.text, due.disarmed))
        for text in texts:
            try:
                is_blacklisted = phone.client.tell_inbound(due.sender, text, due.to_number)
            except ModuleStumbledError:
                continue
            self._note(due, told=RECORDED, tries=0, blacklisted=is_blacklisted and due.is_stop)
            return True
        self._postpone(due)
        return False

    def _blacklist(self, phone: StandIn, due: _Due) -> None:
        """Have the sender of a STOP that the module does not see as one put on the blacklist."""
        try:
            found = phone.client.find_inbound(due.sender, {due.text, due.disarmed})
            is_done = found is not None and (found.is_blacklisted or phone.client.blacklist([found.id]) > 0)
        except ModuleStumbledError:
            is_done = False
        if is_done:
            self._note(due, blacklisted=True)
        else:
            self._postpone(due)

    def _postpone(self, due: _Due) -> None:
        tries = due.tries + 1
        if tries < _MOST_TRIES:
            self._note(due, tries=tries, next_at=self._clock() + _FIRST_PAUSE * 2**due.tries)
            return
        _log.warning("the module cannot take a received message, or its STOP; it is told no more")
        self._note(due, tries=tries, told=func.coalesce(ModuleInboundRecord.told, SKIPPED))

    def _note(self, due: _Due, **values: object) -> None:
        change = update(ModuleInboundRecord).where(ModuleInboundRecord.id == due.record_id).values(**values)
        self._store.write(lambda session: session.execute(change))


def _due(record: ModuleInboundRecord, inbound: InboundRecord, sim_number: str | None, is_stop: bool) -> _Due:
    text = plain(inbound.text)
    disarmed = as_copy(disarm(text), record.copies)
    return _Due(
        record.id,
        inbound.msisdn or inbound.sender or _UNNAMED,
        as_copy(text, record.copies) if is_stop and has_stop(text) else disarmed,
        disarmed,
        sim_number or "",
        bool(is_stop),
        record.tries,
    )


def _phones_of(connection: str) -> ColumnElement[int]:
    return select(ModulePhoneRecord.id).where(ModulePhoneRecord.database == connection).scalar_subquery()


def _count_like(session: Session, connection: str, inbound: InboundRecord) -> int:
    """Give how many messages with this sender and text the module is told of already: it would drop another one."""
    query = (
        select(func.count())
        .select_from(ModuleInboundRecord)
        .join(InboundRecord, ModuleInboundRecord.inbound_id == InboundRecord.id)
        .where(ModuleInboundRecord.module_phone_id.in_(_phones_of(connection)))
        .where(InboundRecord.peer == inbound.peer, func.rtrim(InboundRecord.text, JOINER) == plain(inbound.text))
    )
    return session.scalar(query) or 0
