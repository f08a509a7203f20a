"""Connections to a file of SQLite, or to a PostgreSQL database: durable, and each wait with a limit."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, FromClause, create_engine, event, make_url, text
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from host_controller.errors import DataDirectoryError
from host_controller.store.database_guard import guard_database

_CONNECT_LIMIT_S = 10
_STATEMENT_LIMIT_S = 30
# Lanes, workers of the site and jobs read at the same time.
_POOL_SIZE, _POOL_MORE = 10, 40
# Names this program towards PostgreSQL's advisory locks.
_LOCK_KEY = 7_386_274_619
_LOCK_PATIENCE_S, _LOCK_STEP_S = 3.0, 0.05


def open_sqlite(database: Path, busy_limit_s: float) -> Engine:
    """Open a file. Raises DataDirectoryError for one that cannot be trusted."""
    guard_database(database)
    engine = create_engine(
        f"sqlite:///{database}",
        connect_args={"timeout": busy_limit_s, "check_same_thread": False},
        hide_parameters=True,
    )
    engine.dialect.statement_compiler = _HintCompiler
    _use_explicit_transactions(engine)
    return engine


def open_postgresql(url: str, busy_limit_s: float) -> Engine:
    """Open a database by its URL; libpq's own places are asked for what is not in it. Raises DataDirectoryError."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "postgresql":
            raise DataDirectoryError("`database` must be a URL that begins with postgresql://")
        settings = {
            "statement_timeout": _STATEMENT_LIMIT_S * 1000,
            "lock_timeout": round(busy_limit_s * 1000),
            "idle_in_transaction_session_timeout": 2 * _STATEMENT_LIMIT_S * 1000,
            # Whatever the server's default: a commit is on the disk when it returns.
            "synchronous_commit": "on",
            "timezone": "UTC",
        }
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            connect_args={
                "connect_timeout": _CONNECT_LIMIT_S,
                "application_name": "smsrack",
                "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            },
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_MORE,
        )
    except (ArgumentError, NoSuchModuleError) as error:
        raise DataDirectoryError("`database` is not a URL like postgresql://user@host/name") from error
    except ModuleNotFoundError as error:
        raise DataDirectoryError("PostgreSQL needs: pip install 'smsrack[postgresql]'") from error


def take_over(connection: Connection) -> None:
    """Make sure that this process is the only one that writes; for SQLite the data directory's lock says so.

    The lock lives as long as the connection. Raises DataDirectoryError.
    """
    if connection.dialect.name != "postgresql":
        return
    # The server lets go of a lock only when it has noticed that its holder is gone: a restart must not fail over that.
    give_up_s = time.monotonic() + _LOCK_PATIENCE_S
    while not (is_ours := connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK_KEY})):
        if time.monotonic() > give_up_s:
            break
        time.sleep(_LOCK_STEP_S)
    flushes = connection.scalar(text("SHOW fsync"))
    connection.commit()
    if not is_ours:
        raise DataDirectoryError("another smsrack uses this PostgreSQL database; stop it, or choose another database")
    if flushes != "on":
        raise DataDirectoryError("PostgreSQL runs with fsync off: a power cut would lose messages; switch it on")


class _HintCompiler(SQLiteCompiler):
    """Writes the hints of a query (INDEXED BY) behind the table, which SQLAlchemy does for other databases only."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        """See SQLCompiler."""
        return text


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _use_explicit_transactions(engine: Engine) -> None:
    """Take BEGIN out of the sqlite3 module's hands: a writer locks at its start, not at its first write."""

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        # SQLite's own knows the letters of ASCII only; a search without regard to case asks for it.
        connection.create_function("lower", 1, _lower, deterministic=True)
        cursor = connection.cursor()
        # FULL: a commit is on the disk when it returns, also after a power cut.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _began(connection: Connection) -> None:
        writes = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
