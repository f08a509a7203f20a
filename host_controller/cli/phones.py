"""`smsrack phones`: the rack, and what an operator does with it."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table

from host_controller.cli.api_options import api_command, api_options, call_with_api, console, note_offline, show_json
from host_controller.client import ApiClient
from host_controller.settings import MAX_PARTS


@click.group(invoke_without_command=True)
@click.pass_context
@api_options
def phones(context: click.Context, **options: Any) -> None:
    """The phones of the rack; without a command: every one in sight, and enrolled ones that are not."""
    if context.invoked_subcommand is None:
        call_with_api(_list_phones, **options)


def _list_phones(api: ApiClient, as_json: bool) -> None:
    answer = api.call("GET", "/phones")
    if as_json:
        show_json(answer)
        return
    note_offline(api)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("phone", "model", "status", "battery", "SIM", "operator", "signal", "today", "id"):
        table.add_column(column, overflow="fold", no_wrap=column in ("phone", "status", "signal"))
    for phone in answer["phones"]:
        battery = "" if phone["battery_percent"] is None else f"{phone['battery_percent']} %"
        head = (phone["serial"], phone["model"] or "", phone["status"], battery)
        for row in _sim_rows(phone):
            table.add_row(*head, *row)
            head = ("", "", "", "")
    console().print(table)
    for phone in answer["phones"]:
        if phone["advice"]:
            click.echo(f"{phone['serial']}: {phone['advice']}")


def _sim_rows(phone: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for sim in phone["sims"]:
        signal = "" if sim["signal_dbm"] is None else f"{sim['signal_dbm']} dBm"
        limit = "" if sim["parts_per_day"] is None else f" / {sim['parts_per_day']}"
        today = f"{sim['sent_parts_today']}{limit}"
        rows.append((str(sim["slot_index"] + 1), sim["operator"] or "", signal, today, str(sim["id"])))
    return rows or [("", "", "", "", "")]


@phones.command()
@click.argument("serial")
@api_command
def enrol(api: ApiClient, as_json: bool, serial: str) -> None:
    """Let the phone SERIAL send from now on."""
    answer = api.call("POST", f"/phones/{serial}/enrol")
    show_json(answer) if as_json else click.echo(f"{answer['serial']} is being enrolled; see `smsrack phones`")


@phones.command()
@click.argument("serial")
@api_command
def release(api: ApiClient, as_json: bool, serial: str) -> None:
    """Let the phone SERIAL, which was held, send again."""
    answer = api.call("POST", f"/phones/{serial}/release")
    show_json(answer) if as_json else click.echo(f"{answer['serial']} is released")


@phones.command()
@click.argument("sim_id", type=int)
@click.option("--per-minute", type=click.IntRange(1, 6000), help="Parts a minute.")
@click.option("--per-day", type=click.IntRange(MAX_PARTS), help="Parts a day.")
@click.option("--no-per-day", is_flag=True, help="No limit a day.")
@api_command
def limit(
    api: ApiClient, as_json: bool, sim_id: int, per_minute: int | None, per_day: int | None, no_per_day: bool
) -> None:
    """Change the limits of a SIM; `smsrack phones` shows its id in the last column."""
    changes: dict[str, Any] = {}
    if per_minute is not None:
        changes["parts_per_minute"] = per_minute
    if per_day is not None or no_per_day:
        changes["parts_per_day"] = None if no_per_day else per_day
    if not changes:
        raise click.UsageError("say what to change: --per-minute, --per-day or --no-per-day")
    answer = api.call("PATCH", f"/sims/{sim_id}", changes)
    show_json(answer) if as_json else click.echo(f"SIM {sim_id}: limits changed")
