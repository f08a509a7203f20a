"""`smsrack inbox words` and `smsrack inbox policy`: the rules for what comes in."""

from __future__ import annotations

from typing import Any

import click

from host_controller.cli.api_options import api_command, api_options, call_with_api, console, show_json
from host_controller.cli.lists import make_table
from host_controller.client import ApiClient
from host_controller.consent.policy import Bars, ForwardPolicy
from host_controller.text.stop_tables import STOP_TABLES

_NO_ANSWER = "none"
_LIST = click.Choice(list(STOP_TABLES.by_name()))
_LISTS_HELP = f"LIST is one of: {', '.join(STOP_TABLES.by_name())}."


@click.group(invoke_without_command=True)
@click.pass_context
@api_options
def words(context: click.Context, **options: Any) -> None:
    """What was changed in the lists of STOP words; with --json the lists, too."""
    if context.invoked_subcommand is None:
        call_with_api(_show, **options)


def _show(api: ApiClient, as_json: bool) -> None:
    answer = api.call("GET", "/stop-words")
    if as_json:
        show_json(answer)
        return
    table = make_table("id", "list", "word", "", "by", "at (UTC)")
    for row in answer["edits"]:
        change = "added" if row["is_added"] else "taken out"
        table.add_row(str(row["id"]), row["listed_in"], row["word"], change, row["actor"], row["created_at"])
    console().print(table)
    click.echo(", ".join(f"{name}: {len(entries)} words" for name, entries in answer["lists"].items()))


@words.command(epilog=_LISTS_HELP)
@click.argument("listed_in", metavar="LIST", type=_LIST)
@click.argument("word")
@api_command
def add(api: ApiClient, as_json: bool, listed_in: str, word: str) -> None:
    """Add WORD (or words) to LIST: from the next message on it counts."""
    answer = api.call("POST", "/stop-words", {"list": listed_in, "word": word, "as": "add"})
    show_json(answer) if as_json else click.echo(f"added; `smsrack inbox words undo {answer['id']}` takes it back")


@words.command(epilog=_LISTS_HELP)
@click.argument("listed_in", metavar="LIST", type=_LIST)
@click.argument("word")
@api_command
def drop(api: ApiClient, as_json: bool, listed_in: str, word: str) -> None:
    """Take a shipped WORD out of LIST."""
    answer = api.call("POST", "/stop-words", {"list": listed_in, "word": word, "as": "drop"})
    show_json(answer) if as_json else click.echo(f"taken out; `smsrack inbox words undo {answer['id']}` undoes it")


@words.command()
@click.argument("edit_id", type=int)
@api_command
def undo(api: ApiClient, as_json: bool, edit_id: int) -> None:
    """Take the change EDIT_ID back."""
    answer = api.call("DELETE", f"/stop-words/{edit_id}")
    show_json(answer) if as_json else click.echo("taken back")


@words.command("try")
@click.argument("text")
@api_command
def try_(api: ApiClient, as_json: bool, text: str) -> None:
    """Say what a reply of TEXT would ask for, and by which rule and word."""
    answer = api.call("POST", "/stop-words/try", {"text": text})
    if as_json:
        show_json(answer)
    else:
        word = f": {answer['stop_word']}" if answer["stop_word"] else ""
        click.echo(f"{answer['stop']} ({answer['stop_rule']}{word})")


@click.command()
@click.option("--forward", type=click.Choice([policy.value for policy in ForwardPolicy]), help="What may leave.")
@click.option("--answer", help=f"What a clear STOP is answered with, once; `{_NO_ANSWER}`: nothing.")
@click.option("--bars", type=click.Choice([bars.value for bars in Bars]), help="What an opt-out keeps back.")
@api_command
def policy(api: ApiClient, as_json: bool, forward: str | None, answer: str | None, bars: str | None) -> None:
    """Which messages may leave this host, how a STOP is answered, and what it keeps back; alone: what is chosen."""
    chosen_now = {"forward": forward, "bars": bars}
    wanted: dict[str, str | None] = {name: value for name, value in chosen_now.items() if value is not None}
    if answer is not None:
        wanted["stop_answer"] = None if answer == _NO_ANSWER else answer
    chosen = api.call("PATCH", "/inbox/policy", wanted) if wanted else api.call("GET", "/inbox/policy")
    if as_json:
        show_json(chosen)
    else:
        click.echo(
            f"forward: {chosen['forward']}\nanswer: {chosen['stop_answer'] or _NO_ANSWER}\nbars: {chosen['bars']}"
        )
