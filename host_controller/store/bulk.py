"""Many rows at once: their ids beforehand, one statement to write them, one to find them.

An insert that gives its ids back costs more than twice as much for each row: with the ids at hand, rows and what
points to them are written by one plain statement each. Sound because one writer is all that writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from host_controller.store.models import Base

# Far below the 32,766 variables that SQLite takes in one statement.
_CHUNK = 5000


def next_ids(session: Session, record: type[Base], count: int) -> list[int]:
    """Give the ids that the next `count` rows of a table are to have, in the caller's transaction."""
    table: Any = record.__table__
    if session.get_bind().dialect.name == "postgresql":
        taken = text("SELECT nextval(pg_get_serial_sequence(:table, 'id')) FROM generate_series(1, :count)")
        return list(session.scalars(taken, {"table": table.name, "count": count}))
    # As SQLite itself gives them.
    last = session.scalar(select(func.max(table.c.id))) or 0
    return list(range(last + 1, last + 1 + count))


def insert_rows(session: Session, record: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of the same columns by one statement, in the caller's transaction."""
    table: Any = record.__table__
    if rows:
        session.execute(insert(table), rows)


def rows_in(session: Session, query: Any, column: Any, values: Iterable[Any]) -> Iterator[Any]:
    """Give the rows of `query` whose `column` is one of many values."""
    wanted = list(set(values))
    for start in range(0, len(wanted), _CHUNK):
        yield from session.execute(query.where(column.in_(wanted[start : start + _CHUNK])))
