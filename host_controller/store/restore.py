"""A backup put in the place of the database, which is kept beside it."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, inspect, update

from host_controller.errors import BackupError, DataDirectoryError
from host_controller.rules.states import MessageState
from host_controller.store.backup import MADE_AT_TABLE, copied, partial_file
from host_controller.store.database_guard import check_place
from host_controller.store.models import MessageRecord, PhoneRecord
from host_controller.store.revisions import known_revisions
from host_controller.store.sqlite_file import (
    SQLITE_ERRORS,
    find_damage,
    holds_commits,
    is_busy,
    make_durable,
    open_read_only,
    side_files,
    words_of,
    write_ahead_log,
)

_log = logging.getLogger(__name__)
# A table that stands in a restored database until its first start.
_MARK = "restore_mark"

# Phones keep their journals for as long; what they sent before that they would send again.
JOURNAL_KEPT = timedelta(days=30)
# Clocks of two hosts differ; more than this is a wrong clock.
_CLOCK_TOLERANCE = timedelta(hours=1)
# Enough for a reader in the middle of a page; a backup that runs is worth a second try.
_BUSY_LIMIT_S = 2.0
_TIMES = ("SELECT max(at) FROM message_event", "SELECT max(intent_at) FROM attempt")


@dataclass(frozen=True)
class Restored:
    """What is in place now."""

    as_of: datetime | None
    """When the backup was made, or else its last event."""
    messages: int
    queued: int
    kept: Path | None
    """Where the database of before is; None if there was none."""


def restore_backup(database: Path, file: Path, *, now: datetime, accept_old: bool = False) -> Restored:
    """Put what `file` holds in the place of the database; `file` itself stays. The caller holds the directory's lock.

    At every moment the database is the old one or the new one. Raises BackupError or DataDirectoryError: it is the old
    one then.
    """
    check_place(database)
    if not file.is_file():
        raise BackupError(f"there is no file {file}")
    if database.exists() and file.samefile(database):
        raise BackupError(f"{file} is the database itself; name a backup of it")
    try:
        with partial_file(database) as partial:
            as_of, messages, queued = _take_over(file, partial, now, accept_old)
            _give_to_owner(partial, database)
            make_durable(partial)
            kept = _keep(database, now)
            partial.replace(database)
        make_durable(database.parent)
    except OSError as error:
        raise DataDirectoryError(f"cannot restore to {database}: {error.strerror}") from error
    _log.info("restored a backup of %s with %d messages", as_of, messages)
    return Restored(as_of, messages, queued, kept)


def finish_restore(connection: Connection) -> None:
    """At the first start with a restored database: nothing of it is sent before every phone was asked what it knows.

    Runs after the migrations, since a backup may be of an older version.
    """
    if not inspect(connection).has_table(_MARK):
        return
    moving = (MessageState.QUEUED, MessageState.SUBMITTING, MessageState.UNKNOWN)
    connection.execute(update(MessageRecord).where(MessageRecord.state.in_(moving)).values(restored=True))
    connection.execute(update(PhoneRecord).values(journal_checked=False))
    connection.exec_driver_sql(f"DROP TABLE {_MARK}")


def _take_over(file: Path, partial: Path, now: datetime, accept_old: bool) -> tuple[datetime | None, int, int]:
    """Copy the file, and refuse what is in the copy: the file may still change."""
    try:
        # A copy that somebody made by hand may have its log beside it.
        at_rest = not holds_commits(write_ahead_log(file))
        with closing(open_read_only(file, at_rest=at_rest)) as source, copied(source, partial) as copy:
            damage = find_damage(copy, thorough=True)
            if damage:
                raise BackupError(f"{file} is damaged ({damage}); name another backup")
            _check_revision(copy, file)
            as_of = _time_of(copy)
            if not accept_old:
                _check_age(as_of, now, file)
            copy.execute(f"DROP TABLE IF EXISTS {MADE_AT_TABLE}")
            copy.execute(f"CREATE TABLE IF NOT EXISTS {_MARK} (at TEXT)")
            return as_of, _count(copy, "1"), _count(copy, f"state = '{MessageState.QUEUED}'")
    except SQLITE_ERRORS as error:
        raise BackupError(f"{file} cannot be restored: {words_of(error)}; name another backup") from error


def _check_revision(copy: sqlite3.Connection, file: Path) -> None:
    row = copy.execute("SELECT version_num FROM alembic_version").fetchone() if _has(copy, "alembic_version") else None
    if row is None:
        raise BackupError(f"{file} is not a database of smsrack; name another backup")
    if row[0] not in known_revisions():
        raise BackupError(f"{file} is of a newer smsrack; install that version")


def _time_of(copy: sqlite3.Connection) -> datetime | None:
    queries = [*_TIMES]
    if _has(copy, MADE_AT_TABLE):
        queries.append(f"SELECT max(at) FROM {MADE_AT_TABLE}")  # noqa: S608 - our own name
    texts = [text for query in queries for (text,) in copy.execute(query)]
    times = [datetime.fromisoformat(text) for text in texts if text]
    return max((at if at.tzinfo else at.replace(tzinfo=UTC) for at in times), default=None)


def _check_age(as_of: datetime | None, now: datetime, file: Path) -> None:
    if as_of is None:
        raise BackupError(f"{file} does not say of when it is; if it is not old, restore it with --accept-old")
    if as_of > now + _CLOCK_TOLERANCE:
        raise BackupError(
            f"{file} is of {as_of:%Y-%m-%d %H:%M} UTC, which is yet to come; set the clock, or use --accept-old"
        )
    if as_of < now - JOURNAL_KEPT:
        raise BackupError(
            f"{file} is of {as_of:%Y-%m-%d}, and phones know only for {JOURNAL_KEPT.days} days what they have sent: "
            "messages could be sent twice; name a later backup, or restore this one with --accept-old"
        )


def _keep(database: Path, now: datetime) -> Path | None:
    """Give the present database a second name and take its log away, which SQLite would play into the new one."""
    _settle(database)
    kept = database.with_name(f"{database.name}.before-restore-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}")
    log, index, journal = side_files(database)
    kept_log, _, kept_journal = side_files(kept)
    existed = database.exists()
    for path, name in ((database, kept), (log, kept_log), (journal, kept_journal)):
        if path.exists():
            os.link(path, name)
    make_durable(database.parent)
    for path in (log, index, journal):
        path.unlink(missing_ok=True)
    make_durable(database.parent)
    return kept if existed else None


def _settle(database: Path) -> None:
    """Bring the log into the database, so that one rename replaces all of it.

    A damaged one stays as it is: SQLite would throw its log away.
    """
    if not database.exists() or database.stat().st_size == 0:
        return
    try:
        with closing(open_read_only(database)) as connection:
            damage = find_damage(connection)
        if damage:
            _log.warning("the database of before is damaged and kept as it is: %s", damage)
            return
        with closing(sqlite3.connect(database, isolation_level=None, timeout=_BUSY_LIMIT_S)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        if is_busy(error):
            raise DataDirectoryError(
                f"another program has {database} open, a backup perhaps; try again when it has ended"
            ) from error
        _log.warning("the database of before cannot be read and is kept as it is: %s", error)


def _give_to_owner(partial: Path, database: Path) -> None:
    """Let the daemon's user have the file also where root restores it."""
    owner = (database if database.exists() else database.parent).stat()
    if owner.st_uid != os.geteuid():
        os.chown(partial, owner.st_uid, owner.st_gid)


def _has(copy: sqlite3.Connection, table: str) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return copy.execute(query, (table,)).fetchone() is not None


def _count(copy: sqlite3.Connection, condition: str) -> int:
    (count,) = copy.execute(f"SELECT count(*) FROM message WHERE {condition}").fetchone()  # noqa: S608 - our own words
    return int(count)
