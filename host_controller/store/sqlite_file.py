"""A SQLite database as a file on disk: opened for reading, looked over for damage, made durable."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

# A page that was overwritten or cut off, or a first page that is none.
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# Python cannot always read what SQLite quotes from a damaged file.
SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def write_ahead_log(database: Path) -> Path:
    """Give the file beside a database that holds commits not yet in it."""
    return Path(f"{database}-wal")


def side_files(database: Path) -> tuple[Path, ...]:
    """Give the names of all files that SQLite may keep beside a database and would take for its own."""
    return tuple(Path(f"{database}{suffix}") for suffix in ("-wal", "-shm", "-journal"))


def holds_commits(log: Path) -> bool:
    """Say whether a write-ahead log is there, with something in it."""
    return log.exists() and log.stat().st_size > 0


def open_read_only(database: Path, *, at_rest: bool = False) -> sqlite3.Connection:
    """Open a database that must not change, not even to take its write-ahead log into it. Raises sqlite3.Error.

    `at_rest` is for a file that nobody writes to: its directory needs no write permission, its log is not read.
    """
    query = "mode=ro&immutable=1" if at_rest else "mode=ro"
    return sqlite3.connect(f"{database.absolute().as_uri()}?{query}", uri=True, isolation_level=None)


def find_damage(connection: sqlite3.Connection, *, thorough: bool = False) -> str | None:
    """Give the first thing that is wrong with the content, in one line; None where all is well. Raises sqlite3.Error.

    Reads the whole file; `thorough` also compares every index with its table, which takes three times as long.
    """
    pragma = "integrity_check(1)" if thorough else "quick_check(1)"
    try:
        (verdict,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    except SQLITE_ERRORS as error:
        if isinstance(error, sqlite3.Error) and _plain_code(error) not in _DAMAGE:
            raise
        return words_of(error)
    return None if verdict == "ok" else str(verdict).splitlines()[-1]


def words_of(error: Exception) -> str:
    """Give what SQLite says, without what it quotes: in a damaged file that can be anything, also a message's text."""
    if isinstance(error, sqlite3.Error) and _plain_code(error) != sqlite3.SQLITE_CORRUPT:
        return str(error)
    return "database disk image is malformed"


def is_busy(error: Exception) -> bool:
    """Say whether somebody else holds the file."""
    return _plain_code(error) in _BUSY


def make_durable(path: Path) -> None:
    """Bring a file, or the names in a directory, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plain_code(error: Exception) -> int:
    # Extended codes carry the plain one in their low byte; errors of Python's own have none.
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
