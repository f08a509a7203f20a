"""`smsrack backup | restore`: a copy of the database, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from host_controller.cli.api_options import api_options, show_json
from host_controller.errors import ConfigError
from host_controller.settings import load_settings
from host_controller.store.backup import write_backup
from host_controller.store.data_dir import DataDirectory
from host_controller.store.restore import restore_backup
from host_controller.wiring import utc_now

_FILE = click.argument("file", type=click.Path(path_type=Path))
_MEGABYTE = 1_000_000


@click.command()
@_FILE
@click.option("--force", is_flag=True, help="Replace FILE if it is already there.")
@api_options
def backup(file: Path, force: bool, as_json: bool, **options: Any) -> None:
    """Copy the database to FILE, also while the daemon runs."""
    made = write_backup(_data(**options).database, file, now=utc_now(), overwrite=force)
    if as_json:
        show_json({"file": str(made.path), "size_bytes": made.size_bytes, "messages": made.messages})
        return
    click.echo(f"{made.path}: {made.size_bytes / _MEGABYTE:.1f} MB, {made.messages} message(s)")


@click.command()
@_FILE
@click.option("--accept-old", is_flag=True, help="Also a backup so old that phones may send messages twice.")
@api_options
def restore(file: Path, accept_old: bool, as_json: bool, **options: Any) -> None:
    """Put a backup in the place of the database; no daemon may run on it."""
    with _data(**options).locked() as data:
        restored = restore_backup(data.database, file, now=utc_now(), accept_old=accept_old)
    if as_json:
        show_json(
            {
                "as_of": restored.as_of.isoformat() if restored.as_of else None,
                "messages": restored.messages,
                "queued": restored.queued,
                "kept": str(restored.kept) if restored.kept else None,
            }
        )
        return
    of = f" of {restored.as_of:%Y-%m-%d %H:%M} UTC" if restored.as_of else ""
    click.echo(f"restored a backup{of}: {restored.messages} message(s), {restored.queued} of them queued")
    if restored.kept:
        click.echo(f"the database of before is kept as {restored.kept}")


def _data(config: Path | None, data_dir: Path | None) -> DataDirectory:
    settings = load_settings(config, {"data_dir": data_dir} if data_dir else None)
    if settings.database:
        raise ConfigError("the database is PostgreSQL's; save it with pg_dump, see docs/backup.md")
    return DataDirectory(settings.data_dir)
