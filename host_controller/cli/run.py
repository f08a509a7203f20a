"""`smsrack run`: the daemon in the foreground."""

from __future__ import annotations

import gc
import logging
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from host_controller.cli.signals import stop_signals
from host_controller.cli.simulated_rack import simulated_rack
from host_controller.daemon import running_daemon
from host_controller.settings import Settings, load_settings

_SIMULATED_SUFFIX = "-simulated"
_COLLECT_AFTER = 20_000


@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="Settings file (TOML); see docs/settings.md.")
@click.option(
    "--data-dir", envvar="SMSRACK_DATA_DIR", type=click.Path(path_type=Path), help="Where everything is kept."
)
@click.option("--simulate", type=click.IntRange(1, 100), metavar="N", help="Drive N simulated phones, none on USB.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the site.")
@click.option("--check-config", is_flag=True, help="Print the effective settings and end.")
@click.option("--verbose", is_flag=True, help="Log commands and timings too (never numbers or texts).")
def run(
    config: Path | None,
    data_dir: Path | None,
    simulate: int | None,
    port: int | None,
    check_config: bool,
    verbose: bool,
) -> None:
    """Drive the phones of this host and serve the site, until Ctrl-C or SIGTERM."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s"
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    overrides: dict[str, Any] = {"web": {"port": port}} if port else {}
    if data_dir:
        overrides["data_dir"] = data_dir
    settings = load_settings(config, overrides)
    if check_config:
        click.echo(settings.model_dump_json(indent=2))
        return
    _allow_files()
    with ExitStack() as stack:
        if simulate:
            settings = stack.enter_context(_simulated(settings, simulate, own_dir=data_dir is None))
        stop = stack.enter_context(stop_signals())
        stack.enter_context(running_daemon(settings))
        # What is here by now stays until the end. Each full round of the collector over all of it would stop every lane
        # for a tenth of a second, and messages would be late by as much.
        gc.collect()
        gc.freeze()
        # Lanes that read long inboxes hold many objects, none of them in cycles: looking for some costs more than they.
        gc.set_threshold(_COLLECT_AFTER, 20, 20)
        gateway = f"  gateway: http://{settings.gateway.host}:{settings.gateway.port}" if settings.gateway.port else ""
        click.echo(
            f"smsrack is up: http://{settings.web.host}:{settings.web.port}{gateway}  data: {settings.data_dir}",
            err=True,
        )
        stop.wait()
        click.echo("stopping; messages in the phones' hands are finished first", err=True)


def _allow_files() -> None:
    """Open as many files as this user may: a rack of a hundred phones needs more than the usual 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def _simulated(settings: Settings, phones: int, *, own_dir: bool) -> Iterator[Settings]:
    """Simulated phones never share the data directory of real ones by accident."""
    with simulated_rack(phones) as rack:
        changes: dict[str, Any] = {
            "adb": settings.adb.model_copy(update={"connect": rack.phones, "usb": False}),
            "phones": settings.phones.model_copy(update={"enrol_all": True}),
        }
        if own_dir:
            changes["data_dir"] = settings.data_dir.with_name(settings.data_dir.name + _SIMULATED_SUFFIX)
        click.echo(f"{phones} simulated phones; control API: {rack.control}", err=True)
        yield settings.model_copy(update=changes)
