"""What every command that talks to the daemon has in common."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from host_controller.client import ApiClient, open_api
from host_controller.settings import load_settings


def api_command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--config`, `--data-dir` and `--json`, and call it with an open client as first argument."""

    @click.option("--config", type=click.Path(path_type=Path), help="The daemon's settings file, if it has one.")
    @click.option(
        "--data-dir", envvar="SMSRACK_DATA_DIR", type=click.Path(path_type=Path), help="The daemon's data directory."
    )
    @click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
    @functools.wraps(function)
    def wrapped(config: Path | None, data_dir: Path | None, as_json: bool, **values: Any) -> None:
        settings = load_settings(config, {"data_dir": data_dir} if data_dir else None)
        with open_api(settings) as api:
            function(api, as_json=as_json, **values)

    return wrapped


def show_json(value: dict[str, Any]) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def console() -> Console:
    """Where tables go; markup in message texts stays text."""
    return Console(markup=False, highlight=False, soft_wrap=False)


def note_offline(api: ApiClient) -> None:
    """Say on stderr that nothing will move."""
    if not api.daemon_runs:
        click.echo("no daemon runs on this data directory: nothing is sent until `smsrack run` is started", err=True)
