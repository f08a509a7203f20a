"""`smsrack why`: what a message, or the whole queue, waits for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
from rich.table import Table

from host_controller.cli.api_options import api_command, console, note_offline, show_json
from host_controller.client import ApiClient
from host_controller.messaging.why_words import counted


@click.command()
@click.argument("message_id", type=int, required=False)
@api_command
def why(api: ApiClient, as_json: bool, message_id: int | None) -> None:
    """Why the message MESSAGE_ID waits, by which rule and until when; without one, the whole queue."""
    answer = api.call("GET", "/why" if message_id is None else f"/messages/{message_id}/why")
    if as_json:
        show_json(answer)
        return
    if message_id is None:
        note_offline(api)
        _show_queue(answer)
    else:
        _show_message(answer)


def _show_message(answer: dict[str, Any]) -> None:
    words = answer["words"]
    if answer["state"] != "queued":
        click.echo(f"message {answer['message_id']} is {answer['state']}: {words}")
        return
    until = f" until {_time(answer['until'])}" if answer["until"] else ""
    click.echo(f"message {answer['message_id']} waits for {_reason(answer['reason'], 'its turn')}{until}: {words}")
    if answer["ahead"]:
        click.echo(f"{counted(answer['ahead'], 'goes', 'go')} before it")
    if answer["expected_at"]:
        click.echo(f"it goes about {_time(answer['expected_at'])}")
    if answer["sims"]:
        table = _table("phone", "SIM", "waits for", "until", "why")
        for line in answer["sims"]:
            slot, reason = str(line["slot_index"] + 1), _reason(line["reason"], "")
            table.add_row(line["phone"], slot, reason, _time(line["until"]), line["words"])
        console().print(table)


def _show_queue(answer: dict[str, Any]) -> None:
    if not answer["messages"]:
        click.echo("nothing waits")
        return
    table = _table("messages", "wait for", "since", "until", "why", "like")
    for group in answer["groups"]:
        reason = _reason(group["reason"], "their turn")
        since, until = _time(group["oldest_at"]), _time(group["until"])
        table.add_row(str(group["messages"]), reason, since, until, group["words"], str(group["message_id"]))
    console().print(table)
    held = answer["held_parts"]
    who = f", {held} parts of them wait for a person; the others" if held else "; they"
    gone = f"{who} will have gone about {_time(answer['empty_at'])}" if answer["empty_at"] else ""
    click.echo(f"{answer['messages']} messages, {answer['parts']} parts{gone}")
    if answer["trouble"]:
        click.echo(answer["trouble"])


def _reason(code: str | None, nothing: str) -> str:
    return code.replace("_", " ") if code else nothing


def _time(text: str | None) -> str:
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S %Z}" if text else ""


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
