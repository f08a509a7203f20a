"""Marking what a mailing wrote as answered: `mailing.trace` gets the status `reply`.

A report that comes later takes the mark back, as it does with a click (seen on Odoo 18). So a mark waits until what we
sent was reported, and repeated, some minutes ago.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from host_controller.store.models import InboundRecord, MessageRecord, OdooSmsRecord
from host_controller.store.store import Store
from odoo_sync.client import OdooClient
from odoo_sync.outbox import Item, Kind, Outbox
from odoo_sync.traces import LATEST, Trace, traces_of

# Longer than a report and its repetition take.
SETTLED_S = 300.0
_LOOK_AGAIN_S = 60.0
# Clocks of this host and of Odoo's.
_SKEW = timedelta(minutes=2)
_ARRIVED, _MARKED, _MOVING = ("pending", "sent", "open"), "reply", ("outgoing", "process")


@dataclass(frozen=True)
class _Answer:
    item: Item
    number: str
    received_at: datetime


class ReplyMarks:
    """Marks in one database."""

    def __init__(
        self, client: OdooClient, store: Store, outbox: Outbox, clock: Callable[[], datetime], scale: float = 1.0
    ) -> None:
        """`scale` shortens all waits."""
        self._client = client
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._settled = timedelta(seconds=SETTLED_S * scale)

    def run(self) -> int:
        """Mark what is due; give how many messages were marked. Raises OdooSyncError."""
        marked = 0
        while items := self._outbox.take(Kind.REPLY):
            try:
                marked += self._deliver(items)
            except BaseException:
                self._outbox.give_back([item.id for item in items])  # marking once more changes nothing
                raise
        return marked

    def _deliver(self, items: Sequence[Item]) -> int:
        answers, unsettled = self._read(items)
        traces = traces_of(self._client, {answer.number for answer in answers}, self._clock())
        marks: set[int] = set()
        outcomes: dict[int, str] = {}
        later: list[int] = []
        for answer in answers:
            trace = _answered(traces.get(answer.number, ()), answer.received_at)
            if trace is None:
                outcomes[answer.item.id] = "no_trace"
            elif trace.status in _MOVING or (trace.status != _MARKED and answer.number in unsettled):
                later.append(answer.item.id)
            else:
                outcomes[answer.item.id] = "marked"
                marks |= {trace.id} if trace.status != _MARKED else set()
        if marks:
            self._client.call("mailing.trace", "set_replied", [sorted(marks)])
        self._outbox.postpone(later, _LOOK_AGAIN_S)
        self._outbox.finish(outcomes)
        return len(marks)

    def _read(self, items: Sequence[Item]) -> tuple[list[_Answer], set[str]]:
        """Give the answers, and the numbers whose last message from this database was not reported long enough ago."""
        ids = [item.inbound_id for item in items]
        numbers = {item.record for item in items}
        received = select(InboundRecord.id, InboundRecord.received_at).where(InboundRecord.id.in_(ids))
        reported = (
            select(MessageRecord.msisdn, func.max(OdooSmsRecord.reported_at))
            .join(OdooSmsRecord, OdooSmsRecord.message_id == MessageRecord.id)
            .where(OdooSmsRecord.database == self._outbox.database, MessageRecord.msisdn.in_(numbers))
            .group_by(MessageRecord.msisdn)
        )
        with self._store.reading() as session:
            times = {inbound_id: at for inbound_id, at in session.execute(received)}
            last = {number: at for number, at in session.execute(reported)}
        now = self._clock()
        unsettled = {number for number, at in last.items() if at is None or now - at < self._settled}
        return [_Answer(item, item.record, times[item.inbound_id or 0]) for item in items], unsettled


def _answered(traces: Sequence[Trace], received_at: datetime) -> Trace | None:
    """Give the newest of these traces that can have been answered then, or may turn out to have been."""
    for trace in traces:
        if trace.status in _MOVING:
            return trace
        if trace.status in (*_ARRIVED, _MARKED) and trace.sent_at is not None and trace.sent_at - _SKEW <= received_at:
            return trace if received_at <= trace.sent_at + LATEST else None
    return None
