"""What an Odoo is to be told: written down first, told in the order of each record, tried again later and later.

Odoo goes on with a call whose answer we have stopped waiting for. What is taken to be told is therefore put aside
beforehand, for longer than Odoo works on any call: after a crash or a lost answer it is looked for in Odoo before it
is told again.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, delete, select, update
from sqlalchemy.orm import Session, aliased

from host_controller.store.models import OdooOutboxRecord
from host_controller.store.odoo_outbox import GAVE_UP
from host_controller.store.store import Store
from odoo_sync.errors import OdooRejectedError

_log = logging.getLogger(__name__)
BATCH = 500
# Odoo ends a request after limit_time_real, 120 s by default.
DOUBT_S = 150.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 60.0, 4 * 3600.0
# A week or so: what is refused for want of a right or a setting is not lost before somebody has seen it.
_MOST_TRIES = 40


class Kind(StrEnum):
    """What is told."""

    BLACKLIST = "blacklist"
    """Whether a number must not be written to; the record is the number."""
    CHATTER = "chatter"
    """A message that came in; the record is who wrote."""
    REPLY = "reply"
    """That a message was answered; the record is who wrote."""
    RECEIVED = "received"
    """A message that came in, as a row of its own; the record is who wrote."""


@dataclass(frozen=True)
class Item:
    """A row that was taken."""

    id: int
    record: str
    inbound_id: int | None


@dataclass
class Delivery:
    """What became of rows that were taken."""

    outcomes: dict[int, str] = field(default_factory=dict)
    """Of those that are done, by id."""
    refused: list[int] = field(default_factory=list)
    asked: set[int] = field(default_factory=set)
    """Those of a call whose answer has not come yet: it may have been made all the same."""


class Outbox:
    """One connection's outbox."""

    def __init__(
        self,
        database: str,
        store: Store,
        clock: Callable[[], datetime],
        scale: float = 1.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`scale` shortens all waits."""
        self.database = database
        self._store = store
        self._clock = clock
        self._scale = scale
        self._jitter = jitter

    def take(self, kind: Kind, limit: int = BATCH) -> list[Item]:
        """Take what is due, in order; nothing of a record of which something earlier waits."""
        with self._store.reading() as session:
            due = list(session.scalars(self._due(kind, limit)))
        next_at = self._clock() + timedelta(seconds=DOUBT_S * self._scale)
        leased = (
            update(OdooOutboxRecord).where(OdooOutboxRecord.id.in_([row.id for row in due])).values(next_at=next_at)
        )
        if due:
            self._store.write(lambda session: session.execute(leased))
        return [Item(row.id, row.record, row.inbound_id) for row in due]

    def _due(self, kind: Kind, limit: int) -> Select[OdooOutboxRecord]:
        now, earlier = self._clock(), aliased(OdooOutboxRecord)
        waits = select(earlier.id).where(
            earlier.database == self.database,
            earlier.kind == kind,
            earlier.record == OdooOutboxRecord.record,
            earlier.done_at.is_(None),
            earlier.next_at > now,
            earlier.id <= OdooOutboxRecord.id,
        )
        return (
            select(OdooOutboxRecord)
            .where(self._is_open(kind), ~waits.exists())
            .order_by(OdooOutboxRecord.id)
            .limit(limit)
        )

    def finish(self, outcomes: Mapping[int, str]) -> None:
        """Note what became of rows, by id."""
        now = self._clock()

        def work(session: Session) -> None:
            for row in session.scalars(_rows(outcomes)):
                row.done_at, row.outcome, row.next_at, row.error = now, outcomes[row.id], None, None

        if outcomes:
            self._store.write(work)

    def forget(self, ids: Collection[int]) -> None:
        """Remove rows that are done and of which nothing need be known."""
        if ids:
            self._store.write(
                lambda session: session.execute(delete(OdooOutboxRecord).where(OdooOutboxRecord.id.in_(ids)))
            )

    def give_back(self, ids: Collection[int]) -> None:
        """Let rows be due again that were surely not told."""
        self.postpone(ids, 0.0)

    def postpone(self, ids: Collection[int], wait_s: float) -> None:
        """Let rows wait, without counting it as a try."""
        next_at = self._clock() + timedelta(seconds=wait_s * self._scale) if wait_s else None
        statement = update(OdooOutboxRecord).where(OdooOutboxRecord.id.in_(ids)).values(next_at=next_at)
        if ids:
            self._store.write(lambda session: session.execute(statement))

    def refuse(self, row_id: int, words: str, *, for_ever: bool = False) -> None:
        """Note that Odoo refused a row: it waits longer each time, and is given up in the end unless `for_ever`."""

        def work(session: Session) -> bool:
            row = session.get_one(OdooOutboxRecord, row_id)
            row.tries, row.error = row.tries + 1, words
            if row.tries >= _MOST_TRIES and not for_ever:
                row.done_at, row.outcome, row.next_at = self._clock(), GAVE_UP, None
                return True
            wait_s = min(_FIRST_WAIT_S * 2.0 ** min(row.tries - 1, _MOST_TRIES), _LONGEST_WAIT_S) * (1 + self._jitter())
            row.next_at = self._clock() + timedelta(seconds=wait_s * self._scale)
            return False

        if self._store.write(work):
            _log.error("Odoo %s: row %s of odoo_outbox was refused for a week and is given up", self.database, row_id)

    @contextmanager
    def delivering(self, items: Sequence[Item], what: str, words: str) -> Iterator[Delivery]:
        """Note what became of taken rows when the block ends, however it does; what was not asked about is due again.

        Raises OdooRejectedError where some were refused: how many of `what`, and `words`, which say why.
        """
        delivery = Delivery()
        try:
            yield delivery
        except OdooRejectedError:
            delivery.asked = set()
            raise
        finally:
            self.finish(delivery.outcomes)
            kept = {*delivery.outcomes, *delivery.refused, *delivery.asked}
            self.give_back([item.id for item in items if item.id not in kept])
        for row_id in delivery.refused:
            self.refuse(row_id, words)
        if delivery.refused:
            raise OdooRejectedError(f"{len(delivery.refused)} {what}: {words}")

    def add(
        self, session: Session, kind: Kind, rows: Iterable[tuple[str, int | None]], *, outcome: str | None = None
    ) -> None:
        """Add (record, id of an inbound message) in the caller's transaction; with an outcome they are done already."""
        now = self._clock()
        session.add_all(
            OdooOutboxRecord(
                database=self.database,
                kind=kind,
                record=record,
                inbound_id=inbound_id,
                created_at=now,
                done_at=now if outcome else None,
                outcome=outcome,
            )
            for record, inbound_id in rows
        )

    def is_open(self, session: Session, kind: Kind, record: str) -> bool:
        """Tell whether something of a record is still to be told."""
        query = select(OdooOutboxRecord.id).where(self._is_open(kind), OdooOutboxRecord.record == record)
        return session.scalar(query.limit(1)) is not None

    def _is_open(self, kind: Kind) -> ColumnElement[bool]:
        return (
            (OdooOutboxRecord.database == self.database)
            & (OdooOutboxRecord.kind == kind)
            & OdooOutboxRecord.done_at.is_(None)
        )


def _rows(ids: Iterable[int]) -> Select[OdooOutboxRecord]:
    return select(OdooOutboxRecord).where(OdooOutboxRecord.id.in_(list(ids)))
