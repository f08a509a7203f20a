"""The phone's SMS store: Android's table, the view that a shell may see, and the tool `content`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from device_drivers.simulator.shell import ToolAnswer

INBOX, SENT, OUTBOX, FAILED = 1, 2, 4, 5
# No AUTOINCREMENT: the highest id is used again after its row is gone (TelephonyProvider, all versions).
_SCHEMA = """
CREATE TABLE sms (_id INTEGER PRIMARY KEY, thread_id INTEGER, address TEXT, person INTEGER, date INTEGER,
  date_sent INTEGER DEFAULT 0, protocol INTEGER, read INTEGER DEFAULT 0, status INTEGER DEFAULT -1, type INTEGER,
  reply_path_present INTEGER, subject TEXT, body TEXT, service_center TEXT, locked INTEGER DEFAULT 0,
  sub_id INTEGER DEFAULT -1, error_code INTEGER DEFAULT -1, creator TEXT, seen INTEGER DEFAULT 0);
CREATE VIEW sms_restricted AS SELECT * FROM sms WHERE type=1 OR type=2;
"""
_FOLDERS = {"": None, "inbox": 1, "sent": 2, "draft": 3, "outbox": 4, "failed": 5, "queued": 6}
_NO_ROWS = ToolAnswer(b"No result found.\n")
_USAGE = b"usage: adb shell content [subcommand] [options]\n"
# What a query on the view may do; everything else an SQL text could ask for is denied.
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION}


def _error(words: str) -> bytes:
    """What `content` prints on stderr, with exit status 0."""
    return f"Error while accessing provider:sms\n{words}\n".encode("utf-8", "replace")


_DENIED = _error(
    "java.lang.SecurityException: Permission Denial: reading com.android.providers.telephony.SmsProvider uri"
    " content://sms from pid=4242, uid=2000 requires android.permission.READ_SMS, or grantUriPermission()"
)


@dataclass(frozen=True)
class Row:
    """One stored message, for the control API."""

    row_id: int
    kind: int
    address: str
    body: str
    date_ms: int
    subscription_id: int
    creator: str | None


class SmsStore:
    """The messages of one phone."""

    def __init__(self, *, refuses_select: bool, shell_may_read: bool = True, refuses_hex: bool = False) -> None:
        self._refuses_select = refuses_select
        self._shell_may_read = shell_may_read
        self._refuses_hex = refuses_hex
        self.denied = False
        """Set while the shell's READ_SMS is ignored: queries find nothing, without an error."""
        self.locked = False
        """Set before the first unlock after a boot: the provider is not there."""
        self._db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        # A body may hold half a surrogate pair, which Android stores as it came.
        self._db.text_factory = lambda raw: raw.decode("utf-8", "surrogatepass")
        self._db.executescript(_SCHEMA)

    def insert(
        self,
        kind: int,
        address: str,
        body: str,
        date_ms: int,
        subscription_id: int,
        *,
        date_sent_ms: int = 0,
        creator: str | None = None,
    ) -> int:
        """Add a row; give its id."""
        cursor = self._db.execute(
            "INSERT INTO sms (type, address, body, date, sub_id, date_sent, creator)"
            " VALUES (?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?)",
            (kind, _raw(address), _raw(body), date_ms, subscription_id, date_sent_ms, creator),
        )
        return int(cursor.lastrowid or 0)

    def set_kind(self, row_id: int, kind: int) -> None:
        """Move a row to another folder."""
        self._db.execute("UPDATE sms SET type = ? WHERE _id = ?", (kind, row_id))

    def delete(self, row_id: int) -> None:
        """Delete a row, as a person at the phone does."""
        self._db.execute("DELETE FROM sms WHERE _id = ?", (row_id,))

    def forget_since(self, date_ms: int) -> None:
        """Lose the rows from this moment on, as a restart does with what was not on the flash."""
        self._db.execute("DELETE FROM sms WHERE date >= ?", (date_ms,))

    def rows(self) -> list[Row]:
        """Every row, the invisible ones too."""
        query = "SELECT _id, type, address, body, date, sub_id, creator FROM sms ORDER BY _id"
        return [Row(*values) for values in self._db.execute(query)]

    def close(self) -> None:
        """Give the memory back."""
        self._db.close()

    def content(self, arguments: Sequence[bytes]) -> ToolAnswer:
        """The tool `content`, subcommand `query`."""
        words = [word.decode("utf-8", "replace") for word in arguments]
        if words[:1] != ["query"]:
            return ToolAnswer(stderr=b"[ERROR] Unsupported operation: " + b" ".join(arguments[:1]) + b"\n" + _USAGE)
        options = dict(zip(words[1::2], words[2::2], strict=False))
        unknown = options.keys() - {"--uri", "--user", "--projection", "--where", "--sort"}
        if unknown or len(words) % 2 == 0 or "--uri" not in options:
            return ToolAnswer(stderr=b"[ERROR] Unsupported argument\n" + _USAGE)
        uri = options["--uri"]
        folder = uri.removeprefix("content://sms").strip("/")
        if not uri.startswith("content://sms") or folder not in _FOLDERS:
            return ToolAnswer(stderr=f"Error while accessing provider:{uri}\njava.lang.Exception\n".encode())
        if self.locked:
            return ToolAnswer(stderr=_error("java.lang.IllegalStateException"))
        if not self._shell_may_read:
            return ToolAnswer(stderr=_DENIED)
        return self._query(folder, options)

    def _query(self, folder: str, options: dict[str, str]) -> ToolAnswer:
        where = [f"({options['--where']})"] if options.get("--where") else []
        if _FOLDERS[folder] is not None:
            where.append(f"type={_FOLDERS[folder]}")
        columns = [column.strip() for column in options.get("--projection", "*").split(":")]
        query = f"SELECT {', '.join(columns)} FROM sms_restricted"  # noqa: S608 - not strict, as on Android
        if where:
            query += " WHERE " + " AND ".join(where)
        query += f" ORDER BY {options.get('--sort') or 'date DESC'}"
        asked = " ".join(options.get(key, "") for key in ("--projection", "--where", "--sort")).upper()
        if self._refuses_hex and "HEX(" in asked:
            return ToolAnswer(stderr=_error("java.lang.IllegalArgumentException: Invalid column hex(address)"))
        if self.denied or (self._refuses_select and "SELECT" in asked):
            return _NO_ROWS
        try:
            names, rows = self._read(query)
        except sqlite3.Error as error:
            return ToolAnswer(stderr=_error(f"android.database.sqlite.SQLiteException: {error}"))
        lines = [
            f"Row: {number} " + ", ".join(f"{name}={_shown(value)}" for name, value in zip(names, row, strict=True))
            for number, row in enumerate(rows)
        ]
        return ToolAnswer("".join(line + "\n" for line in lines).encode("utf-8", "replace")) if lines else _NO_ROWS

    def _read(self, query: str) -> tuple[list[str], list[tuple[object, ...]]]:
        self._db.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY)
        try:
            cursor = self._db.execute(query)
            # An expression's own text is its column name.
            return [column[0] for column in cursor.description], cursor.fetchall()
        finally:
            self._db.set_authorizer(None)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _shown(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return "BLOB"
    return f"{value:f}" if isinstance(value, float) else str(value)
