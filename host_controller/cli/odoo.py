"""`smsrack odoo`: look at the connection to Odoo, or stand in for one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import waitress
from rich.table import Table

from host_controller.cli.api_options import api_command, console, note_offline, show_json
from host_controller.cli.signals import stop_signals
from host_controller.client import ApiClient
from host_controller.errors import ConfigError
from host_controller.settings import load_settings
from host_controller.wiring import make_odoo_client
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooSyncError
from odoo_sync.fake import FakeOdoo, make_app

_CHECKS = ("server", "results", "login", "queue")
Finding = dict[str, Any]
_FAKE_NUMBER = "+4207771230{:02d}"


@click.group()
def odoo() -> None:
    """The connection to Odoo; docs/odoo.md says how to set it up."""


@odoo.command()
@click.argument("name")
@click.option("--config", type=click.Path(path_type=Path), required=True, help="The daemon's settings file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
def check(name: str, config: Path, as_json: bool) -> None:
    """Say whether we can log in to the Odoo called NAME in the settings, what waits there, which right is missing."""
    client = make_odoo_client(name, load_settings(config))
    findings: list[Finding] = []
    try:
        for finding in _look(client):
            findings.append(finding)
    except OdooSyncError as error:
        # The first that is not among those that went well.
        missing = next(check for check in _CHECKS if check not in {finding["check"] for finding in findings})
        findings.append({"check": missing, "ok": False, "words": str(error)})
    ok = all(finding["ok"] for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": ok, "findings": findings}, indent=2))
    else:
        for finding in findings:
            click.echo(f"{'PASS' if finding['ok'] else 'FAIL'}  {finding['check']}: {finding['words']}")
    click.get_current_context().exit(0 if ok else 1)


def _look(client: OdooClient) -> Iterator[Finding]:
    """Give what goes well, or is missing, one by one. Raises OdooSyncError where it ends."""
    yield {"check": "server", "ok": True, "words": f"Odoo {client.server_version()}"}
    client.report([])
    yield {"check": "results", "ok": True, "words": "it takes them"}
    if not client.has_login:
        yield {"check": "login", "ok": True, "words": "none is in the settings; sending and results need none"}
        return
    rights = client.rights()
    yield {"check": "login", "ok": True, "words": f"into {client.database}"}
    for right in rights:
        words = "granted" if right.granted else "missing; give the user a group with this right"
        yield {"check": f"{right.operation} {right.model}", "ok": right.granted, "words": words}
    if all(right.granted for right in rights):
        yield {"check": "queue", "ok": True, "words": f"{client.count_outgoing()} SMS wait"}


@odoo.command()
@click.argument("name", required=False)
@api_command
def status(api: ApiClient, as_json: bool, name: str | None) -> None:
    """Say how far each thing is in step with every Odoo, or with the one called NAME in the settings."""
    found = api.call("GET", "/odoo")["connections"]
    cards = [card for card in found if name in (None, card["name"])]
    if name is not None and not cards:
        known = ", ".join(card["name"] for card in found) or "none"
        raise ConfigError(f"there is no Odoo {name!r}; known: {known}")
    if as_json:
        show_json({"connections": cards})
        return
    note_offline(api)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in (
        "odoo",
        "mode",
        "kept in step",
        "last time (UTC)",
        "behind, s",
        "failures",
        "next try (UTC)",
        "error",
    ):
        table.add_column(column)
    for card in cards:
        for row in card["objects"] or [{}]:
            times = (row.get("succeeded_at"), row.get("lag_s"), row.get("failures"), row.get("next_at"))
            cells = (card["name"], card["mode"], row.get("object"), *times, row.get("error"))
            table.add_row(*(str(cell) if cell else "–" for cell in cells))
    console().print(table) if cards else click.echo("no Odoo is in the settings")


@odoo.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8069, show_default=True)
@click.option(
    "--messages", type=click.IntRange(0, 99), default=20, show_default=True, help="SMS of a campaign that wait."
)
def fake(port: int, messages: int) -> None:
    """Stand in for an Odoo: database `odoo`, user `smsrack`, password `secret`."""
    stand_in = FakeOdoo()
    stand_in.add_mailing(fake_campaign(messages))
    try:
        server = waitress.create_server(make_app(stand_in), host="127.0.0.1", port=port)
    except OSError as error:
        raise ConfigError(f"port {port} cannot be used ({error.strerror}); choose another with --port") from error
    with stop_signals() as stop:
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        click.echo(f"fake Odoo on http://127.0.0.1:{port}/ until Ctrl-C; state: /fake/state, faults: POST /fake/faults")
        stop.wait()
        server.close()


def fake_campaign(messages: int) -> list[tuple[str, str]]:
    """Recipients and texts of a made-up campaign."""
    return [(_FAKE_NUMBER.format(n), f"Zimní výprodej začíná v pondělí. [Odoo {n}]") for n in range(messages)]
