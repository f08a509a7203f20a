"""What every command that talks to the daemon has in common."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from host_controller.client import ApiClient, open_api
from host_controller.settings import load_settings

# Wide enough for the widest table.
_PIPE_COLUMNS = 220
_LEAST_COLUMNS = 130
_PATH = click.Path(path_type=Path)
_OPTIONS = (
    click.option("--config", type=_PATH, help="The daemon's settings file, if it has one."),
    click.option("--data-dir", envvar="SMSRACK_DATA_DIR", type=_PATH, help="The daemon's data directory."),
    click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table."),
)


def api_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options `--config`, `--data-dir` and `--json`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def api_command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command those options, and call it with an open client as first argument."""

    @api_options
    @functools.wraps(function)
    def wrapped(**values: Any) -> None:
        call_with_api(function, **values)

    return wrapped


def call_with_api(
    function: Callable[..., None], *, config: Path | None, data_dir: Path | None, as_json: bool, **values: Any
) -> None:
    """Open the client that the options name and call `function` with it; a group's options hold for its commands."""
    parent = click.get_current_context().parent
    above = parent.params if parent else {}
    chosen = data_dir or above.get("data_dir")
    settings = load_settings(config or above.get("config"), {"data_dir": chosen} if chosen else None)
    with open_api(settings) as api:
        function(api, as_json=as_json or above.get("as_json", False), **values)


def show_json(value: dict[str, Any]) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def console() -> Console:
    """Where tables go; markup in message texts stays text, and a pipe gets lines that are not wrapped."""
    chosen = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else _PIPE_COLUMNS)
    # Rather wrapped by the terminal than without what is in the last columns.
    chosen.width = max(chosen.width, _LEAST_COLUMNS)
    return chosen


def note_offline(api: ApiClient) -> None:
    """Say on stderr that nothing will move."""
    if not api.daemon_runs:
        click.echo("no daemon runs on this data directory: nothing is sent until `smsrack run` is started", err=True)
