"""What an error of the database means for whoever writes. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.exc import DBAPIError, OperationalError

from host_controller.errors import StoreBrokenError, StoreBusyError, StoreError, StoreFullError

_BUSY = "another program holds the database; it is tried again"
_FULL = "the disk of the database is full; free some space"
_AWAY = "the database does not answer; it is tried again"
# sqlite.org/rescode.html, by the start of the name: extended codes follow it.
_SQLITE: Mapping[str, StoreError] = {
    "SQLITE_BUSY": StoreBusyError(_BUSY),
    "SQLITE_LOCKED": StoreBusyError(_BUSY),
    "SQLITE_NOMEM": StoreBusyError("the computer is out of memory"),
    "SQLITE_FULL": StoreFullError(_FULL),
    "SQLITE_IOERR": StoreBrokenError("the disk of the database reports errors; look after it, then start again"),
    "SQLITE_CORRUPT": StoreBrokenError("the database is damaged; put a backup in its place with `smsrack restore`"),
    "SQLITE_NOTADB": StoreBrokenError("the database is damaged; put a backup in its place with `smsrack restore`"),
    "SQLITE_READONLY": StoreBrokenError("the database cannot be written; look after its disk, then start again"),
    "SQLITE_CANTOPEN": StoreBusyError("the database cannot be opened; it is tried again"),
}
# postgresql.org/docs/current/errcodes-appendix.html, by the start of the code.
_POSTGRESQL: Mapping[str, StoreError] = {
    "08": StoreBusyError(_AWAY),
    "40": StoreBusyError(_BUSY),
    "53100": StoreFullError(_FULL),
    "53": StoreBusyError("the database is short of something; it is tried again"),
    "55P03": StoreBusyError(_BUSY),
    "57": StoreBusyError(_AWAY),
    "58": StoreBrokenError("the database's disk reports errors; look after it, then start again"),
    "XX": StoreBrokenError("the database reports damage; look into its log, then start again"),
}


def explain(error: DBAPIError) -> Exception:
    """Give the StoreError that says what to do, or the error itself where the work is to blame.

    An error that came while another one was dealt with means what the first one meant.
    """
    chain: list[DBAPIError] = []
    link: BaseException | None = error
    while link is not None:
        chain += [link] if isinstance(link, DBAPIError) else []
        link = link.__context__
    meanings = (meaning for earlier in reversed(chain) if (meaning := _explain_one(earlier)) is not earlier)
    return next(meanings, error)


def _explain_one(error: DBAPIError) -> Exception:
    name = getattr(error.orig, "sqlite_errorname", None)
    if name is not None:
        return _match(name, _SQLITE, error)
    code = getattr(error.orig, "sqlstate", None)
    if error.connection_invalidated or (isinstance(error, OperationalError) and code is None):
        return StoreBusyError(_AWAY)  # libpq has no code for a server that cannot be reached
    return _match(code or "", _POSTGRESQL, error)


def _match(code: str, known: Mapping[str, StoreError], error: DBAPIError) -> Exception:
    found = next((known[start] for start in sorted(known, key=len, reverse=True) if code.startswith(start)), None)
    return type(found)(*found.args) if found else error


def first_line(error: DBAPIError) -> str:
    """Give what the database says; libpq names host and user, never the password."""
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__
