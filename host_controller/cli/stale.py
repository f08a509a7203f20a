"""`smsrack stale`: what an outage has made too late to go by itself, seen, released and cancelled."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table

from host_controller.cli.api_options import (
    api_command,
    api_options,
    call_with_api,
    console,
    note_offline,
    show_json,
)
from host_controller.cli.control import whoever
from host_controller.client import ApiClient

_BATCH = click.option("--batch", metavar="NAME", help="Only of this batch.")
_REASON = click.option("--reason", required=True, help="Why; it stays on record.")


@click.group(invoke_without_command=True)
@click.pass_context
@api_options
def stale(context: click.Context, **options: Any) -> None:
    """Messages that an outage has made late and that are held; without a command: how many, batch by batch."""
    if context.invoked_subcommand is None:
        call_with_api(_list_stale, **options)


def _list_stale(api: ApiClient, as_json: bool) -> None:
    answer = api.call("GET", "/stale")
    if as_json:
        show_json(answer)
        return
    note_offline(api)
    if not answer["groups"]:
        click.echo("nothing is stale")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("batch", "messages", "oldest (UTC)"):
        table.add_column(column, justify="right" if column == "messages" else "left")
    for group in answer["groups"]:
        table.add_row(group["batch"] or "–", str(group["messages"]), group["oldest_at"])
    console().print(table)
    click.echo(
        "`smsrack stale release` lets them go, `smsrack stale cancel` cancels them; both for all or for --batch NAME"
    )


@stale.command("release")
@_BATCH
@_REASON
@api_command
def release_stale(api: ApiClient, as_json: bool, batch: str | None, reason: str) -> None:
    """Let them go in their turn."""
    _act(api, as_json, "release", batch, reason, "may go")


@stale.command("cancel")
@_BATCH
@_REASON
@api_command
def cancel_stale(api: ApiClient, as_json: bool, batch: str | None, reason: str) -> None:
    """Cancel them."""
    _act(api, as_json, "cancel", batch, reason, "are cancelled")


def _act(api: ApiClient, as_json: bool, verb: str, batch: str | None, reason: str, words: str) -> None:
    answer = api.call("POST", f"/stale/{verb}", {"batch": batch, "reason": reason, "by": whoever()})
    show_json(answer) if as_json else click.echo(f"{answer['messages']} stale messages {words}")
