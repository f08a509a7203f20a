"""Comparing our final states with what Odoo shows, repairing forward what may be, and listing the rest with reasons."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from host_controller.rules.states import MessageState
from host_controller.store.models import MessageRecord, OdooSmsRecord
from host_controller.store.store import Store
from odoo_sync.changes import odoo_time
from odoo_sync.claims import DOUBTED, TAKEN
from odoo_sync.client import OdooClient
from odoo_sync.mapping import CLAIM_STATE, UNHEARD, Report, report_of, report_of_refusal
from odoo_sync.verdicts import CLAIM_IN_DOUBT, CLAIMED_ELSEWHERE, MOVING, Verdict, judge

_log = logging.getLogger(__name__)
_BATCH = 500
# Odoo may still be committing what it has answered, and our own repeat of a report may be under way.
_SETTLES = timedelta(minutes=2)
_FORGOTTEN = timedelta(hours=1)


@dataclass(frozen=True)
class Disagreement:
    """A message of which Odoo says something else, and why it is left so."""

    uuid: str
    reason: str
    message_id: int | None
    state: str | None
    """Ours."""
    odoo_state: str | None
    trace_status: str | None


@dataclass
class Reconciled:
    """What one comparison came to, in messages."""

    checked: int = 0
    agreed: int = 0
    repaired: int = 0
    sees_traces: bool = False
    """Whether the user may read `mailing.trace`."""
    listed: list[Disagreement] = field(default_factory=list)


@dataclass(frozen=True)
class _Ours:
    id: int
    sms_id: int | None
    """None: of mode push, which does not know it."""
    uuid: str
    refusal: str | None
    message_id: int | None
    state: str | None
    failure_code: str | None

    @property
    def report(self) -> Report | None:
        if self.refusal is not None:
            return None if self.refusal in (TAKEN, DOUBTED) else report_of_refusal(self.refusal)
        return report_of(MessageState(self.state), self.failure_code) if self.state else None


@dataclass(frozen=True)
class _Theirs:
    sms_id: int | None
    state: str | None
    trace: str | None


class Reconcile:
    """Compares one Odoo database with us."""

    def __init__(self, client: OdooClient, store: Store, clock: Callable[[], datetime]) -> None:
        self._client, self._store, self._clock = client, store, clock

    def run(self, *, everything: bool = False) -> Reconciled:
        """Compare what has settled and not yet been seen to agree, or everything at once.

        Raises OdooSyncError; what is done by then stays done, and doing it again changes nothing.
        """
        result = Reconciled(sees_traces=self._may_read_traces())
        for page in self._pages(everything):
            self._compare(page, result)
        result.listed.extend(self._forgotten())
        if result.repaired or result.listed:
            _log.warning(
                "Odoo %s: %s of %s messages repaired there, %s left as they are; `smsrack odoo reconcile` lists them",
                self._client.name,
                result.repaired,
                result.checked,
                len(result.listed),
            )
        return result

    def _may_read_traces(self) -> bool:
        return self._client.has_mailings() and bool(
            self._client.call("mailing.trace", "check_access_rights", ["read", False], {})
        )

    def _pages(self, everything: bool) -> Iterator[list[_Ours]]:
        row, last_id = OdooSmsRecord, 0
        settled = self._clock() - _SETTLES
        while True:
            query = (
                select(
                    row.id,
                    row.sms_id,
                    row.uuid,
                    row.refusal,
                    row.message_id,
                    MessageRecord.state,
                    MessageRecord.failure_code,
                )
                .outerjoin(MessageRecord, row.message_id == MessageRecord.id)
                .where(row.database == self._client.name, row.id > last_id, row.reported != UNHEARD)
                .order_by(row.id)
                .limit(_BATCH)
            )
            if not everything:
                query = query.where(
                    or_(row.reported_at.is_(None), row.reported_at <= settled),
                    or_(row.agreed_at.is_(None), row.agreed_at < row.reported_at),
                )
            with self._store.reading() as session:
                page = [_Ours(*found) for found in session.execute(query)]
            if not page:
                return
            yield page
            last_id = page[-1].id

    def _compare(self, page: Sequence[_Ours], result: Reconciled) -> None:
        theirs = self._read(page, sees_traces=result.sees_traces)
        verdicts = {ours: _verdict(ours, theirs[ours.uuid]) for ours in page}
        repairs = [ours for ours, verdict in verdicts.items() if verdict.post or verdict.write]
        self._repair(repairs, verdicts, theirs)
        result.checked += len(page)
        result.agreed += sum(verdict.agrees for verdict in verdicts.values())
        result.repaired += len(repairs)
        for ours, verdict in verdicts.items():
            if verdict.reason is not None:
                found = theirs[ours.uuid]
                result.listed.append(
                    Disagreement(ours.uuid, verdict.reason, ours.message_id, ours.state, found.state, found.trace)
                )
        self._store.write(lambda session: self._note(session, verdicts))

    def _read(self, page: Sequence[_Ours], *, sees_traces: bool) -> dict[str, _Theirs]:
        domain = [["uuid", "in", [ours.uuid for ours in page]]]
        rows = self._client.call("sms.sms", "search_read", [domain, ["id", "uuid", "state"]], {})
        found = {row["uuid"]: row for row in rows}
        # The rows of `sms.sms` are swept up every night; traces keep their ids.
        ids = {ours.uuid: found[ours.uuid]["id"] if ours.uuid in found else ours.sms_id for ours in page}
        traces: dict[int, str] = {}
        if sees_traces:
            wanted = [["sms_id_int", "in", [sms_id for sms_id in ids.values() if sms_id is not None]]]
            for trace in self._client.call(
                "mailing.trace", "search_read", [wanted, ["sms_id_int", "trace_status"]], {}
            ):
                traces[trace["sms_id_int"]] = trace["trace_status"]
        return {
            uuid: _Theirs(sms_id, found[uuid]["state"] if uuid in found else None, traces.get(sms_id or 0))
            for uuid, sms_id in ids.items()
        }

    def _repair(self, repairs: Sequence[_Ours], verdicts: dict[_Ours, Verdict], theirs: dict[str, _Theirs]) -> None:
        posts: dict[Report, list[str]] = defaultdict(list)
        writes: dict[Report, list[int]] = defaultdict(list)
        for ours in repairs:
            if (report := ours.report) is not None:
                if verdicts[ours].post:
                    posts[report].append(ours.uuid)
                if verdicts[ours].write and ours.sms_id is not None:
                    writes[report].append(ours.sms_id)
        if posts:
            # Failures first: only a success makes Odoo see that a mailing is done.
            ordered = sorted(posts.items(), key=lambda item: item[0].is_success)
            self._client.report([(report.word, uuids) for report, uuids in ordered])
        for report, ids in writes.items():
            self._client.write_state(ids, report.state, report.failure_type)

    def _note(self, session: Session, verdicts: dict[_Ours, Verdict]) -> None:
        by_outcome: dict[tuple[datetime | None, str | None], list[int]] = defaultdict(list)
        now = self._clock()
        for ours, verdict in verdicts.items():
            by_outcome[now if verdict.agrees else None, verdict.reason].append(ours.id)
        for (agreed_at, reason), ids in by_outcome.items():
            session.execute(
                update(OdooSmsRecord).where(OdooSmsRecord.id.in_(ids)).values(agreed_at=agreed_at, discrepancy=reason)
            )

    def _forgotten(self) -> Iterator[Disagreement]:
        """Give what is claimed in Odoo, and unknown here."""
        before, last_id = odoo_time(self._clock() - _FORGOTTEN), 0
        while True:
            domain = [["state", "=", CLAIM_STATE], ["write_date", "<", before], ["id", ">", last_id]]
            options = {"limit": _BATCH, "order": "id asc"}
            rows = self._client.call("sms.sms", "search_read", [domain, ["id", "uuid"]], options)
            if not rows:
                return
            known = self._known([row["uuid"] for row in rows])
            for row in rows:
                if row["uuid"] not in known:
                    yield Disagreement(row["uuid"], CLAIMED_ELSEWHERE, None, None, CLAIM_STATE, None)
            last_id = rows[-1]["id"]

    def _known(self, uuids: Sequence[str]) -> set[str]:
        row = OdooSmsRecord
        query = select(row.uuid).where(row.database == self._client.name, row.uuid.in_(uuids))
        with self._store.reading() as session:
            return set(session.scalars(query))


def _verdict(ours: _Ours, theirs: _Theirs) -> Verdict:
    if ours.report is not None:
        # A report does not move `sms.sms.state`, and mode push writes none there: only the trace tells.
        return judge(ours.report, None if ours.sms_id is None else theirs.state, theirs.trace)
    if theirs.state not in MOVING or theirs.trace not in (None, *MOVING):
        return Verdict()
    return Verdict(reason=CLAIM_IN_DOUBT if ours.refusal == DOUBTED else CLAIMED_ELSEWHERE)
