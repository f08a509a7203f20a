"""Copies of a database in use, and the way back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from host_controller.errors import BackupError, DataDirectoryError
from host_controller.store import restore as restore_module
from host_controller.store.backup import write_backup
from host_controller.store.models import MessageEvent, MessageRecord
from host_controller.store.restore import JOURNAL_KEPT, restore_backup
from host_controller.store.store import Store

NOW = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=2)


def add_message(store, n, state="queued", at=NOW):
    def work(session):
        message = MessageRecord(
            uid=n, msisdn="+420777123456", text="Ahoj", part_count=1, state=state, created_at=at, changed_at=at
        )
        session.add(message)
        session.flush()
        session.add(
            MessageEvent(message_id=message.id, at=at, old_state=None, new_state=state, actor="test", reason="")
        )

    store.write(work)


def uids(database):
    with closing(Store(database)) as store, store.reading() as session:
        return set(session.scalars(select(MessageRecord.uid)))


def ask(database, query):
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def change(database, *statements):
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def names(directory):
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def place(tmp_path):
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "data"


@pytest.fixture
def database(place):
    """A database with the messages 1 to 3, closed."""
    path = place / "smsrack.db"
    with closing(Store(path)) as store:
        for n in (1, 2, 3):
            add_message(store, n)
    return path


@pytest.fixture
def copy(tmp_path):
    return tmp_path / "elsewhere" / "copy.db"


@pytest.fixture
def backup(database, copy):
    write_backup(database, copy, now=NOW)
    return copy


def test_a_backup_while_others_write_is_whole(database, copy):
    committed, stop, warm = [3], threading.Event(), threading.Event()

    def write_on(store):
        n = 3
        while not stop.is_set():
            n += 1
            add_message(store, n)
            committed[0] = n
            if n == 30:
                warm.set()

    with closing(Store(database)) as store:
        writer = threading.Thread(target=write_on, args=(store,))
        writer.start()
        assert warm.wait(60)
        for _ in range(10):
            before = committed[0]
            made = write_backup(database, copy, now=NOW, overwrite=True)
            after = committed[0] + 1
            assert ask(copy, "PRAGMA integrity_check") == [("ok",)]
            found = [uid for (uid,) in ask(copy, "SELECT uid FROM message ORDER BY uid")]
            # Everything up to one moment during the backup, and each transaction whole.
            assert found == list(range(1, made.messages + 1))
            assert before <= made.messages <= after
            assert ask(copy, "SELECT count(*) FROM message_event") == [(made.messages,)]
        stop.set()
        writer.join(60)
    assert not writer.is_alive()


def test_a_writer_is_not_held_up_by_a_backup(database, copy):
    with closing(Store(database)) as store, store.reading() as session:
        # As a backup does: a read lock that lasts.
        assert len(session.scalars(select(MessageRecord)).all()) == 3
        add_message(store, 4)
        assert write_backup(database, copy, now=NOW).messages == 4


def test_a_backup_is_one_private_file_of_known_size(database, copy):
    made = write_backup(database, copy, now=NOW)
    assert (made.path, made.size_bytes, made.messages) == (copy, copy.stat().st_size, 3)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert names(copy.parent) == ["copy.db"]
    assert ask(copy, "PRAGMA journal_mode") == [("delete",)]
    assert ask(copy, "SELECT at FROM backup_made") == [(NOW.isoformat(),)]


def test_commits_that_are_only_in_the_log_of_a_killed_daemon_are_in_the_backup(database, copy, tmp_path):
    with closing(Store(database)) as store:
        add_message(store, 4)
        crashed = tmp_path / "crashed.db"
        shutil.copy(database, crashed)
        shutil.copy(f"{database}-wal", f"{crashed}-wal")
    assert write_backup(crashed, copy, now=NOW).messages == 4


def test_a_file_that_is_there_is_replaced_only_by_force(database, copy):
    copy.write_text("precious")
    with pytest.raises(BackupError, match="--force"):
        write_backup(database, copy, now=NOW)
    assert copy.read_text() == "precious"
    write_backup(database, copy, now=NOW, overwrite=True)
    assert uids(copy) == {1, 2, 3}


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_the_database_itself_is_never_a_target(database, suffix):
    target = database.with_name(database.name + suffix)
    with pytest.raises(BackupError, match="the database itself"):
        write_backup(database, target, now=NOW, overwrite=True)
    assert uids(database) == {1, 2, 3}


def test_a_damaged_database_never_replaces_a_good_backup(database, backup):
    good = backup.read_bytes()
    raw = bytearray(database.read_bytes())
    del raw[len(raw) // 2 :]
    database.write_bytes(raw)
    with pytest.raises(BackupError, match="damaged"):
        write_backup(database, backup, now=NOW, overwrite=True)
    assert backup.read_bytes() == good
    assert names(backup.parent) == ["copy.db"]


def test_an_index_that_does_not_fit_its_table_is_found_before_it_replaces_a_good_backup(database, backup):
    good = backup.read_bytes()
    lose_an_index_entry(database)
    with pytest.raises(BackupError, match=r"is damaged \(.*no backup was written"):
        write_backup(database, backup, now=NOW, overwrite=True)
    assert backup.read_bytes() == good


def lose_an_index_entry(database):
    """Let an index forget a row: the pages are sound, together they are not."""
    change(
        database,
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET sql = sql || ' WHERE id <> 1' WHERE name = 'ix_message_changed_at'",
    )
    change(
        database,
        "REINDEX ix_message_changed_at",
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET sql = replace(sql, ' WHERE id <> 1', '') WHERE name = 'ix_message_changed_at'",
    )


@pytest.mark.parametrize(
    ("target", "words"), [("elsewhere", "is a directory"), ("nowhere/copy.db", "cannot write .*: No such file")]
)
def test_a_place_where_no_file_can_be(database, tmp_path, target, words):
    with pytest.raises(BackupError, match=words):
        write_backup(database, tmp_path / target, now=NOW)


def test_without_a_database_there_is_nothing_to_back_up(place, copy):
    with pytest.raises(BackupError, match="there is no database"):
        write_backup(place / "smsrack.db", copy, now=NOW)
    assert names(place) == []


def test_a_full_disk_leaves_no_file(database, copy, monkeypatch):
    def full(_path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("host_controller.store.backup.make_durable", full)
    with pytest.raises(BackupError, match="No space left"):
        write_backup(database, copy, now=NOW)
    assert names(copy.parent) == []


def test_there_and_back(database, backup):
    with closing(Store(database)) as store:
        add_message(store, 4)
    restored = restore_backup(database, backup, now=LATER)
    assert (restored.as_of, restored.messages, restored.queued) == (NOW, 3, 3)
    assert uids(database) == {1, 2, 3}
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert ask(database, "SELECT count(*) FROM sqlite_master WHERE name = 'backup_made'") == [(0,)]
    assert restored.kept.name == "smsrack.db.before-restore-20260329T140000Z"
    assert uids(restored.kept) == {1, 2, 3, 4}
    assert backup.exists()


def test_what_was_kept_can_be_restored_again(database, backup):
    with closing(Store(database)) as store:
        add_message(store, 4)
    kept = restore_backup(database, backup, now=LATER).kept
    restore_backup(database, kept, now=LATER + timedelta(minutes=1))
    assert uids(database) == {1, 2, 3, 4}


def test_a_restore_where_there_was_nothing(backup, tmp_path):
    (tmp_path / "new").mkdir()
    restored = restore_backup(tmp_path / "new" / "smsrack.db", backup, now=LATER)
    assert restored.kept is None
    assert names(tmp_path / "new") == ["smsrack.db"]


def test_the_log_of_the_old_database_never_gets_into_the_new_one(database, backup):
    # As after a kill: commits that are in the log only.
    with closing(Store(database)) as store:
        add_message(store, 4)
        left = {path: path.read_bytes() for path in database.parent.iterdir()}
    for path, raw in left.items():
        path.write_bytes(raw)
    assert database.with_name("smsrack.db-wal").stat().st_size > 0
    kept = restore_backup(database, backup, now=LATER).kept
    assert names(database.parent) == ["smsrack.db", kept.name]
    assert uids(database) == {1, 2, 3}
    assert uids(kept) == {1, 2, 3, 4}


def test_a_damaged_database_is_replaced_and_kept_with_its_log(database, backup):
    database.write_bytes(b"x" * 8192)
    log = database.with_name("smsrack.db-wal")
    log.write_bytes(b"commits")
    kept = restore_backup(database, backup, now=LATER).kept
    assert kept.read_bytes() == b"x" * 8192
    assert kept.with_name(kept.name + "-wal").read_bytes() == b"commits"
    assert not log.exists()
    assert uids(database) == {1, 2, 3}


def test_a_database_that_is_lost_but_for_its_log_is_replaced(database, backup):
    database.unlink()
    log = database.with_name("smsrack.db-wal")
    log.write_bytes(b"commits")
    assert restore_backup(database, backup, now=LATER).kept is None
    assert uids(database) == {1, 2, 3}


def test_a_program_that_reads_the_database_holds_the_restore_off(database, backup, monkeypatch):
    monkeypatch.setattr(restore_module, "_BUSY_LIMIT_S", 0)
    with closing(Store(database)) as store, store.reading() as session:
        session.scalars(select(MessageRecord)).all()
        with pytest.raises(DataDirectoryError, match="another program has"):
            restore_backup(database, backup, now=LATER)
    assert uids(database) == {1, 2, 3}
    assert [name for name in names(database.parent) if "restore" in name or "part" in name] == []


def test_a_crash_before_the_last_step_leaves_the_old_database_whole(database, backup, monkeypatch):
    with closing(Store(database)) as store:
        add_message(store, 4)

    def crash(_self, _target):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.replace", crash)
    with pytest.raises(KeyboardInterrupt):
        restore_backup(database, backup, now=LATER)
    assert uids(database) == {1, 2, 3, 4}


def test_a_copy_made_by_hand_is_taken_with_its_log(database, copy):
    with closing(Store(database)) as store:
        add_message(store, 4)
        shutil.copy(database, copy)
        shutil.copy(f"{database}-wal", f"{copy}-wal")
    assert restore_backup(database, copy, now=LATER).messages == 4


def flip_bytes(raw):
    for offset in range(4096, len(raw), 61):
        raw[offset] ^= 0xFF


def garble_the_schema(raw):
    """SQLite quotes this in its error; it is no text, and could be anybody's."""
    start = raw.index(b"CREATE TABLE message ")
    raw[start : start + 12] = b"\xbd+420777123\xbd"


def cut(raw):
    del raw[len(raw) // 2 :]


def behead(raw):
    raw[:100] = bytes(100)


def empty(raw):
    raw.clear()


@pytest.mark.parametrize("damage", [flip_bytes, garble_the_schema, cut, behead, empty])
def test_a_damaged_backup_is_refused(database, backup, damage):
    raw = bytearray(backup.read_bytes())
    damage(raw)
    backup.write_bytes(raw)
    before = {path: path.read_bytes() for path in database.parent.iterdir()}
    with pytest.raises(BackupError, match="name another backup") as caught:
        restore_backup(database, backup, now=LATER)
    assert "\n" not in str(caught.value)
    assert "+420" not in str(caught.value)
    assert {path: path.read_bytes() for path in database.parent.iterdir()} == before


def test_a_backup_with_an_index_that_does_not_fit_is_refused(database, backup):
    lose_an_index_entry(backup)
    with pytest.raises(BackupError, match="is damaged"):
        restore_backup(database, backup, now=LATER)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "newer smsrack"),
        ("DELETE FROM alembic_version", "not a database of smsrack"),
        ("DROP TABLE alembic_version", "not a database of smsrack"),
    ],
)
def test_a_backup_of_something_else_is_refused(database, backup, statement, words):
    change(backup, statement)
    with pytest.raises(BackupError, match=words):
        restore_backup(database, backup, now=LATER)
    assert uids(database) == {1, 2, 3}


@pytest.mark.parametrize("name", ["nothing", "data"])
def test_no_file_no_restore(database, tmp_path, name):
    with pytest.raises(BackupError, match="there is no file"):
        restore_backup(database, tmp_path / name, now=LATER)


def test_the_database_is_no_backup_of_itself(database, tmp_path):
    os.link(database, tmp_path / "link.db")
    with pytest.raises(BackupError, match="the database itself"):
        restore_backup(database, tmp_path / "link.db", now=LATER)


def test_a_backup_that_is_too_old_is_restored_only_if_that_is_said(database, backup):
    restore_backup(database, backup, now=NOW + JOURNAL_KEPT)
    too_late = NOW + JOURNAL_KEPT + timedelta(seconds=1)
    with pytest.raises(BackupError, match=r"of 2026-03-29, .* 30 days .*--accept-old"):
        restore_backup(database, backup, now=too_late)
    assert restore_backup(database, backup, now=too_late, accept_old=True).as_of == NOW


def test_a_rack_that_was_quiet_for_long_has_young_backups(database, copy):
    made_at = NOW + timedelta(days=50)
    write_backup(database, copy, now=made_at)
    assert restore_backup(database, copy, now=made_at + timedelta(days=1)).as_of == made_at


def test_a_copy_made_by_hand_is_as_old_as_its_last_event(database, copy):
    shutil.copy(database, copy)
    assert restore_backup(database, copy, now=NOW + timedelta(days=29)).as_of == NOW
    with pytest.raises(BackupError, match="--accept-old"):
        restore_backup(database, copy, now=NOW + timedelta(days=31))


def test_an_age_that_cannot_be_is_refused(database, backup, copy):
    with pytest.raises(BackupError, match="yet to come"):
        restore_backup(database, backup, now=NOW - timedelta(days=1))
    change(backup, "DELETE FROM message_event", "DROP TABLE backup_made")
    with pytest.raises(BackupError, match="does not say of when"):
        restore_backup(database, backup, now=LATER)
    assert restore_backup(database, backup, now=LATER, accept_old=True).as_of is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_restores_belongs_to_the_user_of_the_daemon(database, backup):
    os.chown(database, 65534, 65534)
    restore_backup(database, backup, now=LATER)
    assert (database.stat().st_uid, database.stat().st_gid) == (65534, 65534)
