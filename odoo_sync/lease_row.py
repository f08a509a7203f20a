"""The row of `sms.sms` by which one smsrack says that it sends for a database: reading, writing and freeing it.

A cancelled SMS to nobody. Its uuid ends in a generation; its text is the holder's last sign of life, and its host.
"""

from __future__ import annotations

import hashlib
import socket
from dataclasses import dataclass
from typing import Any

from odoo_sync.client import OdooClient

PREFIX = hashlib.sha256(b"smsrack lease").hexdigest()[:24]
"""How the uuid of a lease begins; eight digits of its generation follow."""
_WORDS = "This row says which smsrack sends for this database. Leave it here. "
_FIELDS = ["id", "uuid", "body", "to_delete", "create_date", "write_date"]


@dataclass(frozen=True)
class LeaseRow:
    """The newest generation of the lease on a database."""

    id: int
    generation: int
    beat: str
    """The holder's last sign of life."""
    host: str
    """Where the holder runs; empty where it did not say."""
    since: str
    """When the holder, since its last start, took it, and..."""
    seen_at: str
    """...when it last gave a sign of life: in UTC, by Odoo's clock, as Odoo writes it."""
    is_free: bool
    """Somebody has marked it for Odoo's vacuum; until that takes it, its uuid cannot be used again."""

    def __str__(self) -> str:
        """Say who holds it, to a person."""
        where = self.host or "a host that it does not name"
        return f"on {where}, since {self.since}, last seen alive at {self.seen_at} (UTC, by Odoo's clock)"


def read_lease(client: OdooClient) -> LeaseRow | None:
    """Give the lease on a database; None where nobody ever took it. Raises OdooSyncError."""
    domain, options = [["uuid", "=like", f"{PREFIX}%"]], {"limit": 1, "order": "uuid desc"}
    rows = client.call("sms.sms", "search_read", [domain, _FIELDS], options)
    return _read(rows[0]) if rows else None


def create_lease(client: OdooClient, generation: int, beat: str) -> None:
    """Take a lease over. Raises OdooDuplicateError where another did, and OdooSyncError."""
    values = {"uuid": f"{PREFIX}{generation:08x}", "state": "canceled", "body": _body(beat), "number": False}
    client.call("sms.sms", "create", [values], {})


def renew_lease(client: OdooClient, row: LeaseRow, beat: str) -> None:
    """Give a sign of life; only its holder may. Raises OdooSyncError."""
    client.call("sms.sms", "write", [[row.id], {"body": _body(beat)}], {})


def free_lease(client: OdooClient, row: LeaseRow) -> None:
    """Let whoever asks next have it; Odoo's daily vacuum takes the row away. Raises OdooSyncError."""
    client.call("sms.sms", "write", [[row.id], {"to_delete": True}], {})


def _body(beat: str) -> str:
    return f"{_WORDS}{beat} {socket.gethostname()}"


def _read(row: dict[str, Any]) -> LeaseRow:
    beat, _, host = str(row["body"]).removeprefix(_WORDS).partition(" ")
    generation = int(row["uuid"][len(PREFIX) :], 16)
    return LeaseRow(row["id"], generation, beat, host, row["create_date"], row["write_date"], row["to_delete"])
