"""`mailing.trace` of a fake Odoo: whom its mailings wrote to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from odoo_sync.fake.table import Row, Table, odoo_now


@dataclass
class Trace:
    """A row of mailing.trace."""

    id: int
    sms_id_int: int
    sms_number: str
    trace_status: str = "outgoing"
    failure_type: str | bool = False
    failure_reason: str | bool = False
    sent_datetime: str | bool = False
    reply_datetime: str | bool = False
    trace_type: str = "sms"
    model: str | bool = False
    res_id: int | bool = False
    mass_mailing_id: int | bool = False
    create_date: str = field(default_factory=odoo_now)


class FakeTraces(Table):
    """What calls see of the traces."""

    def __init__(self, traces: dict[str, Trace]) -> None:
        """`traces` are those of the database, by uuid."""
        self._traces = traces
        super().__init__("mailing.trace", list(Trace.__dataclass_fields__))

    @property
    def rows(self) -> dict[int, Row]:
        """The traces as they are now."""
        empty: Row = dict.fromkeys(self.fields, False)
        return {trace.id: empty | asdict(trace) for trace in self._traces.values()}

    def set_replied(self, ids: Iterable[int]) -> str:
        """Mark as answered, whatever was there; the answer is a string."""
        self.require("write")
        wanted = list(ids)
        for trace in self._traces.values():
            if trace.id in wanted:
                trace.trace_status, trace.reply_datetime = "reply", self.now()
        return f"mailing.trace({', '.join(map(str, wanted))},)"
