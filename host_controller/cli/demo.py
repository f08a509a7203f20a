"""`smsrack demo`: the whole product on simulated phones, from a CSV file to the air and back."""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from host_controller.cli.csv_file import read_csv
from host_controller.cli.fake_odoo import fake_odoo
from host_controller.cli.send import submit_rows
from host_controller.cli.signals import stop_signals
from host_controller.cli.simulated_rack import SimulatedRack, simulated_rack
from host_controller.cli.simulator_control import SimulatorControl
from host_controller.client import ApiClient, open_api
from host_controller.daemon import running_daemon
from host_controller.rules.states import MessageState
from host_controller.settings import Settings, load_settings
from host_controller.shipped import shipped_file

_PHONES = 4
_SAMPLE = "examples/messages.csv"
# A raised guard and a fast radio show the whole path in seconds.
_GUARD_PARTS = 10_000
_FAST = {"timings_scale": 0.2, "new_sims": {"parts_per_minute": 600, "parts_per_day": 500}}
_SETTLE_LIMIT_S = 1800.0
_POLL_S = 0.25
_PAGE = 1000
_ODOO_LIMIT_S = 30.0
# Subscribers of the sample who answer once. The first one opts out; the last one only asks about opening hours.
_ANSWERS = {
    "+420605000111": "STOP",
    "+420777123456": "Děkuji, přijdu.",
    "+420603111222": "Mate otevreno nonstop?",
}


@dataclass(frozen=True)
class _Demo:
    api: ApiClient
    control: SimulatorControl
    started_s: float


@click.command()
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), help="Messages to send, instead of the sample.")
@click.option("--port", type=click.IntRange(1, 65535), default=8765, show_default=True, help="Port of the site.")
@click.option("--stock-guard", is_flag=True, help="Android's own limit, a real radio's speed, the real pace.")
@click.option("--odoo-fake", is_flag=True, help="Also a campaign of 20 messages from a fake Odoo.")
@click.option("--exit", "exit_when_done", is_flag=True, help="End when every message has ended.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def demo(
    csv_path: Path | None, port: int, stock_guard: bool, odoo_fake: bool, exit_when_done: bool, as_json: bool
) -> None:
    """Send a CSV file through four simulated phones and the real adb server; then show the site."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    rows = read_csv(csv_path or shipped_file(_SAMPLE))
    options = [] if stock_guard else ["--guard", str(_GUARD_PARTS), "--fast"]
    with ExitStack() as stack:
        stop = stack.enter_context(stop_signals())
        data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="smsrack-demo-"))) / "data"
        rack = stack.enter_context(simulated_rack(_PHONES, options))
        settings = _settings(data_dir, rack, port, stock_guard)
        odoo = stack.enter_context(fake_odoo(data_dir.parent)) if odoo_fake else None
        if odoo:
            settings = settings.model_copy(update={"odoo": {"fake": odoo.settings}})
        stack.enter_context(running_daemon(settings))
        run = _Demo(stack.enter_context(open_api(settings)), SimulatorControl(rack.control), time.monotonic())
        run.control.set_answers(_ANSWERS)
        _announce(settings, rack, stock_guard)
        result = submit_rows(run.api, rows)
        _watch_until_settled(run, result["accepted"] + (odoo.message_count if odoo else 0))
        summary = _summary(run, result)
        if odoo:
            summary["odoo_traces"] = odoo.wait_for_traces(_ODOO_LIMIT_S)
        click.echo(json.dumps(summary, ensure_ascii=False)) if as_json else _print_summary(summary)
        if not exit_when_done:
            click.echo(f"The site is on http://127.0.0.1:{port}/ until Ctrl-C.", err=True)
            stop.wait()
    failed = summary["doubled"] or summary["queued"] or summary["submitting"]
    click.get_current_context().exit(1 if failed else 0)


def _settings(data_dir: Path, rack: SimulatedRack, port: int, stock_guard: bool) -> Settings:
    return load_settings(
        None,
        {
            "data_dir": data_dir,
            "web": {"port": port},
            "adb": {"usb": False, "connect": rack.phones},
            "phones": {"enrol_all": True},
            **({} if stock_guard else _FAST),
        },
    )


def _announce(settings: Settings, rack: SimulatedRack, stock_guard: bool) -> None:
    pace = (
        "Android's own send guard (30 parts a minute), a real radio's speed and the real pace"
        if stock_guard
        else "a raised Android guard, a fast radio and shortened waits; --stock-guard shows the real pace"
    )
    click.echo(f"{_PHONES} simulated phones behind a real adb server: {pace}.", err=True)
    click.echo(f"Site: http://127.0.0.1:{settings.web.port}/   simulator's control API: {rack.control}", err=True)


def _watch_until_settled(run: _Demo, accepted: int) -> None:
    deadline = time.monotonic() + _SETTLE_LIMIT_S
    with _progress_bar(accepted) as advance:
        while time.monotonic() < deadline:
            totals = run.api.call("GET", "/status")["totals"]
            moving = totals[MessageState.QUEUED] + totals[MessageState.SUBMITTING]
            advance(totals["accepted"] - moving)
            if moving == 0 and totals["accepted"] >= accepted:
                return
            time.sleep(_POLL_S)


@contextmanager
def _progress_bar(total: int) -> Iterator[Any]:
    columns = (TextColumn("messages"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("messages", total=total)
        yield lambda done: progress.update(task, completed=done)


def _summary(run: _Demo, result: dict[str, Any]) -> dict[str, Any]:
    """Figures of ours, and beside them what the simulator's air log says."""
    seconds = time.monotonic() - run.started_s
    totals = run.api.call("GET", "/status")["totals"]
    accepted = Counter((message["number"], message["text"]) for message in _all_messages(run.api))
    air = run.control.air()
    return {
        "accepted": totals["accepted"],
        "rejected": len(result["rejected"]),
        "rejected_rows": result["rejected"],
        **{state.value: totals[state] for state in MessageState},
        "parts": totals["parts"],
        "on_air": len(air),
        "doubled": sum(
            max(0, times - accepted[content]) for content, times in SimulatorControl.whole_messages(air).items()
        ),
        "opted_out": totals["opted_out"],
        "seconds": round(seconds, 1),
    }


def _all_messages(api: ApiClient) -> Iterator[dict[str, Any]]:
    before = None
    while page := api.call("GET", "/messages", limit=_PAGE, before=before)["messages"]:
        yield from page
        before = page[-1]["id"]


def _print_summary(summary: dict[str, Any]) -> None:
    for name, value in summary.items():
        if name == "odoo_traces":
            click.echo("traces in Odoo: " + ", ".join(f"{count} {status}" for status, count in value.items()))
        elif name != "rejected_rows":
            click.echo(f"{name.replace('_', ' '):<12}{value:>8}")
    for entry in summary["rejected_rows"]:
        click.echo(f"row {entry['row']} was rejected: {entry['reason']}")
