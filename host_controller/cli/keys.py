"""`smsrack keys`: the keys of remote phones, and the QR codes that bring them there."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import click

from host_controller.access.pairing import PairingCode
from host_controller.cli.api_options import api_command, api_options, call_with_api, console, show_json
from host_controller.cli.lists import make_table
from host_controller.cli.times import MOMENT, TTL, RackTimes
from host_controller.client import ApiClient
from host_controller.errors import UnknownKeyError

_POLL_S = 0.5
_TERMS = (
    click.option("--label", help="A name for it, for people."),
    click.option("--expires", "expires_at", type=MOMENT, help="From then on it opens nothing; zone: the rack's."),
    click.option("--calls-per-minute", type=click.IntRange(1, 100_000), help="More are refused.  [default: 600]"),
    click.option("--parts-per-day", type=click.IntRange(1), help="The phone is handed no more in a day with this key."),
)
_OVERLAP = click.option("--overlap", type=TTL, help="How long the old one still opens, like 15m or 24h.  [default: 1h]")


def _terms(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_TERMS):
        function = option(function)
    return function


@click.group(invoke_without_command=True)
@click.pass_context
@api_options
def keys(context: click.Context, **options: Any) -> None:
    """The keys of remote phones; without a command: all that are in force."""
    if context.invoked_subcommand is None:
        call_with_api(_list_keys, all_=False, **options)


@keys.command("list")
@click.option("--all", "all_", is_flag=True, help="Revoked and expired ones, too.")
@api_command
def list_keys(api: ApiClient, as_json: bool, all_: bool) -> None:
    """The keys in force: of each its beginning, never more."""
    _list_keys(api, as_json, all_)


def _list_keys(api: ApiClient, as_json: bool, all_: bool) -> None:
    found = [key for key in api.call("GET", "/keys")["keys"] if all_ or key["in_force"]]
    if as_json:
        show_json({"keys": found})
        return
    table = make_table("id", "phone", "key", "label", "last used (UTC)", "expires (UTC)", "revoked (UTC)")
    for key in found:
        table.add_row(
            str(key["id"]),
            key["remote_phone"],
            f"{key['prefix']}…",
            key["label"],
            key["used_at"] or "never",
            key["expires_at"] or "",
            f"{key['revoked_at']} by {key['revoked_by']}" if key["revoked_at"] else "",
        )
    console().print(table)


@keys.command("make")
@click.argument("name")
@_terms
@api_command
def make_key(api: ApiClient, as_json: bool, name: str, **options: Any) -> None:
    """Make one more key for the remote phone NAME, and show it this once."""
    _make(api, as_json, name, _said(api, options))


@keys.command("rotate")
@click.argument("key_id", type=int)
@_OVERLAP
@_terms
@api_command
def rotate_key(api: ApiClient, as_json: bool, key_id: int, **options: Any) -> None:
    """Make a key in the place of another: both open until the overlap is over, then only the new one.

    What is not said is as with the old one; but the new one expires only where that is said.
    """
    name = next((key["remote_phone"] for key in api.call("GET", "/keys")["keys"] if key["id"] == key_id), None)
    if name is None:
        raise UnknownKeyError(f"there is no key {key_id}; `smsrack keys list` shows them")
    _make(api, as_json, name, {"replaces": key_id, **_said(api, options)})


@keys.command("revoke")
@click.argument("key_id", type=int)
@api_command
def revoke_key(api: ApiClient, as_json: bool, key_id: int) -> None:
    """Let a key open nothing from now on, for ever."""
    answer = api.call("DELETE", f"/keys/{key_id}")
    show_json(answer) if as_json else click.echo(f"key {key_id} is revoked")


@keys.command("pair")
@click.argument("name")
@click.option("--replaces", type=int, metavar="KEY_ID", help="The key that it replaces.")
@_OVERLAP
@_terms
@click.option("--no-check", is_flag=True, help="Do not look whether phones would reach gateway.public_url.")
@click.option("--invert", is_flag=True, help="Swap dark and light, where the code comes out as a negative.")
@click.option(
    "--wait", "wait_s", type=click.FloatRange(0), default=120, show_default=True, metavar="SECONDS",
    help="Wait so long for the first heartbeat.",
)  # fmt: skip
@api_command
def pair(
    api: ApiClient,
    as_json: bool,
    name: str,
    replaces: int | None,
    no_check: bool,
    invert: bool,
    wait_s: float,
    **options: Any,
) -> None:
    """Make a key for the remote phone NAME and show it as a QR code, for the app to scan.

    Whoever sees the code has the key. With --json it does not wait.
    """
    body = {"check": not no_check, **_said(api, options), **({} if replaces is None else {"replaces": replaces})}
    path = f"/remote-phones/{quote(name, safe='')}"
    answer = api.call("POST", f"{path}/pairing", body)
    if as_json:
        show_json(answer)
        return
    code = PairingCode(answer["payload"]["url"], answer["payload"]["api_key"])
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    click.echo("\n".join(code.lines(colours=colours, invert=invert)))
    click.echo(f"key {answer['key_id']} for {name} at {code.url}: scan this in the app, under Settings")
    if wait_s and api.daemon_runs:
        _wait(api, path, answer["key_id"], wait_s)


def _wait(api: ApiClient, path: str, key_id: int, limit_s: float) -> None:
    """Wait for the first heartbeat under a key, and say whether it came."""
    click.echo("waiting for the first heartbeat; Ctrl-C ends that, the key stays", err=True)
    deadline = time.monotonic() + limit_s
    try:
        while time.monotonic() < deadline:
            made = next(key for key in api.call("GET", path)["keys"] if key["id"] == key_id)
            if made["heard_at"]:
                click.echo(f"the phone is there: heartbeat at {made['heard_at']}")
                return
            time.sleep(min(_POLL_S, limit_s))
    except KeyboardInterrupt:
        pass
    click.echo("no heartbeat yet; `smsrack remote list` shows when it comes", err=True)


def _make(api: ApiClient, as_json: bool, name: str, body: dict[str, Any]) -> None:
    made = api.call("POST", f"/remote-phones/{quote(name, safe='')}/keys", body)
    if as_json:
        show_json(made)
        return
    click.echo(f"key {made['id']} for {name}, shown this once:")
    click.echo(made["key"])


def _said(api: ApiClient, options: dict[str, Any]) -> dict[str, Any]:
    """What the options say, as the API takes it."""
    said = {name: value for name, value in options.items() if value is not None}
    if "expires_at" in said:
        said["expires_at"] = RackTimes(api).json(said["expires_at"])
    if "overlap" in said:
        said["overlap_minutes"] = said.pop("overlap") / 60
    return said
