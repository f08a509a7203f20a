"""`smsrack pause | drain | stop | resume | holds`: stop the sending, let it go on, and see who did so and why."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click
from rich.table import Table

from host_controller.cli.api_options import api_command, console, note_offline, show_json
from host_controller.cli.send import UNDECIDED_EXIT
from host_controller.client import ApiClient
from host_controller.errors import NotRunningError
from host_controller.messaging.holds import HoldKind

_TARGETS = (
    click.option("--phone", metavar="SERIAL", help="Only this phone."),
    click.option("--sim", metavar="SIM", help="Only this SIM: its id, number, ICCID or SERIAL:SLOT."),
    click.option("--batch", metavar="NAME", help="Only this batch."),
)
_REASON = click.option("--reason", required=True, help="Why; it stays on record.")
_POLL_S = 0.5


def _target(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_TARGETS):
        function = option(function)
    return function


@click.command()
@_target
@_REASON
@api_command
def pause(api: ApiClient, as_json: bool, reason: str, **targets: str | None) -> None:
    """Begin nothing new in the whole rack, or in what is named; what is in the phones' hands is confirmed as ever."""
    _hold(api, as_json, "paused", reason, _chosen(targets))


@click.command()
@_target
@_REASON
@click.option("--wait", is_flag=True, help="Wait until nothing is in its hands any more.")
@click.option("--wait-limit", type=click.FloatRange(0), default=180, show_default=True, metavar="SECONDS")
@api_command
def drain(api: ApiClient, as_json: bool, reason: str, wait: bool, wait_limit: float, **targets: str | None) -> None:
    """Like pause, for what is to be taken out: `smsrack holds` says when nothing is in its hands any more."""
    answer = _hold(api, as_json, "drained", reason, _chosen(targets))
    if not wait or not answer["unproven"]:
        return
    if not api.daemon_runs:
        raise NotRunningError("what is in its hands is confirmed by the daemon; start it with `smsrack run`")
    left = _wait(api, answer, wait_limit)
    if not as_json:
        click.echo(f"{left} message(s) still in its hands" if left else "nothing in its hands any more")
    click.get_current_context().exit(UNDECIDED_EXIT if left else 0)


@click.command()
@_REASON
@api_command
def stop(api: ApiClient, as_json: bool, reason: str) -> None:
    """Emergency stop: the whole rack begins nothing until somebody resumes it."""
    _hold(api, as_json, "stopped", reason, {"scope": "rack"})


@click.command()
@_target
@api_command
def resume(api: ApiClient, as_json: bool, **targets: str | None) -> None:
    """Let the whole rack, or what is named, go on after any of pause, drain and stop, or a blown fuse."""
    body = _chosen(targets)
    answer = api.call("POST", "/holds/release", {**body, "by": whoever()})
    if as_json:
        show_json(answer)
        return
    click.echo(f"{_words(body)} goes on" if answer["released"] else f"{_words(body)} was not held")
    for hold in answer["holds"]:
        click.echo(f"still held: {hold_line(hold)}")


@click.command()
@click.option("--limit", type=click.IntRange(0, 1000), default=10, show_default=True, help="Of those released.")
@api_command
def holds(api: ApiClient, as_json: bool, limit: int) -> None:
    """What is paused, drained or stopped, by whom and why; then what was, latest first."""
    answer = api.call("GET", "/holds", limit=limit)
    if as_json:
        show_json(answer)
        return
    note_offline(api)
    if not answer["holds"]:
        click.echo("nothing is held")
    for hold in answer["holds"]:
        click.echo(hold_line(hold))
    if answer["released"]:
        click.echo()
        console().print(_past(answer["released"]))


def _hold(api: ApiClient, as_json: bool, kind: str, reason: str, body: dict[str, str]) -> dict[str, Any]:
    answer = api.call("POST", "/holds", {**body, "kind": kind, "reason": reason, "by": whoever()})
    show_json(answer) if as_json else click.echo(hold_line(answer))
    return answer


def _wait(api: ApiClient, hold: dict[str, Any], limit_s: float) -> int:
    """Wait until nothing is in the hands of what is held, with a limit; give how many messages still are."""
    deadline = time.monotonic() + limit_s
    while True:
        held = api.call("GET", "/holds", limit=0)["holds"]
        left = [now["unproven"] for now in held if all(now[key] == hold[key] for key in ("scope", "target_id"))]
        if not left:
            raise click.ClickException(f"somebody has resumed {_words(hold)} meanwhile")
        if not left[0] or time.monotonic() >= deadline:
            return int(left[0])
        time.sleep(_POLL_S)


def _chosen(targets: dict[str, str | None]) -> dict[str, str]:
    named = {scope: name for scope, name in targets.items() if name is not None}
    if len(named) > 1:
        raise click.UsageError("name one of --phone, --sim and --batch; without any it is the whole rack")
    for scope, name in named.items():
        return {"scope": scope, "target": name}
    return {"scope": "rack"}


def whoever() -> str:
    """Who sits at the terminal, also where they are the daemon's user by now."""
    with suppress(OSError):
        return os.getlogin()
    with suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_name
    return f"uid {os.getuid()}"


def _words(thing: dict[str, Any]) -> str:
    return "the rack" if thing["scope"] == "rack" else f"{thing['scope']} {thing['target']}"


def hold_line(hold: dict[str, Any]) -> str:
    """One hold of the API's answer in words."""
    count = hold["unproven"]
    hands = f"{count} message(s) still in its hands" if count else "nothing in its hands"
    kind = HoldKind(hold["kind"]).word
    return f"{_words(hold)} is {kind} since {hold['at']} by {hold['actor']}: {hold['reason']} ({hands})"


def _past(released: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("what", "was", "since (UTC)", "by", "until (UTC)", "released by", "why"):
        table.add_column(column, overflow="fold", no_wrap=column not in ("why", "by", "released by"))
    for hold in released:
        row = (hold["kind"], hold["at"], hold["actor"], hold["released_at"], hold["released_by"], hold["reason"])
        table.add_row(_words(hold), *row)
    return table
