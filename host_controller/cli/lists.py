"""`smsrack status | messages`: what the daemon knows."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import click
from rich.table import Table

from host_controller.cli.api_options import api_command, console, note_offline, show_json
from host_controller.cli.control import hold_line
from host_controller.client import ApiClient
from host_controller.rules.states import MessageState

_STATES = click.Choice([state.value for state in MessageState])
_FOLDED = ("text", "why", "by", "stop", "lifted (UTC)")
_LEAST_WIDTHS = {"text": 20, "why": 12, "stop": 9}
# Control characters, and those that turn the direction of what follows.
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LIMIT = click.IntRange(1, 1000)


@click.command()
@api_command
def status(api: ApiClient, as_json: bool) -> None:
    """Totals by state, and what the rack is doing."""
    answer = api.call("GET", "/status")
    if as_json:
        show_json(answer)
        return
    note_offline(api)
    for name, count in answer["totals"].items():
        click.echo(f"{name.replace('_', ' '):<12}{count:>8}")
    for job in answer["jobs"]:
        ran = f"last run {job['last_run_at']} took {job['duration_s']:.3f} s" if job["last_run_at"] else "not yet run"
        click.echo(f"job {job['name']:<9} every {job['interval_s']:g} s, {ran}, next {job['next_run_at']}")
        if job["last_error"]:
            click.echo(f"    {job['last_error']}")
    ready = sum(phone["status"] == "ready" for phone in answer["phones"])
    click.echo(f"\n{ready} of {len(answer['phones'])} phones ready")
    if answer["queue_parts"]:
        click.echo(f"{answer['queue_parts']} parts wait{_words_of_outlook(answer, ready)}")
    if answer["totals"]["suspected"]:
        click.echo(f"{answer['totals']['suspected']} replies may ask for STOP: `smsrack inbox suspected`")
    for notice in answer["notices"]:
        click.echo(f"ALARM: {notice}")
    if answer["trouble"]:
        click.echo(answer["trouble"])
    for hold in answer["holds"]:
        click.echo(hold_line(hold))


def _words_of_outlook(status: dict[str, Any], ready: int) -> str:
    """Say what the waiting parts wait for, after their number; of an answer of `GET /status`."""
    held, empty_at = status["queue_held_parts"], status["queue_empty_at"]
    if held == status["queue_parts"]:
        return " for a person: `smsrack why`"
    if empty_at is not None:
        who = f", {held} of them for a person; the others" if held else "; they"
        return f"{who} will have gone about {datetime.fromisoformat(empty_at).astimezone():%Y-%m-%d %H:%M %Z}"
    return "; by the limits of the SIMs they will not have gone within a year" if ready else " for a phone"


@click.command()
@click.argument("message_id", type=int, required=False)
@click.option("--state", type=_STATES, help="Only messages in this state.")
@click.option("--batch", metavar="NAME", help="Only messages of this batch.")
@click.option("--limit", type=_LIMIT, default=20, show_default=True)
@click.option("--before", type=int, metavar="ID", help="Only older ones than this.")
@api_command
def messages(
    api: ApiClient,
    as_json: bool,
    message_id: int | None,
    state: str | None,
    batch: str | None,
    limit: int,
    before: int | None,
) -> None:
    """Messages, newest first; with MESSAGE_ID, all that happened to one."""
    if message_id is not None:
        _show_message(api.call("GET", f"/messages/{message_id}"), as_json)
        return
    answer = api.call("GET", "/messages", state=state, batch=batch, limit=limit, before=before)
    if as_json:
        show_json(answer)
        return
    note_offline(api)
    table = make_table("id", "to", "text", "parts", "state", "why", "phone")
    for message in answer["messages"]:
        table.add_row(
            str(message["id"]),
            message["number"],
            one_line(message["text"]),
            str(message["parts"]),
            message["state"],
            message["waiting_for"] or message["error_message"] or "",
            where(message),
        )
    console().print(table)


def _show_message(message: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(message)
        return
    click.echo(f"message {message['id']} to {message['number']}, {message['parts']} parts: {message['state']}")
    batch = f", batch {message['batch']}" if message["batch"] else ""
    expiry = f", expires at {message['expires_at']}" if message["expires_at"] else ""
    click.echo(f"{message['class']}{batch}{expiry}")
    table = make_table("when (UTC)", "state", "by", "why")
    for event in message["events"]:
        table.add_row(event["at"], event["new_state"], event["actor"], event["reason"])
    console().print(table)


def make_table(*columns: str) -> Table:
    """A table for people: long texts are folded, all else stays in one piece."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        # A narrow terminal must not squeeze a text to nothing.
        least = _LEAST_WIDTHS.get(column)
        table.add_column(column, overflow="fold", no_wrap=column not in _FOLDED, min_width=least)
    return table


def one_line(text: str) -> str:
    """The beginning of a text, on one line."""
    line = harmless(text)
    return line if len(line) <= 60 else line[:59] + "…"


def harmless(text: str) -> str:
    """A text of a stranger on one line, without what a terminal obeys."""
    return " ".join("".join(c for c in text if c.isspace() or not _OBEYED.match(c)).split())


def where(row: dict[str, Any]) -> str:
    """Phone and SIM of a row."""
    if row["phone"] is None:
        return ""
    return f"{row['phone']}" + ("" if row["sim_slot"] is None else f" SIM {row['sim_slot'] + 1}")
