"""`smsrack remote`: phones that run the SMS Gateway app."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from host_controller.cli.api_options import api_command, api_options, call_with_api, console, note_offline, show_json
from host_controller.cli.limits import PARTS
from host_controller.cli.lists import make_table
from host_controller.client import ApiClient

_NONE = "none"
_HEARTBEAT = click.option(
    "--heartbeat-limit",
    "heartbeat_limit_minutes",
    type=click.IntRange(1, 1440),
    metavar="MINUTES",
    help="Offline after so long without a heartbeat.  [default: 5]",
)
_REISSUES = click.option(
    "--reissues/--no-reissues",
    default=None,
    help="Send again what was handed to it and ended in silence: it may arrive twice. By default a person settles it.",
)


@click.group(invoke_without_command=True)
@click.pass_context
@api_options
def remote(context: click.Context, **options: Any) -> None:
    """Remote phones, which run the SMS Gateway app; without a command: all of them."""
    if context.invoked_subcommand is None:
        call_with_api(_list_remotes, archived=False, **options)


@remote.command("list")
@click.option("--archived", is_flag=True, help="Those that were archived, too.")
@api_command
def list_remotes(api: ApiClient, as_json: bool, archived: bool) -> None:
    """All of them, with what they last said of themselves."""
    _list_remotes(api, as_json, archived)


def _list_remotes(api: ApiClient, as_json: bool, archived: bool) -> None:
    answer = api.call("GET", "/remote-phones", archived="true" if archived else None)
    if as_json:
        show_json(answer)
        return
    note_offline(api)
    table = make_table("name", "state", "numbers", "last heartbeat (UTC)", "battery", "signal", "unsynced", "keys")
    for phone in answer["remote_phones"]:
        table.add_row(
            phone["name"],
            phone["state"],
            ", ".join(phone["numbers"]),
            phone["heartbeat_at"] or "never",
            "" if phone["battery_percent"] is None else f"{phone['battery_percent']} %",
            "" if phone["signal_dbm"] is None else f"{phone['signal_dbm']} dBm",
            str(phone["unsynced_count"]),
            ", ".join(str(key["id"]) for key in phone["keys"] if key["in_force"]),
        )
    console().print(table)


@remote.command("add")
@click.argument("name")
@click.argument("numbers", nargs=-1, required=True, metavar="NUMBER [NUMBER]")
@_HEARTBEAT
@_REISSUES
@click.option("--per-minute", "parts_per_minute", type=click.IntRange(1, 6000), help="Parts a minute, of each SIM.")
@click.option("--per-hour", "parts_per_hour", type=PARTS, help="Parts in any 60 minutes.")
@click.option("--per-day", "parts_per_day", type=PARTS, help="Parts a day.")
@click.option("--per-month", "parts_per_month", type=PARTS, help="Parts a billing month.")
@api_command
def add_remote(api: ApiClient, as_json: bool, name: str, numbers: tuple[str, ...], **options: Any) -> None:
    """Add a phone under a NAME, with the NUMBER of the SIM that the app sends from, and of a second one.

    Prints its first key, which is never shown again; `smsrack keys pair` makes one in a QR code instead. Limits that
    are left out are those of any new SIM.
    """
    said = {key: None if value == _NONE else value for key, value in options.items() if value is not None}
    added = api.call("POST", "/remote-phones", {"name": name, "numbers": list(numbers), **said})
    if as_json:
        show_json(added)
        return
    click.echo(f"{name} is added; its key {added['key_id']}, shown this once:")
    click.echo(added["key"])


@remote.command("change")
@click.argument("name")
@_HEARTBEAT
@_REISSUES
@api_command
def change_remote(api: ApiClient, as_json: bool, name: str, **options: Any) -> None:
    """Change what the rack does about the phone NAME; `smsrack phones limit NAME:1` changes the limits of its SIM."""
    said = {key: value for key, value in options.items() if value is not None}
    if not said:
        raise click.UsageError("say what to change, like --heartbeat-limit 10")
    answer = api.call("PATCH", f"/remote-phones/{quote(name, safe='')}", said)
    show_json(answer) if as_json else click.echo(f"{name} is changed")


@remote.command("archive")
@click.argument("name")
@click.confirmation_option(prompt="Take this phone out of the rack? Its keys open nothing from then on")
@api_command
def archive_remote(api: ApiClient, as_json: bool, name: str) -> None:
    """Take the phone NAME out of the rack; what it did stays on record."""
    answer = api.call("DELETE", f"/remote-phones/{quote(name, safe='')}")
    show_json(answer) if as_json else click.echo(f"{name} is archived; `smsrack remote bring-back` undoes it")


@remote.command("bring-back")
@click.argument("name")
@api_command
def bring_back_remote(api: ApiClient, as_json: bool, name: str) -> None:
    """Take the archived phone NAME into the rack again; its keys that were not revoked open again."""
    answer = api.call("POST", f"/remote-phones/{quote(name, safe='')}/bring-back")
    show_json(answer) if as_json else click.echo(f"{name} is in the rack again")
