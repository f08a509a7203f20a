"""`smsrack send`: one message, or a CSV file of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from host_controller.cli.api_options import api_command, note_offline, show_json
from host_controller.cli.csv_file import CsvRow, read_csv
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
    "--csv", "csv_path", type=click.Path(path_type=Path), help="A file with the columns number,text[,ref]; - for stdin."
)
@click.option("--ref", help="Your own name for the message: the same ref is never sent twice.")
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
    wait: bool,
    wait_limit: float,
) -> None:
    """Send TEXT to NUMBER, or every row of a CSV file."""
    if (csv_path is None) == (number is None or text is None) or (csv_path and (number or ref)):
        raise click.UsageError("give NUMBER and TEXT, or --csv FILE")
    rows = read_csv(csv_path) if csv_path else [CsvRow(1, number or "", text or "", ref)]
    result = submit_rows(api, rows)
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
    api: ApiClient, rows: Sequence[CsvRow], on_progress: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Submit rows in chunks; give what was accepted, and each rejected row with its reason."""
    accepted: list[int] = []
    repeated = parts = 0
    rejected: list[dict[str, Any]] = [
        {"row": row.row, "code": "bad_row", "reason": row.error} for row in rows if row.error
    ]
    good = [row for row in rows if not row.error]
    for start in range(0, len(good), _CHUNK):
        chunk = good[start : start + _CHUNK]
        bodies = [{"number": row.number, "text": row.text} | ({"ref": row.ref} if row.ref else {}) for row in chunk]
        results = api.call("POST", "/messages", {"messages": bodies})["results"]
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
