"""`smsrack phones`: the rack, and what an operator does with it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from rich.table import Table

from host_controller.cli.api_options import api_command, api_options, call_with_api, console, note_offline, show_json
from host_controller.cli.csv_file import write_text
from host_controller.cli.filters import recipient_filter
from host_controller.cli.limits import limit
from host_controller.client import ApiClient
from host_controller.settings import MAX_PARTS

_POLL_S = 0.2
# Pulling the framework of a new build takes most of it.
_ENROL_LIMIT_S = 240.0
_CANARY_LIMIT_S = 180.0


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
        status = f"{phone['status']}, {phone['hold']['kind']}" if phone["hold"] else phone["status"]
        head = (phone["serial"], phone["model"] or "", status, battery)
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
        slot = f"{sim['slot_index'] + 1} {sim['hold']['kind']}" if sim["hold"] else str(sim["slot_index"] + 1)
        rows.append((slot, sim["operator"] or "", signal, _quotas(sim), str(sim["id"])))
    return rows or [("", "", "", "", "")]


def _quotas(sim: dict[str, Any]) -> str:
    """What is spent today, of how much, and the same for every other limit."""
    limit = "" if sim["parts_per_day"] is None else f" / {sim['parts_per_day']}"
    others = [f"{name} {quota['spent']} / {quota['limit']}" for name, quota in sim["quotas"].items() if name != "day"]
    return ", ".join([f"{sim['sent_parts_today']}{limit}", *others])


@phones.command()
@click.argument("serial")
@click.option("--send-only/--no-send-only", default=None, help="Accept a phone whose messages cannot be read, or not.")
@api_command
def enrol(api: ApiClient, as_json: bool, serial: str, send_only: bool | None) -> None:
    """Go through the check list of the phone SERIAL and, if nothing fails, let it send from now on.

    A send-only phone sends, but replies and STOP on it are not seen; what it sent is proven by its radio log at best.
    """
    api.call("POST", f"/phones/{serial}/enrol", {} if send_only is None else {"send_only": send_only})
    _show_checks(api, as_json, serial)


@phones.command()
@click.argument("serial")
@click.option("--from", "from_sim", metavar="SIM", help="Also send one SMS from this SIM of the rack...")
@click.option("--to", "to_sim", metavar="SIM", help="...to this one, and measure its way.")
@api_command
def selftest(api: ApiClient, as_json: bool, serial: str, from_sim: str | None, to_sim: str | None) -> None:
    """Go through the check list of the phone SERIAL again; nothing that was decided about it changes.

    A SIM is named by its id, its number, its ICCID, or SERIAL:SLOT with slots from 1.
    """
    if (from_sim is None) != (to_sim is None):
        raise click.UsageError("--from and --to belong together; `smsrack phones` shows each SIM's id")
    api.call("POST", f"/phones/{serial}/enrol", {})
    _show_checks(api, as_json, serial, fail_quietly=from_sim is not None)
    if from_sim is not None:
        _show_canary(api, as_json, api.call("POST", "/canaries", {"from_sim": from_sim, "to_sim": to_sim})["id"])


@phones.command()
@click.argument("serial")
@api_command
def show(api: ApiClient, as_json: bool, serial: str) -> None:
    """The phone SERIAL: its check list, and what happened to it."""
    found = api.call("GET", f"/phones/{serial}")
    if as_json:
        show_json(found)
        return
    click.echo(_headline(found["phone"]))
    _print_checks(found["checks"], serial)
    for event in found["events"]:
        click.echo(f"{event['at']}  {event['kind']}: {event['words']} ({event['actor']})")


@phones.command()
@click.argument("serial")
@api_command
def confirm(api: ApiClient, as_json: bool, serial: str) -> None:
    """Say that the phone SERIAL is as it should be after it was moved, updated, or given another SIM."""
    answer = api.call("POST", f"/phones/{serial}/confirm")
    show_json(answer) if as_json else click.echo(f"{answer['sims']} SIMs of {serial} may send again")


@phones.command()
@click.argument("serial")
@api_command
def release(api: ApiClient, as_json: bool, serial: str) -> None:
    """Let the phone SERIAL, which was held, send again."""
    answer = api.call("POST", f"/phones/{serial}/release")
    show_json(answer) if as_json else click.echo(f"{answer['serial']} is released")


phones.add_command(limit)
phones.add_command(recipient_filter)


@phones.command()
@click.argument("serial")
@click.option("--max-parts", type=click.IntRange(MAX_PARTS), help="Parts that Android lets pass in the interval.")
@click.option(
    "--interval", "interval_s", type=click.IntRange(1, 86_400), default=60, show_default=True, help="Seconds."
)
@click.option("--as-before", is_flag=True, help="Set it to what it was before smsrack changed it.")
@api_command
def guard(api: ApiClient, as_json: bool, serial: str, max_parts: int | None, interval_s: int, as_before: bool) -> None:
    """Change Android's own limit on outgoing SMS on the phone SERIAL; in force after the phone's next start."""
    if (max_parts is None) is not as_before:
        raise click.UsageError("give --max-parts or --as-before")
    if as_before:
        answer = api.call("DELETE", f"/phones/{serial}/guard")
    else:
        answer = api.call("PUT", f"/phones/{serial}/guard", {"max_parts": max_parts, "interval_s": interval_s})
    show_json(answer) if as_json else click.echo(f"written; restart {serial} now, it is in force from then on")


@phones.command()
@click.argument("serial")
@click.argument("way", type=click.Choice(["isms", "app"]))
@api_command
def way(api: ApiClient, as_json: bool, serial: str, way: str) -> None:
    """Choose how the phone SERIAL sends: by its SMS service (isms), or by its messaging app on the screen (app).

    The app is for phones whose service is blocked: slow, one message at a time, with an unlocked screen, and from the
    SIM that is its default for SMS.
    """
    api.call("POST", f"/phones/{serial}/way", {"way": way})
    _show_checks(api, as_json, serial)


@phones.command()
@click.argument("sim")
@click.argument("number")
@api_command
def number(api: ApiClient, as_json: bool, sim: str, number: str) -> None:
    """Write down the telephone NUMBER of a SIM, named by its id, its ICCID or SERIAL:SLOT."""
    answer = api.call("PATCH", f"/sims/{quote(sim)}", {"msisdn": number})
    show_json(answer) if as_json else click.echo(f"SIM {answer['id']} is {answer['msisdn']}")


@phones.command()
@click.argument("serial")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file instead of the screen.")
@api_command
def report(api: ApiClient, as_json: bool, serial: str, output: Path | None) -> None:
    """Write all that the phone SERIAL says about itself, with numbers and names masked, to send with a bug report."""
    text = json.dumps(api.call("GET", f"/phones/{serial}/report"), ensure_ascii=False, indent=2)
    if output is None:
        click.echo(text)
        return
    write_text(output, text + "\n")
    click.echo(f"written to {output}; read it before you send it")


@phones.command()
@click.argument("serial")
@click.confirmation_option(prompt="Take this phone out of the rack?")
@api_command
def remove(api: ApiClient, as_json: bool, serial: str) -> None:
    """Take the phone SERIAL out of the rack: its send guard is set back, and it sends nothing any more."""
    answer = api.call("DELETE", f"/phones/{serial}")
    show_json(answer) if as_json else click.echo(
        f"{serial} is out of the rack; restart it, then its guard is as before"
    )


def _show_checks(api: ApiClient, as_json: bool, serial: str, *, fail_quietly: bool = False) -> None:
    """Wait until the phone has gone through its list, print it, and end with 1 where it may not send."""
    found = _wait(lambda: _settled(api.call("GET", f"/phones/{serial}")), _ENROL_LIMIT_S)
    if found is None:
        phone = api.call("GET", f"/phones/{serial}")["phone"]
        raise click.ClickException(f"{serial} is still {phone['status']}: {phone['advice'] or phone['last_error']}")
    if as_json and not fail_quietly:
        show_json(found)
    elif not as_json:
        _print_checks(found["checks"], serial)
        click.echo(_headline(found["phone"]))
    if found["phone"]["status"] not in ("ready", "stopped", "held") and not fail_quietly:
        click.get_current_context().exit(1)


def _settled(found: dict[str, Any]) -> dict[str, Any] | None:
    return found if found["checks"] and found["phone"]["status"] != "enrolling" else None


def _print_checks(checks: list[dict[str, Any]], serial: str) -> None:
    colours = {"pass": "green", "warn": "yellow", "fail": "red"}
    for check in checks:
        click.echo(
            f"{click.style(check['verdict'].upper(), fg=colours[check['verdict']])}  {check['name']}: ", nl=False
        )
        click.echo(check["finding"])
        if check["next_step"]:
            click.echo(f"      {check['next_step'].replace('SERIAL', serial)}")


def _headline(phone: dict[str, Any]) -> str:
    kind = f"{phone['model']}, Android {phone['android']}" if phone["android"] else phone["model"]
    words = f"{phone['serial']} ({kind}) is {phone['status']}"
    return f"{words}: {phone['advice']}" if phone["advice"] else words


def _show_canary(api: ApiClient, as_json: bool, message_id: int) -> None:
    def arrived() -> dict[str, Any] | None:
        found = api.call("GET", f"/canaries/{message_id}")
        moving = found["state"] in ("queued", "submitting") or (
            found["state"] == "sent" and found["received_after_s"] is None
        )
        return None if moving else found

    found = _wait(arrived, _CANARY_LIMIT_S) or api.call("GET", f"/canaries/{message_id}")
    if as_json:
        show_json(found)
    else:
        sent, received = found["sent_after_s"], found["received_after_s"]
        click.echo(f"canary {found['state']}" + (f", proven as sent after {sent:g} s" if sent is not None else ""))
        click.echo(f"received after {received:g} s" if received is not None else "not received by the other SIM")
    if found["received_after_s"] is None:
        click.get_current_context().exit(1)


def _wait(look: Callable[[], dict[str, Any] | None], limit_s: float) -> dict[str, Any] | None:
    deadline = time.monotonic() + limit_s
    while (found := look()) is None and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return found
