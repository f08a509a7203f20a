"""`smsrack optouts`: who must not be written to."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from host_controller.cli.api_options import api_command, api_options, call_with_api, console, show_json
from host_controller.cli.csv_file import plain_cell, read_table, safe_cell, write_text
from host_controller.cli.lists import make_table
from host_controller.cli.times import RackTimes, read_moment
from host_controller.client import ApiClient
from host_controller.errors import ConfigError

_COLUMNS = ("number", "brand", "source", "actor", "since", "note", "lifted_at", "lifted_by", "lift_reason")
_IMPORTED = ("number", "brand", "note", "since")
_CHUNK = 5000
# A number may begin with a minus sign by mistake: it is not an option.
_NUMBERS = {"ignore_unknown_options": True}


@click.group(invoke_without_command=True)
@click.pass_context
@api_options
def optouts(context: click.Context, **options: Any) -> None:
    """Numbers that must not be written to; without a command: the list, newest first."""
    if context.invoked_subcommand is None:
        call_with_api(_list_optouts, **options)


def _list_optouts(api: ApiClient, as_json: bool) -> None:
    _show(api.call("GET", "/optouts"), as_json)


def _show(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(answer)
        return
    table = make_table("number", "for", "source", "by", "since (UTC)", "why", "lifted (UTC)")
    for row in answer["optouts"]:
        why = row["note"] or (f"{row['rule']}: {row['word']}" if row["word"] else "")
        lifted = f"{row['lifted_at']} by {row['lifted_by']}: {row['lift_reason']}" if row["lifted_at"] else ""
        table.add_row(row["number"], row["brand"] or "all", row["source"], row["actor"], row["created_at"], why, lifted)
    console().print(table)


@optouts.command("add", context_settings=_NUMBERS)
@click.argument("number")
@click.option("--brand", help="Only for messages in this name.")
@click.option("--note", help="Why; it stays on record.")
@api_command
def add_optout(api: ApiClient, as_json: bool, number: str, brand: str | None, note: str | None) -> None:
    """Put NUMBER on the list and cancel what is queued for it."""
    answer = api.call("POST", "/optouts", {"number": number, "brand": brand, "note": note})
    if as_json:
        show_json(answer)
    else:
        click.echo(f"opted out; {answer['cancelled']} queued messages cancelled")


@optouts.command("lift", context_settings=_NUMBERS)
@click.argument("number")
@click.option("--reason", required=True, help="Why; it stays on record.")
@click.option("--brand", help="Only for messages in this name.")
@api_command
def lift_optout(api: ApiClient, as_json: bool, number: str, reason: str, brand: str | None) -> None:
    """Let NUMBER be written to again, whoever had set that."""
    answer = api.call("DELETE", f"/optouts/{quote(number, safe='+')}", {"reason": reason, "brand": brand})
    show_json(answer) if as_json else click.echo(f"{answer['lifted']} opt-outs lifted")


@optouts.command("show", context_settings=_NUMBERS)
@click.argument("number")
@api_command
def show_optout(api: ApiClient, as_json: bool, number: str) -> None:
    """Everything that happened to NUMBER, lifted opt-outs too."""
    answer = api.call("GET", f"/optouts/{quote(number, safe='+')}")
    if as_json or answer["optouts"]:
        _show(answer, as_json)
    else:
        click.echo(f"{answer['number']} was never opted out")


@optouts.command("export")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Into this file instead of standard output.")
@click.option("--lifted", is_flag=True, help="Those that were lifted, too.")
@api_command
def export(api: ApiClient, as_json: bool, output: Path | None, lifted: bool) -> None:
    """The list as CSV; `optouts import` takes it."""
    answer = api.call("GET", "/optouts", lifted="true" if lifted else None)
    if as_json:
        show_json(answer)
        return
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in answer["optouts"]:
        values = {**row, "since": row["created_at"]}
        # A number is digits behind a plus sign; every other cell may come from anybody.
        writer.writerow([row["number"], *(safe_cell(values[name] or "") for name in _COLUMNS[1:])])
    if output is None:
        click.echo(text.getvalue(), nl=False)
    else:
        write_text(output, text.getvalue())
        click.echo(f"{len(answer['optouts'])} opt-outs written to {output}", err=True)


@optouts.command("import")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--note", help="Where the list comes from, for lines without a note.")
@api_command
def import_(api: ApiClient, as_json: bool, file: Path, note: str | None) -> None:
    """Put the numbers of FILE on the list: CSV with the column number, and brand, note and since if wanted."""
    rows = read_table(file, required=("number",), known=_COLUMNS)
    lifted = sum(bool(row.get("lifted_at")) for row in rows)
    if lifted:
        raise ConfigError(f"{file} holds {lifted} opt-outs that were lifted; take those lines out")
    total: dict[str, Any] = {"added": 0, "known": 0, "cancelled": 0, "errors": []}
    times, good = RackTimes(api), []
    for number, row in enumerate(rows, start=1):
        try:
            good.append((number, _imported(row, note, times)))
        except ValueError as error:
            total["errors"].append({"row": number, "message": str(error)})
    for start in range(0, len(good), _CHUNK):
        numbers, chunk = zip(*good[start : start + _CHUNK], strict=True)
        answer = api.call("POST", "/optouts/import", {"optouts": chunk})
        for name in ("added", "known", "cancelled"):
            total[name] += answer[name]
        total["errors"] += [{**bad, "row": numbers[bad["row"] - 1]} for bad in answer["errors"]]
    total["errors"].sort(key=lambda bad: bad["row"])
    if as_json:
        show_json(total)
    else:
        click.echo(f"{total['added']} added, {total['known']} known, {total['cancelled']} queued messages cancelled")
        for bad in total["errors"]:
            click.echo(f"row {bad['row']}: {bad['message']}", err=True)
    if total["errors"]:
        sys.exit(3)


def _imported(row: dict[str, str], note: str | None, times: RackTimes) -> dict[str, str | None]:
    """Give a row as the API takes it. Raises ValueError with words for a person."""
    values = {name: plain_cell(row.get(name, "")).strip() or None for name in _IMPORTED}
    since = times.json(read_moment(values["since"])) if values["since"] else None
    return {**values, "number": values["number"] or "", "note": values["note"] or note, "since": since}
