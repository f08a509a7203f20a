"""`smsrack odoo retry`, and what `odoo status` says of what an Odoo is still to be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import click

from host_controller.cli.api_options import api_command, console, note_offline, show_json
from host_controller.cli.lists import make_table
from host_controller.client import ApiClient


def show_outboxes(cards: Sequence[dict[str, Any]]) -> None:
    """Print what waits to be told and what was given up, where there is any."""
    table = make_table("odoo", "to be told there", "waiting", "oldest since (UTC)", "given up")
    for card in cards:
        for row in card["outbox"]:
            cells = (row["waiting"], row["oldest_at"], row["gave_up"])
            table.add_row(card["name"], row["object"], *(str(cell) if cell else "–" for cell in cells))
    if not table.row_count:
        return
    click.echo()
    console().print(table)
    for card in cards:
        if any(row["gave_up"] for row in card["outbox"]):
            name = card["name"]
            click.echo(f"`smsrack odoo retry {name} --list` says why it was given up; without --list it waits again")


@click.command()
@click.argument("name")
@click.option("--list", "only_list", is_flag=True, help="Only show what was given up, and why.")
@api_command
def retry(api: ApiClient, as_json: bool, name: str, only_list: bool) -> None:
    """Tell the Odoo called NAME once more what it refused for a week: notes and marks that were given up."""
    path = f"/odoo/{quote(name, safe='')}"
    if not only_list:
        note_offline(api)
        answer = api.call("POST", f"{path}/retry")
        show_json(answer) if as_json else click.echo(f"{answer['retried']} wait again, for the next round")
        return
    answer = api.call("GET", f"{path}/given-up")
    if as_json:
        show_json(answer)
        return
    table = make_table("what", "of", "since (UTC)", "given up (UTC)", "tries", "why")
    for row in answer["given_up"]:
        cells = (row["created_at"], row["done_at"], row["tries"], row["error"] or "–")
        table.add_row(row["object"], row["record"], *(str(cell) for cell in cells))
    console().print(table) if answer["given_up"] else click.echo("nothing was given up")
