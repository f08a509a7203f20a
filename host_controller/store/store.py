"""The database: opened, migrated, read by many, written by one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from host_controller.errors import DataDirectoryError
from host_controller.store.engines import open_postgresql, open_sqlite, take_over
from host_controller.store.refusals import Refusals
from host_controller.store.restore import finish_restore
from host_controller.store.revisions import migrate
from host_controller.store.troubles import explain, first_line
from host_controller.store.writer import Writer

T = TypeVar("T")
# A backup may hold the file; longer than this and the caller is told instead of hanging.
_BUSY_LIMIT_S = 10.0


class Store:
    """The one owner of the database connections. Thread-safe."""

    def __init__(self, database: Path | str, busy_limit_s: float = _BUSY_LIMIT_S) -> None:
        """`database` is a file of SQLite, or the URL of a PostgreSQL database.

        Raises DataDirectoryError where it cannot be used, or is used by another smsrack.
        """
        if isinstance(database, Path):
            self._engine = open_sqlite(database, busy_limit_s)
        else:
            self._engine = open_postgresql(database, busy_limit_s)
        self._on_begin: list[Callable[[], None]] = []
        self.refusals = Refusals()
        """Opt-outs that are being written, for who is just about to write to a number."""
        self._writer = Writer(self._connect_writer, busy_limit_s)
        try:
            self._migrate()
        except DBAPIError as error:
            raise DataDirectoryError(f"the database cannot be used: {first_line(error)}") from error
        self._writer.start()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A consistent view; whatever is changed in it is dropped. Raises StoreError."""
        try:
            with Session(self._engine) as session:
                yield session
        except DBAPIError as error:
            trouble = explain(error)
            if trouble is error:
                raise
            raise trouble from error

    def write(self, work: Callable[[Session], T]) -> T:
        """Run `work` in a transaction and give its result once that is durable on disk.

        If `work` raises, nothing of it stays. It must not talk to a phone or to anything else that is slow: it holds
        the only writer. It gets to return plain values; records are detached when this returns. Works that wait at the
        same time share one commit. Raises StoreError: then nothing of it stays, unless it is a StoreCommitLostError.
        """
        return self._writer.write(work)

    def on_rollback(self, call: Callable[[], None]) -> None:
        """Have `call` called, from the writer's thread, whenever something that a work has done was taken back.

        For who remembers what was written. A work may so run twice: what it does beside the database must bear that.
        """
        self._writer.on_rollback(call)

    def on_begin(self, call: Callable[[], None]) -> None:
        """Have `call` called, from the writer's thread, whenever it begins a transaction.

        What was done before then is on disk, unless a call of `on_rollback` came in between.
        """
        self._on_begin.append(call)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written any more, None where it can."""
        return self._writer.trouble

    def close(self) -> None:
        """Close all connections."""
        self._writer.close()
        self._engine.dispose()

    def _connect_writer(self) -> Connection:
        connection = self._engine.connect().execution_options(write=True)
        try:
            take_over(connection)
        except BaseException:
            connection.invalidate()  # in the pool it would keep the lock that it may have
            raise
        event.listen(connection, "begin", self._tell_of_begin)
        return connection

    def _tell_of_begin(self, _: Connection) -> None:
        for call in self._on_begin:
            call()

    def _migrate(self) -> None:
        with self._writer.transaction() as connection:
            migrate(connection)
            finish_restore(connection)
