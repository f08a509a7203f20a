"""What SIMs have used, from the attempts on record: their ledgers, and sums for those whose lane does not know it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, case, func, literal, select
from sqlalchemy.orm import Session

from host_controller.rules.classes import MessageClass
from host_controller.rules.ledger import ONE_HOUR, SimLedger, Spent, Use, kept_singly, ledger_start
from host_controller.rules.limits import SimLimits
from host_controller.rules.periods import ONE_DAY, day_start, local_date, month_start
from host_controller.rules.states import AttemptState
from host_controller.rules.windows import NOTHING, Totals, plus
from host_controller.store.models import AttemptRecord, MessageRecord

# What was used exactly an hour ago is free again.
_AFTER = timedelta(microseconds=1)


def load_ledger(session: Session, sim_id: int, limits: SimLimits, now: datetime) -> SimLedger:
    """Give a SIM's ledger as it stands at `now`: a row for each late use, and sums for the days before."""
    since, each_since = ledger_start(limits, now), now - kept_singly(limits)
    uses = _uses(session, sim_id, each_since)
    earlier = _day_sums(session, sim_id, limits, since, each_since) if since < each_since else []
    return SimLedger(limits, uses, earlier, since=since, each_since=each_since, seed=sim_id)


def _uses(session: Session, sim_id: int, since: datetime) -> list[Use]:
    rows = session.execute(
        select(AttemptRecord.intent_at, AttemptRecord.part_count, MessageRecord.message_class, MessageRecord.msisdn)
        .join(MessageRecord, MessageRecord.id == AttemptRecord.message_id)
        .where(*_counts([sim_id], since))
    )
    return [Use(at, parts, MessageClass(message_class), msisdn) for at, parts, message_class, msisdn in rows]


def _day_sums(session: Session, sim_id: int, limits: SimLimits, since: datetime, until: datetime) -> list[Use]:
    """One use for all of a local day and a class, and of a recipient where these are counted."""
    starts = []
    day = local_date(since, limits.zone)
    while (start := day_start(day, limits.zone)) < until:
        starts.append(start)
        day += ONE_DAY
    number = case(*((AttemptRecord.intent_at < start, index) for index, start in enumerate(starts)), else_=len(starts))
    recipient = MessageRecord.msisdn if limits.recipients_per_month is not None else literal("")
    rows = (
        select(
            number.label("day"),
            MessageRecord.message_class.label("message_class"),
            recipient.label("recipient"),
            AttemptRecord.part_count.label("parts"),
        )
        .join(MessageRecord, MessageRecord.id == AttemptRecord.message_id)
        .where(*_counts([sim_id], since), AttemptRecord.intent_at < until)
        .subquery()
    )
    sums = select(rows.c.day, rows.c.message_class, rows.c.recipient, func.sum(rows.c.parts)).group_by(
        rows.c.day, rows.c.message_class, rows.c.recipient
    )
    return [
        Use(starts[index - 1], parts, MessageClass(message_class), recipient)
        for index, message_class, recipient, parts in session.execute(sums)
    ]


def spent_on_record(session: Session, limits: Mapping[int, SimLimits], now: datetime) -> dict[int, Spent]:
    """Give what SIMs have used, by SIM id; of hours and months only what is limited is looked for."""
    hour = _by_start(limits, lambda sim: sim.parts_per_hour is not None, lambda _: now - ONE_HOUR + _AFTER)
    day = _by_start(limits, lambda _: True, lambda sim: day_start(local_date(now, sim.zone), sim.zone))
    month = _by_start(limits, lambda sim: sim.parts_per_month is not None, lambda sim: _month_start(sim, now))
    numbers = _by_start(limits, lambda sim: sim.recipients_per_month is not None, lambda sim: _month_start(sim, now))
    in_hour, in_day, in_month = (_parts(session, groups) for groups in (hour, day, month))
    distinct = _recipients(session, numbers)
    return {
        sim_id: Spent(
            in_hour.get(sim_id, NOTHING),
            in_day.get(sim_id, NOTHING),
            in_month.get(sim_id, NOTHING),
            distinct.get(sim_id, 0),
        )
        for sim_id in limits
    }


_Groups = dict[datetime, list[int]]


def _by_start(
    limits: Mapping[int, SimLimits], has: Callable[[SimLimits], bool], start: Callable[[SimLimits], datetime]
) -> _Groups:
    """SIMs by the start of a period: most racks have one of each."""
    groups: _Groups = defaultdict(list)
    for sim_id, each in limits.items():
        if has(each):
            groups[start(each)].append(sim_id)
    return groups


def _month_start(limits: SimLimits, now: datetime) -> datetime:
    return day_start(month_start(local_date(now, limits.zone), limits.month_reset_day), limits.zone)


def _parts(session: Session, groups: _Groups) -> dict[int, Totals]:
    totals: dict[int, Totals] = {}
    for since, sim_ids in groups.items():
        query = (
            select(AttemptRecord.sim_id, MessageRecord.message_class, func.sum(AttemptRecord.part_count))
            .join(MessageRecord, MessageRecord.id == AttemptRecord.message_id)
            .where(*_counts(sim_ids, since))
            .group_by(AttemptRecord.sim_id, MessageRecord.message_class)
        )
        for sim_id, message_class, parts in session.execute(query):
            totals[sim_id] = plus(totals.get(sim_id, NOTHING), MessageClass(message_class).rank, parts)
    return totals


def _recipients(session: Session, groups: _Groups) -> dict[int, int]:
    counts: dict[int, int] = {}
    for since, sim_ids in groups.items():
        query = (
            select(AttemptRecord.sim_id, func.count(MessageRecord.msisdn.distinct()))
            .join(MessageRecord, MessageRecord.id == AttemptRecord.message_id)
            .where(*_counts(sim_ids, since))
            .group_by(AttemptRecord.sim_id)
        )
        counts.update(dict(session.execute(query).all()))
    return counts


def _counts(sim_ids: Collection[int], since: datetime) -> Iterable[ColumnElement[bool]]:
    return (
        AttemptRecord.sim_id.in_(sim_ids),
        AttemptRecord.intent_at >= since,
        AttemptRecord.state != AttemptState.NOT_SENT,
    )
