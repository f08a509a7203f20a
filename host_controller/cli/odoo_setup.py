"""`smsrack odoo setup`: make in an Odoo what a connection needs, or take it back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click

from host_controller.errors import ConfigError, ControllerError
from host_controller.settings import OdooMode, Settings, load_settings, odoo_admin_password
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooLoginError, OdooRecordError, OdooSyncError
from odoo_sync.setup.plan import Plan, carry_out, plan, records
from odoo_sync.setup.records import Record
from odoo_sync.setup.report import Finding, report
from odoo_sync.setup.shown import shown_in_odoo
from odoo_sync.setup.site import Site, look_around
from odoo_sync.setup.undo import Undoing, undo_plan
from odoo_sync.setup.user import GROUP


@click.command()
@click.argument("name")
@click.option("--config", type=click.Path(path_type=Path), required=True, help="The daemon's settings file.")
@click.option("--admin", metavar="LOGIN", help="An administrator of that Odoo; without one nothing is changed.")
@click.option("--show-in-odoo", is_flag=True, help="Also show phones and received messages there, and a pause.")
@click.option("--undo", is_flag=True, help="Take back all that setup has made and changed in that database.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and end.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def setup(name: str, config: Path, admin: str | None, show_in_odoo: bool, undo: bool, dry_run: bool, yes: bool) -> None:
    """Make what the Odoo called NAME in the settings needs to work with smsrack.

    Without --admin it only says what is there and what is missing. With --admin it says what it would do, asks once,
    and does it: a user with few rights, Odoo's SMS cron, its SMS account and system parameters, as the mode needs
    them. A second run does what is still missing. The administrator's password is asked for, or read from
    SMSRACK_ODOO_ADMIN_PASSWORD; it is kept nowhere. An API key does as well.
    """
    settings = load_settings(config)
    if name not in settings.odoo:
        known = ", ".join(settings.odoo) or "none"
        raise ConfigError(f"there is no Odoo {name!r} in the settings; write one as [odoo.{name}]; known: {known}")
    if admin is None:
        if undo or show_in_odoo:
            raise click.UsageError("--undo and --show-in-odoo take an administrator too: --admin LOGIN")
        _show_report(name, settings)
        return
    site = _log_in(name, settings, admin)
    shown = shown_in_odoo(site.capabilities, GROUP, has_mailings="mass_mailing_sms" in site.modules)
    if undo:
        wanted = [*records(site, name, settings), *shown]
        _undo(undo_plan(site, wanted), is_dry=dry_run, is_agreed=yes)
        return
    if show_in_odoo and not settings.odoo[name].user:
        raise ConfigError(f"what is shown there is written by a user: set odoo.{name}.user to the login it is to have")
    _set_up(site, name, settings, extra=shown if show_in_odoo else (), is_dry=dry_run, is_agreed=yes)


def _log_in(name: str, settings: Settings, admin: str) -> Site:
    odoo = settings.odoo[name]
    if not odoo.database:
        raise ConfigError(f"set odoo.{name}.database: which of the server's databases it is")
    password = odoo_admin_password() or click.prompt(f"Password of {admin} in {odoo.database}", hide_input=True)
    client = OdooClient(odoo.model_copy(update={"user": admin}), password, name)
    version = client.server_version()
    try:
        site = look_around(client)
    except OdooLoginError as error:
        raise OdooLoginError(
            f"the database {odoo.database} does not let {admin} in; check --admin and the password"
        ) from error
    click.echo(f"Odoo {version}, database {odoo.database}, mode {odoo.mode}")
    return site


def _show_report(name: str, settings: Settings) -> None:
    """Print what the connection's own user finds, and end, with 1 if something is missing."""
    odoo = settings.odoo[name]
    try:
        password = odoo.password(name) if odoo.user else ""
    except ConfigError:
        password = ""
    findings: list[Finding] = []
    try:
        for finding in report(OdooClient(odoo, password, name)):
            findings.append(finding)
            _show_finding(finding)
    except OdooSyncError as error:
        findings.append(Finding("server" if not findings else "login", False, str(error)))
        _show_finding(findings[-1])
    click.get_current_context().exit(0 if all(finding.ok for finding in findings) else 1)


def _show_finding(finding: Finding) -> None:
    click.echo(f"{'PASS' if finding.ok else 'FAIL'}  {finding.check}: {finding.words}")


def _set_up(
    site: Site, name: str, settings: Settings, extra: Sequence[Record], *, is_dry: bool, is_agreed: bool
) -> None:
    found = plan(site, name, settings, extra)
    _show_plan(found)
    if not found.items:
        click.echo("There is nothing to do.")
    elif _is_wanted("Do this?", is_dry=is_dry, is_agreed=is_agreed):
        for item in found.items:
            _do(item.words, partial(carry_out, site, item))
    else:
        return
    pair = f"smsrack odoo pair {name}, " if settings.odoo[name].mode is OdooMode.GATEWAY else ""
    click.echo(f"Next: {pair}smsrack odoo check {name}, smsrack run; each with --config. Back again: this with --undo")


def _show_plan(found: Plan) -> None:
    for title, lines in (
        ("Is right already:", found.is_right),
        ("Would be done, in this order:", [item.words for item in found.items]),
        ("Look at this yourself:", found.notes),
    ):
        if lines:
            click.echo(title)
            for line in lines:
                click.echo(f"  {line}")


def _undo(todo: Sequence[Undoing], *, is_dry: bool, is_agreed: bool) -> None:
    if not todo:
        click.echo("Setup has made and changed nothing there.")
        return
    click.echo("Would be taken back, in this order:")
    for undoing in todo:
        click.echo(f"  {undoing.words}")
    click.echo("Files with secrets on this host stay; they open nothing any more once their user is gone.")
    if _is_wanted("Take this back?", is_dry=is_dry, is_agreed=is_agreed):
        for undoing in todo:
            _do(undoing.words, undoing.run)


def _is_wanted(question: str, *, is_dry: bool, is_agreed: bool) -> bool:
    if is_dry:
        click.echo("Nothing was changed.")
        return False
    return is_agreed or click.confirm(question, abort=True)


def _do(words: str, work: Callable[[], str | None]) -> None:
    """Say what is done, do it and say how it went. Raises ControllerError that says how to go on."""
    click.echo(f"{words} ... ", nl=False)
    try:
        click.echo(work() or "done")
    except KeyboardInterrupt:
        click.echo("broken off; the same command again goes on, --undo takes it back")
        raise
    except ControllerError as error:
        click.echo("failed")
        words = f" (Odoo says: {error.words})" if isinstance(error, OdooRecordError) else ""
        raise ConfigError(
            f"{error}{words}; what stands above it was done: the same command again goes on, --undo takes it back"
        ) from error
