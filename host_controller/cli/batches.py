"""`smsrack batches`: messages that belong together, listed, made, moved and cancelled as one."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

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
from host_controller.cli.times import CLASS, MOMENT, RackTimes
from host_controller.client import ApiClient
from host_controller.rules.classes import MessageClass
from host_controller.rules.sticky import SimMode

_MODES = click.Choice([mode.value for mode in SimMode])


@click.group(invoke_without_command=True)
@click.pass_context
@api_options
def batches(context: click.Context, **options: Any) -> None:
    """Batches of messages; without a command: the list, newest first."""
    if context.invoked_subcommand is None:
        call_with_api(_list_batches, **options)


def _list_batches(api: ApiClient, as_json: bool) -> None:
    answer = api.call("GET", "/batches")
    if as_json:
        show_json(answer)
        return
    note_offline(api)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("batch", "class", "messages", "states", "not before (UTC)", "not after (UTC)"):
        table.add_column(column, overflow="fold", no_wrap=column != "states")
    for row in answer["batches"]:
        states = _states(row)
        table.add_row(
            row["name"], row["class"], str(row["total"]), states, row["not_before"] or "", row["not_after"] or ""
        )
    console().print(table)


@batches.command("show")
@click.argument("name")
@api_command
def show_batch(api: ApiClient, as_json: bool, name: str) -> None:
    """The batch NAME: its class, window, SIMs, and how many of its messages are in each state."""
    row = api.call("GET", _path(name))
    show_json(row) if as_json else _show(row)


@batches.command("add")
@click.argument("name")
@click.option("--class", "message_class", type=CLASS, default=MessageClass.TRANSACTIONAL.value, show_default=True)
@click.option("--not-before", type=MOMENT, help="Nothing goes earlier; without a zone in the rack's.")
@click.option("--not-after", type=MOMENT, help="What has not gone by then expires.")
@click.option("--sim-mode", type=_MODES, default=SimMode.AUTO.value, show_default=True)
@click.option("--sims", default="", help="SIMs for single (one) or split (in turn), with commas between.")
@api_command
def add_batch(
    api: ApiClient,
    as_json: bool,
    name: str,
    message_class: str,
    not_before: datetime | None,
    not_after: datetime | None,
    sim_mode: str,
    sims: str,
) -> None:
    """Make the batch NAME before its first message."""
    times = RackTimes(api)
    body = {
        "name": name,
        "class": message_class,
        "not_before": times.json(not_before),
        "not_after": times.json(not_after),
        "sim_mode": sim_mode,
        "sims": [sim.strip() for sim in sims.split(",") if sim.strip()],
    }
    row = api.call("POST", "/batches", body)
    show_json(row) if as_json else _show(row)


@batches.command("window")
@click.argument("name")
@click.option("--not-before", type=MOMENT, help="Nothing goes earlier; without a zone in the rack's.")
@click.option("--not-after", type=MOMENT, help="What has not gone by then expires.")
@click.option("--no-not-before", "no_beginning", is_flag=True, help="It may go at once.")
@click.option("--no-not-after", "no_end", is_flag=True, help="It has no end.")
@api_command
def change_window(
    api: ApiClient,
    as_json: bool,
    name: str,
    not_before: datetime | None,
    not_after: datetime | None,
    no_beginning: bool,
    no_end: bool,
) -> None:
    """Move the window of the batch NAME, and with it what is queued."""
    times, changes = RackTimes(api), {}
    for key, at, is_open in (("not_before", not_before, no_beginning), ("not_after", not_after, no_end)):
        if at is not None and is_open:
            raise click.UsageError(f"give a time or none for {key}, not both")
        if at is not None or is_open:
            changes[key] = times.json(at)
    if not changes:
        raise click.UsageError("say what is to change")
    row = api.call("PATCH", _path(name), changes)
    show_json(row) if as_json else _show(row)


@batches.command("cancel")
@click.argument("name")
@click.option("--reason", required=True, help="Why; it stays on record.")
@api_command
def cancel_batch(api: ApiClient, as_json: bool, name: str, reason: str) -> None:
    """Cancel what is queued of the batch NAME."""
    answer = api.call("POST", f"{_path(name)}/cancel", {"reason": reason})
    show_json(answer) if as_json else click.echo(f"{answer['messages']} queued messages cancelled")


def _path(name: str) -> str:
    return f"/batches/{quote(name, safe='')}"


def _show(row: dict[str, Any]) -> None:
    click.echo(f"batch {row['name']}, {row['class']}, made {row['created_at']} by {row['actor']}")
    if row["not_before"]:
        click.echo(f"not before {row['not_before']}")
    if row["not_after"]:
        click.echo(f"not after  {row['not_after']}")
    if row["sims"]:
        click.echo(f"{row['sim_mode']}: SIM {', '.join(map(str, row['sims']))}")
    click.echo(f"{row['total']} messages{': ' if row['total'] else ''}{_states(row)}")


def _states(row: dict[str, Any]) -> str:
    return ", ".join(f"{count} {state}" for state, count in row["counts"].items() if count)
