"""`smsrack inbox`: what came in, which replies may be a STOP, and reading the last days again."""

from __future__ import annotations

import sys
from typing import Any

import click

from host_controller.cli.api_options import api_command, api_options, call_with_api, console, note_offline, show_json
from host_controller.cli.inbox_rules import policy, words
from host_controller.cli.lists import harmless, make_table, one_line, where
from host_controller.client import ApiClient
from host_controller.inbox.care import Decision

_LIMIT = click.IntRange(1, 1000)
_LONGEST_LIST = 1000


@click.group(invoke_without_command=True)
@click.option("--limit", type=_LIMIT, default=20, show_default=True)
@click.pass_context
@api_options
def inbox(context: click.Context, limit: int, **options: Any) -> None:
    """Messages that came in, newest first."""
    if context.invoked_subcommand is None:
        call_with_api(_list_inbound, limit=limit, undecided=None, **options)


def _list_inbound(api: ApiClient, as_json: bool, limit: int, undecided: str | None) -> None:
    """Show what came in; what waits for a decision in its whole length."""
    shown = harmless if undecided else one_line
    answer = api.call("GET", "/inbox", limit=limit, undecided=undecided)
    if as_json:
        show_json(answer)
        return
    note_offline(api)
    table = make_table("id", "received (UTC)", "from", "text", "stop", "why", "phone")
    for row in answer["inbound"]:
        stop = "" if row["stop"] == "none" else row["stop"]
        why = f"{row['stop_rule']}: {row['stop_word']}" if stop and row["stop_word"] else ""
        decided = f", decided: {row['decision']}" if row["decision"] else ""
        table.add_row(
            str(row["id"]),
            row["received_at"],
            harmless(row["sender"]),
            shown(row["text"]),
            stop + decided,
            why,
            where(row),
        )
    console().print(table)


inbox.add_command(policy)
inbox.add_command(words)


@inbox.command()
@api_command
def suspected(api: ApiClient, as_json: bool) -> None:
    """Replies that may ask for STOP; `inbox decide` says what they are."""
    _list_inbound(api, as_json, _LONGEST_LIST, "true")


@inbox.command()
@click.argument("inbound_id", type=int)
@click.option("--as", "decision", type=click.Choice([d.value for d in Decision]), required=True)
@api_command
def decide(api: ApiClient, as_json: bool, inbound_id: int, decision: str) -> None:
    """Say what the suspected STOP INBOUND_ID is: a stop opts its sender out."""
    answer = api.call("POST", f"/inbox/{inbound_id}/decision", {"as": decision})
    if as_json:
        show_json(answer)
    elif decision == Decision.STOP:
        click.echo(f"opted out; {answer['cancelled']} queued messages cancelled")
    else:
        click.echo("left as it is")


@inbox.command()
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True)
@click.option("--phone", metavar="SERIAL", help="Only this phone.")
@api_command
def rescan(api: ApiClient, as_json: bool, days: int, phone: str | None) -> None:
    """Read the last days again: what was missed is stored and obeyed, what is known stays as it is."""
    answer = api.call("POST", "/inbox/rescan", {"days": days, "phone": phone})
    if as_json:
        show_json(answer)
    else:
        for row in answer["phones"]:
            words = row["error"] or f"{row['read']} messages read, {row['new']} of them new"
            click.echo(f"{row['serial']}: {words}")
    if any(row["error"] for row in answer["phones"]):
        sys.exit(1)
