"""The command `smsrack`."""

from __future__ import annotations

import sys

import click

from host_controller import __version__
from host_controller.cli.lazy_group import LazyGroup
from host_controller.errors import ControllerError

_EXIT_CODES = """\b
Exit codes:
  0  done
  1  an error, in one line
  2  wrong usage
  3  some messages were rejected or did not end as sent
  4  not decided within --wait-limit
"""


_COMMANDS = {
    "run": "run",
    "demo": "demo",
    "simulate": "simulate",
    "send": "send",
    "messages": "lists",
    "why": "why",
    "batches": "batches",
    "settle": "settle",
    "stale": "stale",
    "status": "lists",
    "phones": "phones",
    "remote": "remote",
    "keys": "keys",
    "inbox": "inbox",
    "optouts": "optouts",
    "odoo": "odoo",
    "udev": "udev",
    "backup": "backup",
    "restore": "backup",
    "pause": "control",
    "drain": "control",
    "stop": "control",
    "resume": "control",
    "holds": "control",
}
"""The module of each command, beside this one."""


@click.group(
    cls=LazyGroup, modules=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXIT_CODES
)
@click.version_option(__version__, prog_name="smsrack")
def cli() -> None:
    """An SMS gateway out of a rack of stock Android phones."""


def main() -> None:
    """Entry point: errors that we know are one line on stderr, without a traceback."""
    try:
        cli(prog_name="smsrack")
    except ControllerError as error:
        click.echo(f"smsrack: {error}", err=True)
        sys.exit(1)
