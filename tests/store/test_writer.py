"""The single writer: works share commits, fail alone, and every trouble of the database has its own word."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from datetime import UTC, datetime

import pytest
from sqlalchemy import event, func, select

from host_controller.errors import DataDirectoryError, StoreBrokenError, StoreBusyError, StoreError, StoreFullError
from host_controller.store.models import OptOutRecord
from host_controller.store.store import Store
from tests.postgresql import find_binaries, running_server

THREADS, EACH = 24, 10


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, fresh_database):
    return fresh_database(request.param)


@pytest.fixture
def store(database):
    with closing(Store(database)) as opened:
        yield opened


def adding(n: int):
    return lambda session: session.add(
        OptOutRecord(msisdn=f"+420{n:09d}", source="test", actor="test", created_at=datetime.now(UTC))
    )


def count(store) -> int:
    with store.reading() as session:
        return session.scalar(select(func.count()).select_from(OptOutRecord))


def fill(store):
    for n in range(1000):
        store.write(adding(n))


def in_threads(function):
    threads = [threading.Thread(target=function, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_works_that_wait_at_the_same_time_share_a_commit(store):
    commits = []
    event.listen(store._engine, "commit", lambda _: commits.append(1))

    def write(n):
        for k in range(EACH):
            store.write(adding(n * EACH + k))

    in_threads(write)
    assert count(store) == THREADS * EACH
    assert len(commits) < THREADS * EACH


def test_a_work_that_fails_takes_nothing_of_the_others_with_it(store):
    failures = []

    def write(n):
        def broken(session):
            adding(1000 + n)(session)
            session.flush()
            raise ValueError(n)

        for k in range(EACH):
            store.write(adding(n * EACH + k))
            try:
                store.write(broken if k % 2 else adding(10_000))  # taken: the database refuses it
            except Exception as error:
                failures.append(type(error).__name__)

    store.write(adding(10_000))
    in_threads(write)
    assert count(store) == THREADS * EACH + 1
    assert set(failures) == {"ValueError", "IntegrityError"}
    assert store.trouble is None


def test_results_go_to_their_own_caller(store):
    wrong = []

    def write(n):
        for k in range(EACH):
            if store.write(lambda _, value=(n, k): value) != (n, k):
                wrong.append((n, k))

    in_threads(write)
    assert wrong == []


def test_a_second_smsrack_is_refused_by_postgresql(fresh_database):
    url = fresh_database("postgresql")
    with closing(Store(url)), pytest.raises(DataDirectoryError, match="another smsrack"):
        Store(url)
    Store(url).close()


def test_a_smsrack_that_is_just_leaving_postgresql_is_waited_for(fresh_database):
    url = fresh_database("postgresql")
    leaving = Store(url)
    end = threading.Timer(0.5, leaving.close)
    end.start()
    try:
        Store(url).close()
    finally:
        end.join()


def test_what_is_no_postgresql_url_is_refused():
    for wrong in ("mysql://smsrack:secret@x/y", "no url"):
        with pytest.raises(DataDirectoryError, match="URL") as refused:
            Store(wrong)
        assert "secret" not in str(refused.value)
    with pytest.raises(DataDirectoryError, match="cannot be used") as refused:
        Store("postgresql://smsrack:secret@127.0.0.1:9/x")
    assert "secret" not in str(refused.value)


class TestSqlite:
    @pytest.fixture
    def database(self, fresh_database):
        return fresh_database("sqlite")

    @pytest.fixture
    def store(self, database):
        with closing(Store(database, busy_limit_s=0.3)) as opened:
            yield opened

    def test_a_database_that_somebody_holds_is_busy_and_then_goes_on(self, store, database):
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StoreBusyError, match="another program"):
                store.write(adding(1))
            other.execute("ROLLBACK")
        store.write(adding(1))
        assert (count(store), store.trouble) == (1, None)

    def test_a_full_disk_is_told_and_goes_on_when_there_is_room(self, store):
        def limit(pages):
            store.write(lambda session: session.connection().exec_driver_sql(f"PRAGMA max_page_count={pages}"))

        limit(1)  # as full as it is now
        with pytest.raises(StoreFullError, match="free some space"):
            fill(store)
        limit(1_000_000)
        before = count(store)
        store.write(adding(2000))
        assert (count(store), store.trouble) == (before + 1, None)

    @pytest.mark.parametrize("name", ["SQLITE_IOERR_FSYNC", "SQLITE_CORRUPT", "SQLITE_READONLY_DBMOVED"])
    def test_after_a_failed_fsync_nothing_is_ever_written(self, store, monkeypatch, name):
        store.write(adding(1))
        real = store._engine.dialect.do_commit

        def failing(_):
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorname = name
            raise error

        monkeypatch.setattr(store._engine.dialect, "do_commit", failing)
        with pytest.raises(StoreBrokenError):
            store.write(adding(2))
        monkeypatch.setattr(store._engine.dialect, "do_commit", real)
        with pytest.raises(StoreBrokenError):
            store.write(adding(3))
        assert count(store) == 1
        assert store.trouble

    def test_a_work_that_nobody_got_to_in_time_is_never_done(self, store):
        begun, go_on = threading.Event(), threading.Event()

        def slow(session):
            begun.set()
            go_on.wait(30)

        thread = threading.Thread(target=store.write, args=(slow,))
        thread.start()
        begun.wait(10)
        with pytest.raises(StoreBusyError, match="in time"):
            store.write(adding(1))
        go_on.set()
        thread.join(10)
        assert count(store) == 0


@pytest.fixture
def short_lived_postgresql():
    """A server of its own: one with the databases of all tests takes minutes to recover."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with running_server(binaries) as server:
        yield server


def test_a_killed_postgresql_loses_nothing_that_was_acknowledged(short_lived_postgresql):
    written, failed, is_killed = [], [], threading.Event()
    with closing(Store(short_lived_postgresql.new_database(), busy_limit_s=5)) as store:

        def write(n):
            for k in range(10_000):
                try:
                    store.write(adding(n * 10_000 + k))
                    written.append(n * 10_000 + k)
                    if is_killed.is_set():
                        return
                except StoreError as error:
                    failed.append(error)

        threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        while len(written) < 200:
            pass
        short_lived_postgresql.kill()
        short_lived_postgresql.start()
        is_killed.set()
        for thread in threads:
            thread.join(60)
        with store.reading() as session:
            found = {int(number[4:]) for number in session.scalars(select(OptOutRecord.msisdn))}
    assert failed
    assert set(written) <= found


def test_works_that_take_long_do_not_wait_for_each_other(store):
    """What came before a slow crowd of works is told before they are all done; each of them is, one after the other."""
    commits, begun, go_on, done = [], threading.Event(), threading.Event(), []
    event.listen(store._engine, "commit", lambda _: commits.append(1))

    def wait(_session):
        begun.set()
        go_on.wait(30)

    def work(n):
        def slowly(session):
            adding(n)(session)
            time.sleep(0.03)

        store.write(slowly)
        done.append(n)

    blocking = threading.Thread(target=store.write, args=(wait,))
    blocking.start()
    begun.wait(10)
    commits.clear()
    releasing = threading.Timer(0.2, go_on.set)
    releasing.start()
    in_threads(work)
    blocking.join(10)
    assert sorted(done) == list(range(THREADS))
    assert count(store) == THREADS
    # Of 24 works of 30 ms three or four fit into the tenth of a second that a transaction may take.
    assert 5 <= len(commits) <= THREADS + 1
