"""The database and its directory."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, select
from sqlalchemy.exc import StatementError

from host_controller.errors import DataDirectoryError
from host_controller.store import migrations
from host_controller.store.data_dir import DataDirectory
from host_controller.store.models import Base, OptOutRecord
from host_controller.store.revisions import known_revisions
from host_controller.store.store import Store


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "smsrack.db")
    yield opened
    opened.close()


def opt_out(number, at=None):
    return OptOutRecord(msisdn=number, source="test", actor="test", created_at=at or datetime.now(UTC))


def test_the_migrations_make_the_tables_that_the_models_say(store, tmp_path):
    with create_engine(f"sqlite:///{tmp_path / 'smsrack.db'}").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_the_revisions_are_those_of_the_migrations(store):
    scripts = ScriptDirectory(os.fspath(Path(migrations.__file__).parent))
    assert known_revisions() == [script.revision for script in reversed(list(scripts.walk_revisions()))]


def test_commits_are_durable_and_readers_see_them(store, tmp_path):
    store.write(lambda session: session.add(opt_out("+420777123456")))
    with store.reading() as session:
        assert session.scalar(select(OptOutRecord.msisdn)) == "+420777123456"
        pragmas = {
            name: session.connection().exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_what_fails_leaves_nothing(store):
    def work(session):
        session.add(opt_out("+420777123456"))
        session.flush()
        raise RuntimeError("stop here")

    with pytest.raises(RuntimeError):
        store.write(work)
    with store.reading() as session:
        assert session.scalars(select(OptOutRecord)).all() == []


def test_writers_wait_for_each_other(store):
    def add(n):
        store.write(lambda session: session.add(opt_out(f"+42077712{n:04d}")))

    threads = [threading.Thread(target=add, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.reading() as session:
        assert len(session.scalars(select(OptOutRecord)).all()) == 20


def test_times_come_back_aware_and_in_utc(store):
    at = datetime(2026, 3, 29, 3, 30, tzinfo=timezone(timedelta(hours=2)))
    store.write(lambda session: session.add(opt_out("+420777123456", at)))
    with store.reading() as session:
        found = session.scalar(select(OptOutRecord.created_at))
    assert (found, found.tzinfo) == (at, UTC)
    with pytest.raises(StatementError, match="time zone"):
        store.write(lambda session: session.add(opt_out("+420777123457", datetime(2026, 1, 1))))  # noqa: DTZ001


def test_a_database_of_a_newer_version_is_refused(tmp_path):
    Store(tmp_path / "smsrack.db").close()
    with closing(sqlite3.connect(tmp_path / "smsrack.db")) as db, db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DataDirectoryError, match="newer"):
        Store(tmp_path / "smsrack.db")


def test_the_directory_is_private_and_for_one_process(tmp_path):
    path = tmp_path / "data"
    with DataDirectory(path).locked() as data:
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert len(data.web_secret()) == 64
        assert data.web_secret() == data.web_secret()
        assert stat.S_IMODE((path / "web_secret").stat().st_mode) == 0o600
        with pytest.raises(DataDirectoryError, match="another smsrack"), DataDirectory(path).locked():
            pass
    with DataDirectory(path).locked():
        pass


def test_a_directory_that_others_may_enter_is_refused(tmp_path):
    path = tmp_path / "data"
    path.mkdir(mode=0o755)
    with pytest.raises(DataDirectoryError, match="chmod 700"), DataDirectory(path).locked():
        pass


def test_a_path_that_no_socket_can_have_is_refused(tmp_path):
    with pytest.raises(DataDirectoryError, match="too long"):
        DataDirectory.checked_socket(tmp_path / ("x" * 120))


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirectoryError, match="cannot use"), DataDirectory(tmp_path / "file" / "data").locked():
        pass
