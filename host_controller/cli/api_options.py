"""What every command that talks to the daemon has in common."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
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


def call_with_api(function: Callable[..., None], **values: Any) -> None:
    """Open the client that the options name and call `function` with it; a group's options hold for its commands."""
    config, data_dir, as_json = (_nearest(name) for name in ("config", "data_dir", "as_json"))
    rest = {name: value for name, value in values.items() if name not in ("config", "data_dir", "as_json")}
    settings = load_settings(config, {"data_dir": data_dir} if data_dir else None)
    with open_api(settings) as api:
        function(api, as_json=bool(as_json), **rest)


def _nearest(name: str) -> Any:
    """Give an option of the command, or else of the groups above it; what the environment says comes last."""
    context: click.Context | None = click.get_current_context()
    last = None
    while context is not None:
        if value := context.params.get(name):
            if context.get_parameter_source(name) is not ParameterSource.ENVIRONMENT:
                return value
            last = value
        context = context.parent
    return last


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
