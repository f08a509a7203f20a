"""`smsrack odoo`: look at the connection to Odoo, or stand in for one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import click
import flask
import waitress
from rich.table import Table

from host_controller.cli.api_options import api_command, console, note_offline, show_json
from host_controller.cli.odoo_lease import release_lease
from host_controller.cli.odoo_outbox import retry, show_outboxes
from host_controller.cli.odoo_pair import check_phones, pair
from host_controller.cli.odoo_setup import setup
from host_controller.cli.odoo_trial import Finding, TrialOptions, try_sending
from host_controller.cli.signals import stop_signals
from host_controller.client import ApiClient
from host_controller.errors import ConfigError, ControllerError
from host_controller.odoo_jobs import make_odoo_client
from host_controller.settings import OdooMode, Settings, load_settings
from host_controller.wiring import utc_now
from odoo_sync.adopt import adopt, count_stuck
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooRecordError, OdooSyncError
from odoo_sync.fake import FakeOdoo, GatewayModule, make_app, mount
from odoo_sync.verdicts import REASONS
from odoo_sync.versions import capabilities_of

_CHECKS = ("server", "results", "login", "queue")
_FAKE_NUMBER = "+4207771230{:02d}"


@click.group()
def odoo() -> None:
    """The connection to Odoo; docs/odoo.md says how to set it up."""


@odoo.command()
@click.argument("name")
@click.option("--config", type=click.Path(path_type=Path), required=True, help="The daemon's settings file.")
@click.option(
    "--data-dir", envvar="SMSRACK_DATA_DIR", type=click.Path(path_type=Path), help="With --send: the daemon's."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@click.option("--send", is_flag=True, help="Then send one SMS from Odoo to a SIM of the rack, and follow it.")
@click.option("--to", help="With --send: the SIM that gets it.  [default: the first whose number is known]")
@click.option("--admin", metavar="LOGIN", help="With --send: the user of Odoo who makes it.  [default: ours]")
@click.option("--limit-s", type=click.FloatRange(1, 3600), default=180.0, show_default=True, help="With --send.")
def check(
    name: str,
    config: Path,
    data_dir: Path | None,
    as_json: bool,
    send: bool,
    to: str | None,
    admin: str | None,
    limit_s: float,
) -> None:
    """Say whether we can log in to the Odoo called NAME in the settings, what waits there, which right is missing.

    With --send one SMS goes from there to a SIM of the rack, with the time of each leg. It is made by a mailing: LOGIN
    must be of Odoo's groups Email Marketing / User and Settings. The password is asked for, or in
    SMSRACK_ODOO_ADMIN_PASSWORD; it is kept nowhere.
    """
    settings = load_settings(config, {"data_dir": data_dir} if data_dir else None)
    if (to or admin) and not send:
        raise click.UsageError("--to and --admin are of --send")
    findings = Findings(as_json)
    for finding in _check(name, settings):
        findings.add(finding)
    if send and findings.ok:
        try:
            try_sending(name, settings, TrialOptions(to, admin, limit_s), findings.add)
        except ControllerError as error:
            more = f": {error.words}" if isinstance(error, OdooRecordError) else ""
            findings.add({"check": "send", "ok": False, "words": f"{error}{more}"})
    findings.end()


def _check(name: str, settings: Settings) -> list[Finding]:
    """Look at a connection without changing anything there. Raises ConfigError."""
    if name in settings.odoo and settings.odoo[name].mode is OdooMode.GATEWAY:
        return check_phones(name, settings.odoo[name])
    client = make_odoo_client(name, settings)
    findings: list[Finding] = []
    try:
        for finding in _look(client):
            findings.append(finding)
    except OdooSyncError as error:
        # The first that is not among those that went well.
        missing = next(check for check in _CHECKS if check not in {finding["check"] for finding in findings})
        findings.append({"check": missing, "ok": False, "words": str(error)})
    return findings


odoo.add_command(pair)
odoo.add_command(release_lease)
odoo.add_command(setup)
odoo.add_command(retry)


class Findings:
    """Prints findings as they come, or all at the end as one JSON document."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._all: list[Finding] = []

    @property
    def ok(self) -> bool:
        """Whether none of them is bad."""
        return all(finding["ok"] for finding in self._all)

    def add(self, finding: Finding) -> None:
        """Take one."""
        self._all.append(finding)
        if not self._as_json:
            click.echo(f"{'PASS' if finding['ok'] else 'FAIL'}  {finding['check']}: {finding['words']}")

    def end(self) -> NoReturn:
        """End the command, with 1 if one of them is bad."""
        if self._as_json:
            click.echo(json.dumps({"ok": self.ok, "findings": self._all}, indent=2))
        click.get_current_context().exit(0 if self.ok else 1)


def _look(client: OdooClient) -> Iterator[Finding]:
    """Give what goes well, or is missing, one by one. Raises OdooSyncError where it ends."""
    version = client.server_version()
    capabilities_of(version)
    yield {"check": "server", "ok": True, "words": f"Odoo {version}"}
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
    if client.settings.mode is OdooMode.PULL:
        yield {"check": "Odoo's own sender", **_own_sender(client.own_sender_is_on())}
    if all(right.granted for right in rights):
        yield {"check": "queue", "ok": True, "words": f"{client.count_outgoing()} SMS wait"}


def _own_sender(is_on: bool | None) -> dict[str, Any]:
    if is_on is None:
        return {"ok": True, "words": "cannot be seen by this user; see that its SMS cron is off"}
    return {"ok": not is_on, "words": "its SMS cron is on; switch it off, or both send" if is_on else "off"}


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
    show_outboxes(cards)


@odoo.command("adopt")
@click.argument("name")
@click.option("--config", type=click.Path(path_type=Path), required=True, help="The daemon's settings file.")
@click.option("--hours", type=click.FloatRange(0, min_open=True), default=24.0, show_default=True, help="How far back.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def adopt_stuck(name: str, config: Path, hours: float, yes: bool) -> None:
    """Let SMS go from here that Odoo could not hand to a provider of its own (server, account or credit error)."""
    client = make_odoo_client(name, load_settings(config))
    since = utc_now() - timedelta(hours=hours)
    stuck = count_stuck(client, since)
    click.echo(f"{stuck} SMS of the last {hours:g} hours are in error in {client.database} for want of a provider")
    if not stuck:
        return
    if not yes:
        click.confirm("Let them go from here? What a slow provider sent all the same would be sent twice", abort=True)
    click.echo(f"{adopt(client, since)} SMS wait again; the next round takes them over")


@odoo.command("reconcile")
@click.argument("name")
@click.option("--everything", is_flag=True, help="Also what was seen to agree before.")
@api_command
def reconcile(api: ApiClient, as_json: bool, name: str, everything: bool) -> None:
    """Compare how messages ended with what the Odoo called NAME shows; repair what may be, list the rest."""
    answer = api.call("POST", f"/odoo/{quote(name, safe='')}/reconcile", {"everything": everything})
    if as_json:
        show_json(answer)
        return
    click.echo(f"{answer['checked']} compared, {answer['agreed']} agree, {answer['repaired']} repaired there")
    if not answer["sees_traces"]:
        click.echo("mailing traces were not compared: the user may not read mailing.trace, or there are none")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("uuid", "message", "here", "sms.sms", "trace", "left as it is, because"):
        table.add_column(column)
    for row in answer["listed"]:
        cells = (row["message_id"], row["state"], row["odoo_state"], row["trace_status"], REASONS[row["reason"]])
        table.add_row(row["uuid"], *("" if cell is None else str(cell) for cell in cells))
    if answer["listed"]:
        console().print(table)


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
