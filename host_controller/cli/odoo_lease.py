"""`smsrack odoo release-lease`: end the wait for an smsrack that is gone, unless it is seen to live."""

from __future__ import annotations

from pathlib import Path
from time import sleep

import click

from host_controller.errors import ConfigError
from host_controller.odoo_jobs import make_odoo_client
from host_controller.settings import OdooMode, load_settings
from odoo_sync.client import OdooClient
from odoo_sync.lease import RENEW_AFTER_S
from odoo_sync.lease_row import LeaseRow, free_lease, read_lease

_LOOKS = 12
_BETWEEN_LOOKS_S = RENEW_AFTER_S / 4
"""Together three times as long as a holder leaves between two signs of life, where it polls as often as by default."""


@click.command("release-lease")
@click.argument("name")
@click.option("--config", type=click.Path(path_type=Path), required=True, help="The daemon's settings file.")
@click.option("--yes", is_flag=True, help="Release it at once, without looking whether its holder lives.")
def release_lease(name: str, config: Path, yes: bool) -> None:
    """Let another smsrack send at once for the Odoo called NAME in the settings, where the one before is gone.

    After a database was copied, or a host was lost, smsrack waits until whoever has the lease there was silent for
    five minutes. This looks for a minute whether it gives a sign of life, and releases the lease where not.
    """
    settings = load_settings(config)
    client = make_odoo_client(name, settings)
    if client.settings.mode is not OdooMode.PULL:
        raise ConfigError(f"odoo.{name} is in mode {client.settings.mode}, which needs no lease")
    row = read_lease(client)
    if row is None or row.is_free:
        click.echo(f"nobody has the lease on {client.database}")
        return
    click.echo(f"an smsrack has the lease on {client.database}, {row}")
    if not yes:
        click.echo(f"looking for {_LOOKS * _BETWEEN_LOOKS_S:.0f} s whether it lives ...")
        _see_that_it_is_silent(client, row)
    free_lease(client, row)
    click.echo("released; the first smsrack that asks has it now")


def _see_that_it_is_silent(client: OdooClient, row: LeaseRow) -> None:
    """Raise ConfigError where the holder gives a sign of life."""
    for _ in range(_LOOKS):
        sleep(_BETWEEN_LOOKS_S)
        now = read_lease(client)
        if now is None or (now.generation, now.beat, now.is_free) != (row.generation, row.beat, row.is_free):
            raise ConfigError(
                "it lives: the lease was renewed just now, and nothing was released. If both send at once, an SMS can "
                "leave twice: switch that smsrack off. --yes releases the lease all the same"
            )
