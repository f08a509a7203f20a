"""The single writer: works that wait at the same time share one transaction, and so one wait for the disk."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Transaction
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from device_drivers.failpoints import failpoint
from host_controller.errors import StoreBrokenError, StoreBusyError, StoreCommitLostError, StoreError
from host_controller.store.troubles import explain

T = TypeVar("T")
_log = logging.getLogger(__name__)
# So many that an ordinary crowd of lanes fits into one commit, so few that nobody waits long for the others' work.
_MOST_AT_ONCE = 200
# Of works that take long the rest goes into the next commit, so that the first ones are told.
_LONGEST_S = 0.1


class _Job:
    """One work, and what became of it."""

    def __init__(self, work: Callable[[Session], Any]) -> None:
        self.work = work
        self.is_over = threading.Event()
        self.is_durable = False
        """The default is the safe one: nobody is told that a work is on the disk unless it is."""
        self.result: Any = None
        self.error: BaseException | None = None
        self._is_taken = False
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Claim it, for the writer or for the caller who gives up; True for the first of the two."""
        with self._lock:
            is_first, self._is_taken = not self._is_taken, True
            return is_first


class _WorkFailedError(Exception):
    """A work raised, for a reason of its own."""


class Writer:
    """A thread with the one connection that writes. Thread-safe."""

    def __init__(self, connect: Callable[[], Connection], busy_limit_s: float) -> None:
        self._connect = connect
        # The database's own lock may take its limit, and what is being written before us once more.
        self._limit_s = 2 * busy_limit_s + 1
        self._connection: Connection | None = None
        self._waiting: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._is_closed = False
        self._on_rollback: list[Callable[[], None]] = []
        self.trouble: str | None = None

    def start(self) -> None:
        """Begin to take works."""
        self._thread.start()

    def write(self, work: Callable[[Session], T]) -> T:
        """See Store.write."""
        if self._is_closed:
            raise StoreBusyError("the database is closed")
        job = _Job(work)
        self._waiting.put(job)
        if not job.is_over.wait(self._limit_s):
            if job.take():
                raise StoreBusyError("the database did not get to it in time; try again")
            job.is_over.wait()  # it is being written just now, and the database's own limits end that
        if job.error is not None:
            raise job.error
        if not job.is_durable:
            raise StoreBusyError("the write was broken off; try again")
        return job.result  # type: ignore[no-any-return]

    def on_rollback(self, call: Callable[[], None]) -> None:
        """Have `call` called whenever something that a work has done was taken back."""
        self._on_rollback.append(call)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """The writing connection in a transaction of its own, before the start."""
        with self._ready().begin():
            yield self._ready()

    def close(self) -> None:
        """End after what waits is written."""
        self._is_closed = True
        if self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join(self._limit_s)
        self._disconnect()

    def _run(self) -> None:
        jobs: deque[_Job] = deque()
        is_ending = False
        while jobs or not is_ending:
            if not jobs:
                is_ending = not self._add(jobs, self._waiting.get())
            with contextlib.suppress(queue.Empty):
                while len(jobs) < _MOST_AT_ONCE and not is_ending:
                    is_ending = not self._add(jobs, self._waiting.get_nowait())
            self._work_off(jobs)

    def _add(self, jobs: deque[_Job], job: _Job | None) -> bool:
        if job is not None:
            jobs.append(job)
        return job is not None

    def _work_off(self, waiting: deque[_Job]) -> None:
        """Take from the front what one transaction should have, and do it."""
        jobs: list[_Job] = []
        try:
            self._do_all(waiting, jobs)
            for job in jobs:
                job.is_durable = job.error is None
        except Exception as error:
            if not jobs:  # there was no transaction at all, and nobody should wait for the next try
                jobs += [job for job in waiting if job.take()]
                waiting.clear()
            self._give_up(jobs, self._explain(error))
        finally:
            for job in jobs:
                job.is_over.set()

    def _explain(self, error: Exception) -> Exception:
        if isinstance(error, DBAPIError):
            return explain(error)
        if not isinstance(error, StoreError):
            _log.error("a write was broken off", exc_info=error)
        return error

    def _do_all(self, waiting: deque[_Job], jobs: list[_Job]) -> None:
        if self.trouble is not None:
            raise StoreBrokenError(self.trouble)
        transaction = self._begin(waiting, jobs)
        try:
            failpoint("store.before")
            transaction.commit()
        except BaseException as error:
            # Taken back, or nobody knows: who remembers what was written must look again either way.
            self._tell_of_rollback()
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise StoreCommitLostError("the connection broke while the database was writing") from error
            raise
        failpoint("store.after")

    def _begin(self, waiting: deque[_Job], jobs: list[_Job]) -> Transaction:
        """Do works in a transaction that is to be committed; `jobs` gets those that were begun."""
        transaction = self._ready().begin()
        ends_s = time.monotonic() + _LONGEST_S
        try:
            while waiting and (not jobs or time.monotonic() < ends_s):
                job = waiting.popleft()
                if job.take():
                    jobs.append(job)
                    self._do(job)
            return transaction
        except _WorkFailedError:
            # Which should take back nothing of the others: once more, each in a savepoint of its own.
            self._roll_back(transaction)
        except BaseException:
            self._roll_back(transaction)
            raise
        transaction = self._ready().begin()
        try:
            for job in jobs:
                self._do_apart(job)
            return transaction
        except BaseException:
            self._roll_back(transaction)
            raise

    def _roll_back(self, transaction: Transaction) -> None:
        try:
            if transaction.is_active:  # a session whose flush failed has ended it already
                transaction.rollback()
        finally:
            self._tell_of_rollback()

    def _tell_of_rollback(self) -> None:
        for call in self._on_rollback:
            call()

    def _do(self, job: _Job) -> None:
        """Do one work in the transaction of all: a savepoint costs as much as two more statements."""
        try:
            with Session(self._ready(), join_transaction_mode="rollback_only", expire_on_commit=False) as session:
                job.result = job.work(session)
                session.flush()
        except DBAPIError as error:
            if isinstance(explain(error), StoreError):
                raise  # it is the database's, not the work's
            raise _WorkFailedError from error
        except BaseException as error:
            raise _WorkFailedError from error

    def _do_apart(self, job: _Job) -> None:
        """Do one work in a savepoint of its own, so that its failure takes back nothing of the others."""
        try:
            with (
                Session(self._ready(), join_transaction_mode="create_savepoint", expire_on_commit=False) as session,
                session.begin(),
            ):
                job.result = job.work(session)
        except DBAPIError as error:
            # SQLite ends the whole transaction where it has no room: the savepoint is gone, and with it the others.
            if isinstance(explain(error), StoreError) or not self._is_in_transaction():
                raise  # it is the database's, not the work's
            job.error = error
            self._tell_of_rollback()
        except BaseException as error:
            job.error = error
            self._tell_of_rollback()

    def _is_in_transaction(self) -> bool:
        driver = self._ready().connection.driver_connection
        return bool(getattr(driver, "in_transaction", True))

    def _give_up(self, jobs: list[_Job], failure: Exception) -> None:
        for job in jobs:
            # Each caller gets an exception of its own: a shared one would collect everybody's traceback.
            own = type(failure)(*failure.args) if isinstance(failure, StoreError) else failure
            job.error = job.error or own
        if isinstance(failure, StoreBrokenError) and self.trouble is None:
            self.trouble = str(failure)
            _log.critical("nothing is written any more: %s", failure)
        self._disconnect()

    def _ready(self) -> Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _disconnect(self) -> None:
        """Never raises: what cannot be closed is dropped."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.invalidate()
            with contextlib.suppress(Exception):
                connection.close()
