"""Takes back what setup has made and changed in an Odoo, the newest first: no more and no less."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from odoo_sync.setup.changes import PARAMETERS, Made
from odoo_sync.setup.provision import OwnRow
from odoo_sync.setup.records import Record
from odoo_sync.setup.site import Site

_MODELS = {
    "iap.account": "the SMS account",
    "ir.model.access": "the access right",
    "res.groups": "the group",
    "res.partner": "the contact",
    "res.users": "the user",
}


@dataclass(frozen=True)
class Undoing:
    """One thing to take back."""

    words: str
    run: Callable[[], str]
    """Does it, and says how it went. Raises OdooSyncError; may be repeated."""


def undo_plan(site: Site, records: Iterable[Record]) -> Sequence[Undoing]:
    """Say what is to be taken back in a database, in this order. Changes nothing. Raises OdooSyncError.

    `records` are those that the settings lead to: they say what was being made when an answer was lost.
    """
    known = {record.name: record for record in records}
    own = [site.provisioner.completed(row, known.get(row.name)) for row in site.provisioner.rows()]
    changes = [Undoing(_change_words(made), partial(_take_back, site, made)) for made in site.changes.made()]
    rows = [Undoing(_row_words(site, row), partial(_remove, site, row)) for row in own]
    return [*changes, *rows]


def _take_back(site: Site, made: Made) -> str:
    return site.changes.take_back(made).value


def _remove(site: Site, row: OwnRow) -> str:
    return "removed" if site.provisioner.remove(row) else "in use, so it was archived"


def _row_words(site: Site, row: OwnRow) -> str:
    title = site.provisioner.title(row)
    return f"remove {_MODELS.get(row.model, row.model)} {title!r}" if title else f"forget {row.name}, which is gone"


def _change_words(made: Made) -> str:
    if made.model == PARAMETERS:
        return f"put back the system parameter {_values(made)}"
    if made.model == "ir.cron":
        effect = "; from then on Odoo sends what waits by itself" if made.was.get("active") else ""
        return f"put back Odoo's SMS cron: {_values(made)}{effect}"
    return f"put back {', '.join(made.was)} of {_MODELS.get(made.model, made.model)} ({made.name})"


def _values(made: Made) -> str:
    return ", ".join(f"{name} = {was if was or name == 'active' else '(none)'}" for name, was in made.was.items())
