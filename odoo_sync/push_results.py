"""Telling Odoo how messages ended. What is due is read from the messages' own states: nothing can be forgotten.

A report that may have been lost is repeated: `/sms/status` and the write change nothing the second time. Failures go
first in a post, since only a success makes Odoo see that a mailing is done. No failure is reported after a success.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from host_controller.rules.states import MessageState
from host_controller.store.models import MessageRecord, OdooSmsRecord
from host_controller.store.store import Store
from odoo_sync.client import OdooClient
from odoo_sync.mapping import SENT, Report, report_of, report_of_refusal

_BATCH = 500
_MOVING = (MessageState.QUEUED, MessageState.SUBMITTING)


@dataclass(frozen=True)
class _Due:
    record_id: int
    sms_id: int
    uuid: str
    report: Report


class PushResults:
    """Reports the ends of one Odoo database's messages."""

    def __init__(self, client: OdooClient, store: Store, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._store = store
        self._clock = clock

    def run(self) -> int:
        """Report everything that is due; give how many. Raises OdooSyncError; what is left is due again."""
        reported = 0
        while due := self._read_due():
            self._post(due)
            self._store.write(lambda session, due=due: self._note(session, due))  # type: ignore[misc]
            reported += len(due)
        return reported

    def _read_due(self) -> list[_Due]:
        never = and_(
            OdooSmsRecord.reported.is_(None),
            or_(OdooSmsRecord.refusal.is_not(None), MessageRecord.state.not_in(_MOVING)),
        )
        # A late proof: the error that Odoo heard of before is healed by the success.
        healed = and_(OdooSmsRecord.reported != SENT.word, MessageRecord.state == MessageState.SENT)
        query = (
            select(
                OdooSmsRecord.id,
                OdooSmsRecord.sms_id,
                OdooSmsRecord.uuid,
                OdooSmsRecord.refusal,
                MessageRecord.state,
                MessageRecord.failure_code,
            )
            .outerjoin(MessageRecord, OdooSmsRecord.message_id == MessageRecord.id)
            .where(OdooSmsRecord.database == self._client.name, or_(never, healed))
            .order_by(OdooSmsRecord.id)
            .limit(_BATCH)
        )
        due = []
        with self._store.reading() as session:
            for record_id, sms_id, uuid, refusal, state, failure_code in session.execute(query):
                report = report_of_refusal(refusal) if refusal else report_of(MessageState(state), failure_code)
                if report is not None:
                    due.append(_Due(record_id, sms_id, uuid, report))
        return due

    def _post(self, due: Sequence[_Due]) -> None:
        groups: dict[Report, list[_Due]] = defaultdict(list)
        for item in due:
            groups[item.report].append(item)
        ordered = sorted(groups.items(), key=lambda group: group[0].is_success)
        self._client.report([(report.word, [item.uuid for item in items]) for report, items in ordered])
        for report, items in ordered:
            self._client.write_state([item.sms_id for item in items], report.state, report.failure_type)

    def _note(self, session: Session, due: Sequence[_Due]) -> None:
        now = self._clock()
        for item in due:
            session.execute(
                update(OdooSmsRecord)
                .where(OdooSmsRecord.id == item.record_id)
                .values(reported=item.report.word, reported_at=now)
            )
