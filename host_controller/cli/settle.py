"""`smsrack settle`: a person closes what is unknown."""

from __future__ import annotations

import click

from host_controller.cli.api_options import api_command, show_json
from host_controller.client import ApiClient
from host_controller.messaging.judgement import Settlement

_AS = click.Choice([settlement.value for settlement in Settlement])


@click.command()
@click.argument("message_id", type=int, nargs=-1)
@click.option("--as", "settlement", type=_AS, help="sent or failed close it; resend sends it again, perhaps twice.")
@click.option("--restored", is_flag=True, help="Let messages from a backup go, whichever phones were not asked.")
@click.option("--reason", required=True, help="Why; it stays on record.")
@api_command
def settle(
    api: ApiClient, as_json: bool, message_id: tuple[int, ...], settlement: str | None, restored: bool, reason: str
) -> None:
    """Settle messages that are unknown: MESSAGE_ID... --as sent|failed|resend."""
    if restored == bool(message_id) or restored == bool(settlement):
        raise click.UsageError("name messages and --as, or --restored alone")
    if restored:
        answer = api.call("POST", "/restored/release", {"reason": reason})
        words = f"{answer['messages']} messages from the backup may go"
    else:
        body = {"messages": list(message_id), "as": settlement, "reason": reason}
        answer = api.call("POST", "/messages/settle", body)
        words = f"{answer['messages']} messages settled as {settlement}"
    show_json(answer) if as_json else click.echo(words)
