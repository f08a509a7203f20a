"""`smsrack send`: one message, or a CSV file of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from host_controller.cli.api_options import api_command, note_offline, show_json
from host_controller.cli.csv_file import CsvRow, read_csv
from host_controller.cli.times import CLASS, MOMENT, TTL, RackTimes
from host_controller.client import ApiClient
from host_controller.rules.states import MessageState

REJECTED_EXIT, UNDECIDED_EXIT = 3, 4
_CHUNK = 500
_POLL_S = 0.5
_MOVING = (MessageState.QUEUED, MessageState.SUBMITTING)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("number", required=False)
@click.argument("text", required=False)
@click.option(
    "--csv",
    "csv_path",
    type=click.Path(path_type=Path),
    help="A file with the columns number,text[,ref,class,batch,not_before,not_after,ttl_s]; - for stdin.",
)
@click.option("--ref", help="Your own name for the message: the same ref is never sent twice.")
@click.option("--class", "message_class", type=CLASS, help="What it is for; transactional, or its batch's.")
@click.option("--batch", metavar="NAME", help="The batch that it belongs to; made if it is new.")
@click.option("--not-before", type=MOMENT, help="Nothing goes earlier; without a zone in the rack's.")
@click.option("--not-after", type=MOMENT, help="What has not gone by then expires.")
@click.option("--ttl", type=TTL, help="It expires after so long, like 90s, 15m, 24h or 2d.")
@click.option("--sim", metavar="SIM", help="Only from this one: its id, number, ICCID or SERIAL:SLOT.")
@click.option("--phone", metavar="SERIAL", help="Only from this phone.")
@click.option("--wait", is_flag=True, help="Wait until every message has ended.")
@click.option("--wait-limit", type=click.FloatRange(1), default=600, show_default=True, metavar="SECONDS")
@api_command
def send(
    api: ApiClient,
    as_json: bool,
    number: str | None,
    text: str | None,
    csv_path: Path | None,
    ref: str | None,
    message_class: str | None,
    batch: str | None,
    not_before: datetime | None,
    not_after: datetime | None,
    ttl: float | None,
    sim: str | None,
    phone: str | None,
    wait: bool,
    wait_limit: float,
) -> None:
    """Send TEXT to NUMBER, or every row of a CSV file."""
    if (csv_path is None) == (number is None or text is None) or (csv_path and (number or ref)):
        raise click.UsageError("give NUMBER and TEXT, or --csv FILE")
    rows = read_csv(csv_path) if csv_path else [CsvRow(1, number or "", text or "", ref)]
    times = RackTimes(api)
    call = {
        "class": message_class,
        "batch": batch,
        "not_before": times.json(not_before),
        "not_after": times.json(not_after),
        "ttl_s": ttl,
        "sim": sim,
        "phone": phone,
    }
    result = submit_rows(api, rows, call=call)
    if not as_json:
        note_offline(api)
        _report(result, single=csv_path is None)
    states = _wait(api, result["accepted_ids"], wait_limit) if wait and api.daemon_runs else {}
    if wait and not as_json:
        for name, count in states.items():
            click.echo(f"{name}: {count}")
    if as_json:
        show_json({**result, "states": states} if wait else result)
    click.get_current_context().exit(_exit_code(result, states))


def submit_rows(
    api: ApiClient,
    rows: Sequence[CsvRow],
    on_progress: Callable[[int], None] = lambda _: None,
    call: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Submit rows in chunks; give what was accepted, and each rejected row with its reason.

    `call` holds for what a row does not say.
    """
    times = RackTimes(api)
    accepted: list[int] = []
    repeated = parts = 0
    rejected: list[dict[str, Any]] = [
        {"row": row.row, "code": "bad_row", "reason": row.error} for row in rows if row.error
    ]
    good = [row for row in rows if not row.error]
    for start in range(0, len(good), _CHUNK):
        chunk = good[start : start + _CHUNK]
        body = _stated({**(call or {}), "messages": [_body(row, times) for row in chunk]})
        results = api.call("POST", "/messages", body)["results"]
        for row, outcome in zip(chunk, results, strict=True):
            if "error" in outcome:
                error = outcome["error"]
                rejected.append({"row": row.row, "code": error["code"], "reason": error["message"]})
                continue
            accepted.append(outcome["id"])
            repeated += outcome["repeated"]
            parts += outcome["parts"]
        on_progress(start + len(chunk))
    rejected.sort(key=lambda entry: entry["row"])
    return {
        "accepted": len(accepted),
        "repeated": repeated,
        "parts": parts,
        "rejected": rejected,
        "accepted_ids": accepted,
    }


def _body(row: CsvRow, times: RackTimes) -> dict[str, Any]:
    return _stated(
        {
            "number": row.number,
            "text": row.text,
            "ref": row.ref,
            "class": row.message_class,
            "batch": row.batch,
            "not_before": times.json(row.not_before),
            "not_after": times.json(row.not_after),
            "ttl_s": row.ttl_s,
        }
    )


def _stated(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _report(result: dict[str, Any], *, single: bool) -> None:
    for entry in result["rejected"]:
        click.echo(("" if single else f"row {entry['row']}: ") + f"rejected: {entry['reason']}", err=True)
    if single and result["accepted_ids"]:
        again = " (this ref was accepted before; nothing was added)" if result["repeated"] else ""
        click.echo(f"message {result['accepted_ids'][0]} is queued, {result['parts']} part(s){again}")
    elif not single:
        click.echo(f"{result['accepted']} accepted ({result['parts']} parts), {len(result['rejected'])} rejected")


def _wait(api: ApiClient, ids: Sequence[int], limit_s: float) -> dict[str, int]:
    """Give the states of these messages, once all have ended or the limit is over."""
    deadline = time.monotonic() + limit_s
    ended: dict[int, str] = {}
    while True:
        for message_id in ids:
            if message_id not in ended:
                state = api.call("GET", f"/messages/{message_id}")["state"]
                if state not in _MOVING:
                    ended[message_id] = state
                elif time.monotonic() < deadline:
                    break  # messages end about in order: no use in asking for the later ones
        if len(ended) == len(ids) or time.monotonic() >= deadline:
            break
        time.sleep(_POLL_S)
    counts: dict[str, int] = {}
    for message_id in ids:
        state = ended.get(message_id, "undecided")
        counts[state] = counts.get(state, 0) + 1
    return counts


def _exit_code(result: dict[str, Any], states: dict[str, int]) -> int:
    if "undecided" in states:
        return UNDECIDED_EXIT
    ended_badly = any(state != MessageState.SENT for state in states)
    return REJECTED_EXIT if result["rejected"] or ended_badly else 0
