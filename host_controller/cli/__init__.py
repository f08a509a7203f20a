"""The command `smsrack`."""

from __future__ import annotations

import sys

import click

from host_controller import __version__
from host_controller.cli.backup import backup, restore
from host_controller.cli.batches import batches
from host_controller.cli.control import drain, holds, pause, resume, stop
from host_controller.cli.demo import demo
from host_controller.cli.inbox import inbox
from host_controller.cli.keys import keys
from host_controller.cli.lists import messages, status
from host_controller.cli.odoo import odoo
from host_controller.cli.optouts import optouts
from host_controller.cli.phones import phones
from host_controller.cli.remote import remote
from host_controller.cli.run import run
from host_controller.cli.send import send
from host_controller.cli.settle import settle
from host_controller.cli.simulate import simulate
from host_controller.cli.stale import stale
from host_controller.cli.udev import udev
from host_controller.cli.why import why
from host_controller.errors import ControllerError

_EXIT_CODES = """\b
Exit codes:
  0  done
  1  an error, in one line
  2  wrong usage
  3  some messages were rejected or did not end as sent
  4  not decided within --wait-limit
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXIT_CODES)
@click.version_option(__version__, prog_name="smsrack")
def cli() -> None:
    """An SMS gateway out of a rack of stock Android phones."""


_COMMANDS = (
    run,
    demo,
    simulate,
    send,
    messages,
    why,
    batches,
    settle,
    stale,
    status,
    phones,
    remote,
    keys,
    inbox,
    optouts,
    odoo,
    udev,
    backup,
    restore,
)
_CONTROL = (pause, drain, stop, resume, holds)
for command in (*_COMMANDS, *_CONTROL):
    cli.add_command(command)


def main() -> None:
    """Entry point: errors that we know are one line on stderr, without a traceback."""
    try:
        cli(prog_name="smsrack")
    except ControllerError as error:
        click.echo(f"smsrack: {error}", err=True)
        sys.exit(1)
