"""`smsrack odoo`: look at the connection to Odoo, or stand in for one."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import click
import flask
import waitress

from host_controller.cli.odoo_pair import check_phones, pair
from host_controller.cli.signals import stop_signals
from host_controller.errors import ConfigError
from host_controller.settings import OdooMode, load_settings
from host_controller.wiring import make_odoo_client
from odoo_sync.errors import OdooSyncError
from odoo_sync.fake import FakeOdoo, GatewayModule, make_app, mount

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
    settings = load_settings(config)
    if name in settings.odoo and settings.odoo[name].mode is OdooMode.GATEWAY:
        _show(check_phones(name, settings.odoo[name]), as_json)
        return
    client = make_odoo_client(name, settings)
    findings: list[dict[str, Any]] = []
    try:
        findings.append({"check": "server", "ok": True, "words": f"Odoo {client.server_version()}"})
        rights = client.rights()
        findings.append({"check": "login", "ok": True, "words": f"into {client.database}"})
        for right in rights:
            words = "granted" if right.granted else "missing; give the user a group with this right"
            findings.append({"check": f"{right.operation} {right.model}", "ok": right.granted, "words": words})
        if all(right.granted for right in rights):
            findings.append({"check": "queue", "ok": True, "words": f"{client.count_outgoing()} SMS wait"})
    except OdooSyncError as error:
        findings.append({"check": "login" if findings else "server", "ok": False, "words": str(error)})
    _show(findings, as_json)


odoo.add_command(pair)


def _show(findings: list[dict[str, Any]], as_json: bool) -> None:
    """Print the findings and end, with 1 if one of them is bad."""
    ok = all(finding["ok"] for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": ok, "findings": findings}, indent=2))
    else:
        for finding in findings:
            click.echo(f"{'PASS' if finding['ok'] else 'FAIL'}  {finding['check']}: {finding['words']}")
    click.get_current_context().exit(0 if ok else 1)


@odoo.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8069, show_default=True)
@click.option(
    "--messages", type=click.IntRange(0, 99), default=20, show_default=True, help="SMS of a campaign that wait."
)
@click.option("--module", "has_module", is_flag=True, help="With the module sms_gateway: prints a pairing code.")
def fake(port: int, messages: int, has_module: bool) -> None:
    """Stand in for an Odoo: database `odoo`, user `smsrack`, password `secret`."""
    stand_in = FakeOdoo()
    app = make_app(stand_in)
    code = _fake_phone(app, stand_in, port, messages) if has_module else None
    if not has_module:
        stand_in.add_mailing(fake_campaign(messages))
    try:
        server = waitress.create_server(app, host="127.0.0.1", port=port)
    except OSError as error:
        raise ConfigError(f"port {port} cannot be used ({error.strerror}); choose another with --port") from error
    with stop_signals() as stop:
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        click.echo(f"fake Odoo on http://127.0.0.1:{port}/ until Ctrl-C; state: /fake/state, faults: POST /fake/faults")
        if code:
            click.echo(f"pairing code: {code}")
        stop.wait()
        server.close()


def _fake_phone(app: flask.Flask, stand_in: FakeOdoo, port: int, messages: int) -> str:
    """Give the fake a module with a phone for which a campaign waits; give the phone's pairing code."""
    module = GatewayModule(stand_in)
    phone = module.add_phone("Phone A", "+420700000001")
    phone.state = "online"
    module.add_mailing(phone, fake_campaign(messages))
    mount(app, module)
    return json.dumps({"url": f"http://127.0.0.1:{port}", "api_key": phone.api_key, "type": "sms_gateway"})


def fake_campaign(messages: int) -> list[tuple[str, str]]:
    """Recipients and texts of a made-up campaign."""
    return [(_FAKE_NUMBER.format(n), f"Zimní výprodej začíná v pondělí. [Odoo {n}]") for n in range(messages)]
