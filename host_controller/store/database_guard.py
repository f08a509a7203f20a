"""Refuses a database that cannot be trusted with messages: on a network, not writable, damaged or lost.

Looks, and changes nothing; the store asks before it opens.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from host_controller.errors import DataDirectoryError
from host_controller.store.sqlite_file import find_damage, holds_commits, open_read_only, write_ahead_log

_log = logging.getLogger(__name__)

_MOUNTS = Path("/proc/self/mountinfo")
# Their locks, their shared memory or their fsync are not what SQLite's write-ahead log needs (sqlite.org/wal.html).
# FUSE's are written without `fuse.`.
_NETWORK_FILE_SYSTEMS = frozenset(
    "9p acfs afs beegfs ceph ceph-fuse cifs coda davfs davfs2 gcsfuse glusterfs goofys gpfs juicefs lustre mfs "
    "moosefs ncpfs nfs nfs4 orangefs panfs prl_fs pvfs2 rclone s3fs seaweedfs smb3 smbfs smbnetfs sshfs "
    "vboxsf vmhgfs vmhgfs-fuse".split()
)
_RESTORE = "put a backup in its place with `smsrack restore FILE`, see docs/backup.md"


def guard_database(database: Path) -> None:
    """Refuse what a store must not open. Reads the whole file. Raises DataDirectoryError."""
    check_place(database)
    check_condition(database)


def check_place(database: Path, mounts: str | None = None) -> None:
    """Refuse a network, and a place that cannot be written. Raises DataDirectoryError.

    `mounts` is the text of /proc/self/mountinfo. No file is opened: to close one would end SQLite's locks on it.
    """
    kind = file_system_of(database.resolve(), _read_mounts() if mounts is None else mounts)
    if kind and kind.removeprefix("fuse.") in _NETWORK_FILE_SYSTEMS:
        raise DataDirectoryError(
            f"{database.parent} is on a network file system ({kind}), where commits can be lost; "
            "choose a --data-dir on a disk of this computer"
        )
    for path, needed in ((database.parent, os.W_OK | os.X_OK), (database, os.R_OK | os.W_OK)):
        if path.exists() and not os.access(path, needed, effective_ids=True):
            raise DataDirectoryError(
                f"{path} cannot be written by this user; run smsrack as its owner, on a disk that is not read-only"
            )


def check_condition(database: Path) -> None:
    """Refuse a database that is damaged, cut off or lost; none at all is a first start. Raises DataDirectoryError."""
    if not database.exists() or database.stat().st_size == 0:
        _check_absence(database)
        return
    began_s = time.monotonic()
    try:
        with closing(open_read_only(database)) as connection:
            damage = find_damage(connection)
    except sqlite3.Error as error:
        raise DataDirectoryError(f"cannot read the database {database}: {error}") from error
    if damage:
        raise DataDirectoryError(f"the database {database} is damaged ({damage}); {_RESTORE}")
    _log.debug("the database was looked over in %.2f s", time.monotonic() - began_s)


def file_system_of(path: Path, mounts: str) -> str | None:
    """Give the type of the file system that holds an absolute path; None where the text does not say."""
    kind, depth = None, 0
    for line in mounts.split("\n"):
        # proc(5): id, parent, major:minor, root, mount point, options, tags, a dash, type, source, options.
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 6 or not after:
            continue
        mount_point = Path(_unescape(fields[4]))
        # The later one of two on the same place lies on top.
        if path.is_relative_to(mount_point) and len(mount_point.parts) >= depth:
            kind, depth = after.split(" ")[0], len(mount_point.parts)
    return kind


def _check_absence(database: Path) -> None:
    # SQLite would throw away a log without its database, in silence.
    if holds_commits(write_ahead_log(database)):
        raise DataDirectoryError(f"the database {database} is lost, only its log is left; {_RESTORE}")
    if database.exists():
        raise DataDirectoryError(
            f"the database {database} is an empty file; if smsrack has never run here delete it, else {_RESTORE}"
        )


def _read_mounts() -> str:
    try:
        return os.fsdecode(_MOUNTS.read_bytes())
    except OSError:
        return ""


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
