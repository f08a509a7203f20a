"""Reading what changed in an Odoo since the last time, by the time at which Odoo wrote it.

Odoo says times in whole seconds and keeps them finer, and a transaction writes the time at which it began: what is
committed late has a time that was passed already. So a reading goes back by an overlap until no transaction can be
that old, and goes through what it finds by id, never by time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from host_controller.store.models import OdooCursorRecord
from host_controller.store.store import Store

BATCH = 500
# Odoo ends a request after limit_time_real, 2 minutes by default; a cron may take some more.
_OVERLAP = timedelta(minutes=10)
_SECOND = timedelta(seconds=1)
ALSO_ARCHIVED: Mapping[str, Any] = {"context": {"active_test": False}}
Row = dict[str, Any]
Search = Callable[[list[Any], Mapping[str, Any]], Sequence[Row]]
"""Asks Odoo for the rows of a domain, `write_date` among their fields; the mapping is what `search_read` also takes."""


@dataclass(frozen=True)
class _Cursor:
    """The newest time that was read, and since when it is the newest."""

    written_at: datetime
    seen_at: datetime

    def since(self, now: datetime) -> datetime:
        """Give the earliest time that something may have which was not read yet."""
        is_settled = now - self.seen_at > _OVERLAP
        return self.written_at + _SECOND if is_settled else self.written_at - _OVERLAP


class Changes:
    """The changed records of one model, archived ones too."""

    def __init__(self, database: str, model: str, search: Search, store: Store, clock: Callable[[], datetime]) -> None:
        """`database` is the connection's name."""
        self._key = (database, model)
        self._search = search
        self._store = store
        self._clock = clock

    def pages(self, *, whole: bool = False) -> Iterator[Sequence[Row]]:
        """Give what changed, or all there is, in pages by id; once the last is dealt with, it is not given again.

        Rows may come that were given before. Raises OdooSyncError.
        """
        cursor, now = self._cursor(), self._clock()
        domain: list[Any] = []
        if cursor and not whole:
            domain = [["write_date", ">=", odoo_time(cursor.since(now))]]
        newest, last_id = None, 0
        while True:
            rows = self._search([["id", ">", last_id], *domain], {"limit": BATCH, "order": "id asc", **ALSO_ARCHIVED})
            if not rows:
                break
            yield rows
            last_id = rows[-1]["id"]
            newest = max([parse_time(row["write_date"]) for row in rows] + ([newest] if newest else []))
            if len(rows) < BATCH:
                break
        if newest and (cursor is None or newest > cursor.written_at):
            self._store.write(lambda session: self._move(session, _Cursor(newest, now)))

    def _cursor(self) -> _Cursor | None:
        with self._store.reading() as session:
            found = session.get(OdooCursorRecord, self._key)
            return _Cursor(found.written_at, found.seen_at) if found and found.written_at else None

    def _move(self, session: Session, cursor: _Cursor) -> None:
        database, model = self._key
        session.merge(
            OdooCursorRecord(database=database, model=model, written_at=cursor.written_at, seen_at=cursor.seen_at)
        )


def odoo_time(at: datetime) -> str:
    """Write a time as Odoo does: UTC, in whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def parse_time(written: str) -> datetime:
    """Read a time of Odoo's."""
    return datetime.strptime(written, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
