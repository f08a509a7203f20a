"""`smsrack phones filter`: whom a phone may write to."""

from __future__ import annotations

import json

import click

from host_controller.cli.api_options import api_command, show_json
from host_controller.client import ApiClient
from host_controller.fleet.phone_filter import read_phone_filter


@click.command("filter")
@click.argument("serial")
@click.argument("json_text", metavar="JSON", required=False)
@click.option("--none", "no_filter", is_flag=True, help="Let it write to everybody.")
@api_command
def recipient_filter(api: ApiClient, as_json: bool, serial: str, json_text: str | None, no_filter: bool) -> None:
    """Let the phone SERIAL write only to whom a filter names, like '[["country", "=", "CZ"]]'.

    It may ask for number, country, class and parts. Terms that nothing connects must all match; "|" before two terms
    needs one of them, "!" before one turns it round.
    """
    if json_text is None and not no_filter:
        raise click.UsageError("give a filter, or --none to let it write to everybody")
    if json_text is not None and no_filter:
        raise click.UsageError("a filter and --none exclude each other")
    if json_text is None:
        answer = api.call("DELETE", f"/phones/{serial}/filter")
    else:
        read_phone_filter(json_text)
        answer = api.call("PUT", f"/phones/{serial}/filter", {"filter": json.loads(json_text)})
    if as_json:
        show_json(answer)
    else:
        click.echo(f"{serial} writes to everybody" if json_text is None else f"{serial} writes only to {json_text}")
