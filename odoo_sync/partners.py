"""Finding the contact that a number is of.

`phone_sanitized` holds one number of a contact in E.164, the mobile first: asked for first, for many at once. What is
not found is looked for in both fields as people wrote them (`phone_mobile_search`), and what Odoo finds by its digits
is held against the number once more here. As seen on Odoo 18; which fields there are the version says (versions.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from host_controller.text.msisdn import parse_sender
from odoo_sync.client import OdooClient
from odoo_sync.traces import traces_of

_FIELDS = ("phone_sanitized", "country_code")
# Each is a comparison of the digits of all contacts.
_AT_ONCE = 20


class Partners:
    """The contacts of one database."""

    def __init__(self, client: OdooClient, home_region: str) -> None:
        self._client = client
        self._home_region = home_region

    def find(self, numbers: Collection[str]) -> dict[str, list[int]]:
        """Give the ids of the contacts of each number (E.164) that has any, the best first. Raises OdooSyncError."""
        found: dict[str, list[int]] = {}
        for row in self._search([["phone_sanitized", "in", sorted(numbers)]]):
            found.setdefault(row["phone_sanitized"], []).append(row["id"])
        missing = sorted(set(numbers) - found.keys())
        for start in range(0, len(missing), _AT_ONCE):
            wanted = missing[start : start + _AT_ONCE]
            domain = [*["|"] * (len(wanted) - 1), *(["phone_mobile_search", "=", number] for number in wanted)]
            for row in self._search(domain):
                for number in self._numbers(row) & set(wanted):
                    found.setdefault(number, []).append(row["id"])
        return found

    def _search(self, domain: Sequence[Any]) -> list[dict[str, Any]]:
        fields = [*_FIELDS, *self._client.capabilities().partner_number_fields]
        return list(self._client.call("res.partner", "search_read", [list(domain), fields], {"order": "id asc"}))

    def _numbers(self, row: dict[str, Any]) -> set[str]:
        region = row["country_code"] or self._home_region
        written = (row[name] for name in self._client.capabilities().partner_number_fields)
        read = (parse_sender(number, region) for number in written if number)
        return {number.e164 for number in read if number}


def chosen(client: OdooClient, partners: Partners, numbers: Collection[str], now: datetime) -> dict[str, int | None]:
    """Give the contact of each number (E.164) that has any, as `choose` does. Raises OdooSyncError."""
    if not numbers:
        return {}
    found = partners.find(numbers)
    several = [number for number, candidates in found.items() if len(candidates) > 1]
    traces = traces_of(client, several, now) if several else {}
    return {
        number: choose(candidates, [trace.res_id for trace in traces.get(number, ()) if trace.model == "res.partner"])
        for number, candidates in found.items()
    }


def choose(candidates: Sequence[int], written_to: Iterable[int]) -> int | None:
    """Give the contact that was written to last, of those that have the number; else the oldest, or None.

    `written_to` are ids of contacts, the last one first.
    """
    known = next((partner for partner in written_to if partner in candidates), None)
    return known if known is not None else next(iter(candidates), None)
