"""The STOP words as operators have edited them: words added to the shipped tables, and words taken out of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.errors import InvalidStopWordError, UnknownStopWordError
from host_controller.store.models import StopWordRecord
from host_controller.text.stop_lexicon import words_of
from host_controller.text.stop_tables import STOP_TABLES, StopTables, edited

LONGEST_WORD = 64
_MOST_EDITS = 2000


def edits(session: Session) -> Sequence[StopWordRecord]:
    """Give every edit, by list and word."""
    return session.scalars(select(StopWordRecord).order_by(StopWordRecord.listed_in, StopWordRecord.word)).all()


def tables_in_force(session: Session) -> StopTables:
    """Give the tables that replies are judged by."""
    found = edits(session)
    if not found:
        return STOP_TABLES
    added = tuple((row.listed_in, row.word) for row in found if row.is_added)
    dropped = frozenset((row.listed_in, row.word) for row in found if not row.is_added)
    return edited(STOP_TABLES, added, dropped)


def edit(session: Session, listed_in: str, word: str, *, is_added: bool, now: datetime, actor: str) -> int:
    """Add a word to a list, or take a shipped one out; give the edit's id.

    A word is what is compared: "Stop!" is `stop`. Raises InvalidStopWordError.
    """
    if listed_in not in STOP_TABLES.by_name():
        raise InvalidStopWordError(f"there is no list {listed_in!r}; there are {', '.join(STOP_TABLES.by_name())}")
    folded = " ".join(words_of(word))
    if not folded or len(folded) > LONGEST_WORD:
        raise InvalidStopWordError(f"a word has letters or digits, {LONGEST_WORD} at most")
    shipped = {" ".join(words_of(entry)) for entry in STOP_TABLES.by_name()[listed_in]}
    if is_added and folded in shipped:
        raise InvalidStopWordError(f"{folded!r} is in the list {listed_in!r} already")
    if not is_added and folded not in shipped:
        raise InvalidStopWordError(f"{folded!r} is not in the shipped list {listed_in!r}; take back the edit instead")
    found = session.scalar(
        select(StopWordRecord).where(StopWordRecord.listed_in == listed_in, StopWordRecord.word == folded)
    )
    if found is not None:
        return found.id
    if len(edits(session)) >= _MOST_EDITS:
        raise InvalidStopWordError(f"there are {_MOST_EDITS} edits already; take some back")
    record = StopWordRecord(listed_in=listed_in, word=folded, is_added=is_added, actor=actor, created_at=now)
    session.add(record)
    session.flush()
    return record.id


def take_back(session: Session, edit_id: int) -> None:
    """Undo an edit. Raises UnknownStopWordError."""
    record = session.get(StopWordRecord, edit_id)
    if record is None:
        raise UnknownStopWordError(f"there is no edit {edit_id} of the word lists")
    session.delete(record)
