"""A copy of the database in one file, made while others write to it."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from host_controller.errors import BackupError
from host_controller.store.sqlite_file import (
    SQLITE_ERRORS,
    find_damage,
    make_durable,
    open_read_only,
    side_files,
    words_of,
)

# Only copies have it: when they were made, in ISO 8601. A restore takes it away.
MADE_AT_TABLE = "backup_made"


@dataclass(frozen=True)
class Backup:
    """A copy that was made."""

    path: Path
    size_bytes: int
    messages: int


def write_backup(database: Path, target: Path, *, now: datetime, overwrite: bool = False) -> Backup:
    """Copy a database as of one moment to a file for the owner only; whoever writes to it is not held up.

    The file appears whole and checked, or not at all; `now` is written into it. Raises BackupError.
    """
    if not database.exists():
        raise BackupError(f"there is no database at {database}; name its directory with --data-dir")
    _check_target(database, target, overwrite)
    try:
        with partial_file(target) as partial:
            with closing(open_read_only(database)) as source:
                messages = _fill(partial, source, now)
            make_durable(partial)
            partial.replace(target)
        make_durable(target.parent)
        return Backup(target, target.stat().st_size, messages)
    except OSError as error:
        raise BackupError(f"cannot write {target}: {error.strerror}") from error
    except SQLITE_ERRORS as error:
        raise BackupError(f"cannot copy {database} to {target}: {words_of(error)}") from error


@contextmanager
def partial_file(target: Path) -> Iterator[Path]:
    """An empty file beside `target`, for the owner only; gone after the block unless it was renamed."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    os.close(descriptor)
    partial = Path(name)
    try:
        yield partial
    finally:
        for path in (partial, *side_files(partial)):
            path.unlink(missing_ok=True)


@contextmanager
def copied(source: sqlite3.Connection, target: Path) -> Iterator[sqlite3.Connection]:
    """What `source` holds at this moment, copied to an empty file and open there. Raises SQLITE_ERRORS.

    One step under one read lock: in pieces the copy would begin anew at every commit.
    """
    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        # Nobody else sees the file yet, and the caller makes it durable.
        copy.execute("PRAGMA synchronous=OFF")
        source.backup(copy)
        # All in one file, which can be carried away and read where nothing can be written.
        copy.execute("PRAGMA journal_mode=DELETE")
        yield copy


def _fill(partial: Path, source: sqlite3.Connection, now: datetime) -> int:
    with copied(source, partial) as copy:
        damage = find_damage(copy, thorough=True)
        if damage:
            raise BackupError(f"the database is damaged ({damage}); no backup was written, see docs/backup.md")
        copy.execute(f"DROP TABLE IF EXISTS {MADE_AT_TABLE}")
        copy.execute(f"CREATE TABLE {MADE_AT_TABLE} (at TEXT NOT NULL)")
        copy.execute(f"INSERT INTO {MADE_AT_TABLE} VALUES (?)", (now.isoformat(),))  # noqa: S608 - our own name
        (messages,) = copy.execute("SELECT count(*) FROM message").fetchone()
        return int(messages)


def _check_target(database: Path, target: Path, overwrite: bool) -> None:
    if target.is_dir():
        raise BackupError(f"{target} is a directory; name a file in it")
    place = target.parent.resolve() / target.name
    present = database.resolve()
    if place in (present, *side_files(present)):
        raise BackupError(f"{target} is the database itself; name another file")
    if target.exists() and not overwrite:
        raise BackupError(f"{target} is already there; name another file, or replace it with --force")
