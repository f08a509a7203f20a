"""The database: opened, migrated, read by many, written by one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.orm import Session

from host_controller.errors import DataDirectoryError

T = TypeVar("T")
# A backup may hold the file; longer than this and the caller is told instead of hanging.
_BUSY_LIMIT_S = 10


class Store:
    """The one owner of the database connection pool. Thread-safe."""

    def __init__(self, database: Path) -> None:
        self._engine = create_engine(f"sqlite:///{database}", connect_args={"timeout": _BUSY_LIMIT_S})
        _use_explicit_transactions(self._engine)
        self._writer = self._engine.execution_options(write=True)
        self._write_lock = threading.Lock()
        self._migrate()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A consistent view; whatever is changed in it is dropped."""
        with Session(self._engine) as session:
            yield session

    def write(self, work: Callable[[Session], T]) -> T:
        """Run `work` in a transaction of its own and give its result once that is durable on disk.

        If `work` raises, nothing of it stays. It must not talk to a phone or to anything else that is slow: it holds
        the only writer. It gets to return plain values; records are detached when this returns.
        """
        with self._write_lock, Session(self._writer, expire_on_commit=False) as session, session.begin():
            return work(session)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", "host_controller.store:migrations")
        config.set_main_option("path_separator", "os")
        with self._write_lock, self._writer.begin() as connection:
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise DataDirectoryError("the database is of a newer smsrack; install that version") from error


def _use_explicit_transactions(engine: Engine) -> None:
    """Take BEGIN out of the sqlite3 module's hands: a writer locks at its start, not at its first write."""

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        # FULL: a commit is on the disk when it returns, also after a power cut.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _began(connection: Connection) -> None:
        writes = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
