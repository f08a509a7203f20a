"""A database that is damaged, lost, out of reach or on a network is refused before the store opens it."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from host_controller.errors import DataDirectoryError
from host_controller.store import database_guard
from host_controller.store.database_guard import check_place, file_system_of
from host_controller.store.models import OptOutRecord
from host_controller.store.store import Store

MOUNTS = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 27 0:30 / /srv rw - nfs4 nas:/srv rw,vers=4.2
32 31 254:1 / /srv/local rw shared:7 master:1 - xfs /dev/vdb rw
33 27 0:31 / /mnt/the\040office\134share rw - cifs //office/share rw
34 27 0:32 / /home/anna/cloud rw - fuse.sshfs anna@host: rw
35 27 0:33 / /home/anna/safe rw - fuse.gocryptfs /home/anna/.safe rw
36 27 0:34 / /auto rw - autofs systemd-1 rw
37 36 0:35 / /auto rw - nfs nas:/auto rw
38 27 0:36 / /mnt/c rw - 9p C: rw
a line that says nothing
"""
NOBODY = 65534


@pytest.fixture
def database(tmp_path):
    """A database of many pages, closed, with no log beside it."""
    path = tmp_path / "smsrack.db"
    with closing(Store(path)) as store:
        now = datetime.now(UTC)
        store.write(
            lambda session: session.add_all(
                OptOutRecord(msisdn=f"+42077{n:07d}", source="test", actor="test " * 20, created_at=now)
                for n in range(2000)
            )
        )
    assert path.stat().st_size > 50 * 4096
    return path


@contextmanager
def ordinary_user():
    """Somebody whom permissions stop; root becomes nobody."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def place():
    """A directory with a database that an ordinary user can reach."""
    directory = Path(tempfile.mkdtemp(prefix="sr"))
    Store(directory / "smsrack.db").close()
    if os.geteuid() == 0:
        for path in (directory, *directory.iterdir()):
            os.chown(path, NOBODY, NOBODY)
    yield directory
    directory.chmod(0o700)
    shutil.rmtree(directory)


def test_a_sound_database_is_opened_again_and_the_check_leaves_it_alone(database):
    before = database.read_bytes()
    database_guard.guard_database(database)
    assert database.read_bytes() == before
    Store(database).close()


def test_a_log_that_a_killed_daemon_left_is_read_with_the_database(database, tmp_path):
    with closing(sqlite3.connect(database, isolation_level=None)) as writer:
        writer.execute("DELETE FROM opt_out WHERE id > 10")
        crashed = tmp_path / "crashed.db"
        shutil.copy(database, crashed)
        shutil.copy(f"{database}-wal", f"{crashed}-wal")
    with closing(Store(crashed)) as store, store.reading() as session:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM opt_out").scalar() == 10


def flip_bytes_in_the_middle_of_pages(raw):
    dice = random.Random(7)
    for page in range(4096, len(raw), 3 * 4096):
        for _ in range(200):
            raw[page + dice.randrange(4096)] ^= 0xFF


def garble_the_schema(raw):
    """SQLite quotes this in its error; it is no text, and could be anybody's."""
    start = raw.index(b"CREATE TABLE message ")
    raw[start : start + 12] = b"\xbd+420777123\xbd"


def zero_a_page_in_the_middle(raw):
    middle = len(raw) // 2 // 4096 * 4096
    raw[middle : middle + 4096] = bytes(4096)


def cut_in_half(raw):
    del raw[len(raw) // 2 :]


def cut_within_the_first_page(raw):
    del raw[1000:]


def destroy_the_header(raw):
    raw[:100] = b"x" * 100


def write_something_else(raw):
    raw[:] = b"This was a database once.\n" * 500


@pytest.mark.parametrize(
    "damage",
    [
        flip_bytes_in_the_middle_of_pages,
        garble_the_schema,
        zero_a_page_in_the_middle,
        cut_in_half,
        cut_within_the_first_page,
        destroy_the_header,
        write_something_else,
    ],
)
def test_a_damaged_database_is_refused_and_stays_as_it_is(database, damage):
    raw = bytearray(database.read_bytes())
    damage(raw)
    database.write_bytes(raw)
    with pytest.raises(DataDirectoryError, match=r"is damaged .*smsrack restore FILE") as caught:
        Store(database)
    assert "\n" not in str(caught.value)
    assert "+420" not in str(caught.value)
    assert database.read_bytes() == raw


def test_the_log_of_a_damaged_database_is_not_thrown_away(database):
    log = database.with_name("smsrack.db-wal")
    with closing(sqlite3.connect(database, isolation_level=None)) as writer:
        writer.execute("UPDATE opt_out SET actor = 'nobody' WHERE id = 10")
        commits = log.read_bytes()
        raw = bytearray(database.read_bytes())
    destroy_the_header(raw)
    database.write_bytes(raw)
    log.write_bytes(commits)
    with pytest.raises(DataDirectoryError, match="is damaged"):
        Store(database)
    assert log.read_bytes() == commits


def test_an_empty_file_is_not_taken_for_a_first_start(database):
    os.truncate(database, 0)
    with pytest.raises(DataDirectoryError, match=r"empty file.*smsrack restore"):
        Store(database)


@pytest.mark.parametrize("lose", [Path.unlink, lambda path: os.truncate(path, 0)])
def test_a_log_without_its_database_is_not_thrown_away(tmp_path, lose):
    database, log = tmp_path / "smsrack.db", tmp_path / "smsrack.db-wal"
    log.write_bytes(b"commits")
    database.touch()
    lose(database)
    with pytest.raises(DataDirectoryError, match="only its log is left"):
        Store(database)
    assert log.read_bytes() == b"commits"


def test_a_database_that_another_program_has_locked_is_not_called_damaged(database, monkeypatch):
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, timeout=0, **options))
    with closing(connect(database, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DataDirectoryError, match=r"cannot read the database.*locked"):
            database_guard.check_condition(database)


@pytest.mark.parametrize(("name", "mode"), [("", 0o500), ("smsrack.db", 0o400), ("smsrack.db", 0o200)])
def test_a_place_that_cannot_be_written_is_refused(place, name, mode):
    (place / name).chmod(mode)
    with ordinary_user(), pytest.raises(DataDirectoryError, match="cannot be written") as caught:
        Store(place / "smsrack.db")
    assert str(place / name) in str(caught.value)


def test_a_place_that_can_be_written_is_not(place):
    with ordinary_user():
        Store(place / "smsrack.db").close()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/smsrack/smsrack.db", "ext4"),
        ("/srv/smsrack/smsrack.db", "nfs4"),
        ("/srvice/smsrack.db", "ext4"),
        ("/srv/local/smsrack.db", "xfs"),
        ("/mnt/the office\\share/smsrack.db", "cifs"),
        ("/home/anna/cloud/d/smsrack.db", "fuse.sshfs"),
        ("/auto/smsrack.db", "nfs"),
    ],
)
def test_the_file_system_of_a_path(path, kind):
    assert file_system_of(Path(path), MOUNTS) == kind


@pytest.mark.parametrize("directory", ["/srv", "/mnt/the office\\share", "/home/anna/cloud", "/auto", "/mnt/c/data"])
def test_a_network_file_system_is_refused(directory):
    with pytest.raises(DataDirectoryError, match=r"network file system \(.*choose a --data-dir on a disk"):
        check_place(Path(directory) / "smsrack.db", MOUNTS)


@pytest.mark.parametrize("directory", ["/srv/local", "/home/anna/safe", "/var/lib/smsrack"])
def test_a_disk_of_this_computer_is_fine(directory):
    check_place(Path(directory) / "smsrack.db", MOUNTS)


def test_a_link_is_followed_to_where_the_database_really_is(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")
    mounts = f"1 0 0:1 / / rw - ext4 /dev/vda rw\n2 1 0:2 / {tmp_path / 'far'} rw - nfs nas:/x rw\n"
    with pytest.raises(DataDirectoryError, match="network"):
        check_place(tmp_path / "near" / "smsrack.db", mounts)


def test_without_a_list_of_mounts_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(database_guard, "_MOUNTS", tmp_path / "none")
    check_place(tmp_path / "smsrack.db")


def test_this_computer_s_own_list_is_understood(tmp_path):
    assert file_system_of(tmp_path.resolve(), Path("/proc/self/mountinfo").read_text("utf-8"))
