"""Telling Odoo in modes push and pull how messages ended. It is read from the messages' own states: none is forgotten.

No failure is reported after a success: `sent` never changes here, and what Odoo may have heard already is read there
first, where we may log in; else it is repeated, which changes nothing. In mode `push` Odoo writes our answer down some
seconds after it got it, and a report before that is lost: the first one waits, and is repeated once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from host_controller.rules.states import MessageState
from host_controller.rules.timings import Timings
from host_controller.settings import OdooMode
from host_controller.store.models import MessageRecord, OdooSmsRecord
from host_controller.store.store import Store
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooLoginError, OdooRejectedError
from odoo_sync.mapping import HEALED_BY_SENT, UNHEARD, Report, has_heard, is_uuid, report_of, report_of_refusal
from odoo_sync.status_post import StatusPost, Told

# In one call. In mode `pull` a result is two of them, and so twice as many go into each.
_BATCH, _BATCH_OF_PULL = 500, 1000
# So many are looked up at once: all failures among them go before all successes.
_LOOK = 5000
_Query = Any  # a select of these columns
_MOVING = (MessageState.QUEUED, MessageState.SUBMITTING)


@dataclass(frozen=True)
class _Due:
    record_id: int
    sms_id: int | None
    uuid: str
    report: Report
    answered_at: datetime | None
    repeat_at: datetime | None
    """Of a repetition: when it was to be made."""
    is_in_doubt: bool
    """Odoo may have heard it already, and we may log in to see."""


class Results:
    """Reports the ends of one Odoo database's messages."""

    def __init__(
        self, client: OdooClient, store: Store, clock: Callable[[], datetime], timings: Timings | None = None
    ) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._timings = timings or Timings()
        self._status = StatusPost(client)
        self._batch = _BATCH_OF_PULL if client.settings.mode is OdooMode.PULL else _BATCH

    def run(self) -> int:
        """Report everything that is due; give how many. Raises OdooSyncError; what is left is due again."""
        reported = 0
        for look in (self._first, self._healed, self._repeats):
            while due := self._read(look(), is_repetition=look == self._repeats):
                # What Odoo has certainly not heard goes first: it may be all that goes without a login.
                for group in ([i for i in due if not i.is_in_doubt], [i for i in due if i.is_in_doubt]):
                    for start in range(0, len(group), self._batch):
                        self._report(group[start : start + self._batch])
                reported += len(due)
        return reported

    def _first(self) -> _Query:
        """What Odoo has heard nothing of."""
        record, may = OdooSmsRecord, self._clock() - timedelta(seconds=self._timings.odoo_first_report_s)
        has_ended = or_(record.refusal.is_not(None), MessageRecord.state.not_in(_MOVING))
        has_answer = or_(record.answered_at.is_(None), record.answered_at <= may)
        return _query().where(record.reported.is_(None), has_ended, has_answer)

    def _healed(self) -> _Query:
        """What is proven late: the error that Odoo heard of before is made good."""
        return _query().where(OdooSmsRecord.reported.in_(HEALED_BY_SENT), MessageRecord.state == MessageState.SENT)

    def _repeats(self) -> _Query:
        return _query().where(OdooSmsRecord.repeat_at.is_not(None), OdooSmsRecord.repeat_at <= self._clock())

    def _read(self, query: _Query, *, is_repetition: bool) -> list[_Due]:
        """Give what is due, failures first."""
        is_sent = and_(MessageRecord.state.is_not(None), MessageRecord.state == MessageState.SENT)
        query = query.where(OdooSmsRecord.database == self._client.name).order_by(is_sent, OdooSmsRecord.id)
        due = []
        with self._store.reading() as session:
            for row in session.execute(query.limit(_LOOK)):
                report = _report(row.refusal, row.state, row.failure_code)
                if report is not None:
                    repeat_at = row.repeat_at if is_repetition else None
                    is_in_doubt = self._client.has_login and (is_repetition or row.posted_at is not None)
                    due.append(_Due(row.id, row.sms_id, row.uuid, report, row.answered_at, repeat_at, is_in_doubt))
        return due

    def _report(self, due: Sequence[_Due]) -> None:
        is_late = timedelta(seconds=self._timings.odoo_commit_limit_s)
        now = self._clock()
        # A repetition is for what Odoo may have missed just now; much later it could undo what happened since.
        fresh = [item for item in due if item.repeat_at is None or now - item.repeat_at <= is_late]
        heard = self._heard([item for item in fresh if item.is_in_doubt])
        malformed = {item.uuid for item in fresh if not is_uuid(item.uuid)}
        to_post = [item for item in fresh if item.uuid not in heard and item.uuid not in malformed]
        rejected: set[str] = set()
        if to_post:
            self._store.write(lambda session: _begin(session, [item.record_id for item in to_post], now))
            told = [Told(item.uuid, item.report) for item in to_post]
            rejected = self._status.post(told, closes=not any(item.repeat_at for item in to_post))
        self._write_states(due)
        self._store.write(lambda session: self._note(session, due, malformed | rejected))

    def _heard(self, doubtful: Sequence[_Due]) -> set[str]:
        """Read in Odoo which of these it knows of."""
        if not doubtful:
            return set()
        try:
            traced = self._client.traced([item.uuid for item in doubtful if is_uuid(item.uuid)])
        except OdooLoginError:
            raise
        except OdooRejectedError:  # it lacks that right: to repeat is nearly as good
            return set()
        statuses = {uuid: sms.trace_status or "" for uuid, sms in traced.items()}
        return {item.uuid for item in doubtful if has_heard(item.report, statuses.get(item.uuid, ""))}

    def _write_states(self, due: Sequence[_Due]) -> None:
        """Write `sms.sms.state`, which reports do not move, where the id is known."""
        states: dict[tuple[str, str | None], list[int]] = {}
        for item in due:
            if item.sms_id is not None:
                states.setdefault((item.report.state, item.report.failure_type), []).append(item.sms_id)
        for (state, failure_type), ids in states.items():
            self._client.write_state(ids, state, failure_type)

    def _note(self, session: Session, due: Sequence[_Due], unheard: Collection[str]) -> None:
        now = self._clock()
        limit = timedelta(seconds=self._timings.odoo_commit_limit_s)
        repeat_at = now + timedelta(seconds=self._timings.odoo_repeat_s)
        groups: dict[tuple[str, datetime | None], list[int]] = {}
        for item in due:
            word = UNHEARD if item.uuid in unheard else item.report.word
            may_be_lost = item.repeat_at is None and item.answered_at is not None and now - item.answered_at <= limit
            again_at = repeat_at if may_be_lost and word != UNHEARD else None
            groups.setdefault((word, again_at), []).append(item.record_id)
        for (word, again_at), ids in groups.items():
            session.execute(
                update(OdooSmsRecord)
                .where(OdooSmsRecord.id.in_(ids))
                .values(reported=word, reported_at=now, posted_at=None, repeat_at=again_at)
                .execution_options(synchronize_session=False)
            )


def _query() -> _Query:
    record = OdooSmsRecord
    columns = (record.id, record.sms_id, record.uuid, record.refusal, record.answered_at, record.posted_at)
    query: _Query = select(*columns, record.repeat_at, MessageRecord.state, MessageRecord.failure_code)
    return query.outerjoin(MessageRecord, record.message_id == MessageRecord.id)


def _report(refusal: str | None, state: str | None, failure_code: str | None) -> Report | None:
    if refusal is not None:
        return report_of_refusal(refusal)
    return None if state is None else report_of(MessageState(state), failure_code)


def _begin(session: Session, record_ids: Sequence[int], now: datetime) -> None:
    """Note that Odoo may hear of these from now on."""
    session.execute(
        update(OdooSmsRecord)
        .where(OdooSmsRecord.id.in_(record_ids))
        .values(posted_at=now)
        .execution_options(synchronize_session=False)
    )
