"""`smsrack odoo pair`: become a phone of an Odoo that has the module `sms_gateway`, by what its pairing code holds."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from host_controller.errors import ConfigError
from host_controller.settings import OdooMode, OdooSettings, load_settings
from odoo_sync.errors import OdooSyncError
from odoo_sync.gateway_client import GatewayClient
from odoo_sync.pairings import keep_pairing, parse_pairing, read_pairings

_HINT = "Paste the pairing code's text and end it with Ctrl-D:"


@click.command()
@click.argument("name")
@click.argument("code", default="-")
@click.option("--config", type=click.Path(path_type=Path), required=True, help="The daemon's settings file.")
@click.option("--sim", "sim_id", type=click.IntRange(min=1), help="Its messages leave from this SIM only (an id).")
@click.option("--phone", "serial", help="Its messages leave from this phone only (a serial).")
def pair(name: str, code: str, config: Path, sim_id: int | None, serial: str | None) -> None:
    """Stand for one of the phones of the Odoo called NAME in the settings, which is in mode `gateway`.

    CODE is the text of the phone's pairing code in Odoo; left out, it is read from standard input, where no list of
    processes shows it. The key is tried by a heartbeat and kept in `odoo.NAME.pairing_file`, for its owner only.
    """
    if sim_id and serial:
        raise click.UsageError("give --sim or --phone, not both")
    odoo = gateway_settings(name, config)
    if code == "-":
        if sys.stdin.isatty():
            click.echo(_HINT, err=True)
        code = sys.stdin.read()
    pairing = parse_pairing(code)
    client = GatewayClient(odoo, pairing.key, name)
    phone = client.phone()
    beat = client.heartbeat(None, None, 0)
    pairing = replace(pairing, module_id=phone.id, sim_id=sim_id, phone_serial=serial)
    is_replaced = keep_pairing(odoo.pairing_file, name, pairing)
    numbers = ", ".join(phone.numbers) or "no number"
    click.echo(f"paired with {phone.name} ({numbers}){', again' if is_replaced else ''}; it is online in Odoo now")
    click.echo(f"{beat.waiting} messages wait there; a daemon that runs takes them over within {odoo.poll_s:g} s")
    if pairing.url and pairing.url.rstrip("/") != odoo.url.rstrip("/"):
        click.echo(f"the code is of {pairing.url}; odoo.{name}.url is {odoo.url}, and that is used", err=True)


def check_phones(name: str, odoo: OdooSettings) -> list[dict[str, Any]]:
    """Send a heartbeat as each phone that is paired; give a finding of each. Raises ConfigError."""
    findings = []
    for number, pairing in enumerate(read_pairings(odoo.pairing_file, name), 1):
        finding = {"check": f"phone {number}", "ok": True}
        try:
            client = GatewayClient(odoo, pairing.key, name)
            phone, beat = client.phone(), client.heartbeat(None, None, 0)
            finding["words"] = f"{phone.name}: online in Odoo, {beat.waiting} SMS wait, {beat.per_minute} a minute"
        except OdooSyncError as error:
            finding |= {"ok": False, "words": str(error)}
        findings.append(finding)
    return findings


def gateway_settings(name: str, config: Path) -> OdooSettings:
    """Give the settings of a connection in mode `gateway`. Raises ConfigError."""
    odoo = load_settings(config).odoo.get(name)
    if odoo is None or odoo.mode is not OdooMode.GATEWAY:
        raise ConfigError(
            f"there is no Odoo {name!r} in mode gateway in the settings; "
            f'write one as [odoo.{name}] with mode = "gateway"'
        )
    return odoo
