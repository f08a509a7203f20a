"""`smsrack phones limit`: how much a SIM may send."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from host_controller.cli.api_options import api_command, show_json
from host_controller.client import ApiClient
from host_controller.settings import MAX_PARTS

_NONE = "none"


class NumberOrNone(click.ParamType[int | str]):
    """A whole number from some least one on, or `none` for no limit."""

    name = "N|none"

    def __init__(self, least: int) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Give the number, or `none`."""
        if str(value).lower() == _NONE:
            return _NONE
        number: int = click.INT.convert(value, param, ctx)
        if number < self._least:
            self.fail(f"{number} is too few: write {self._least} or more, or `none` for no limit", param, ctx)
        return number


PARTS = NumberOrNone(MAX_PARTS)
"""A limit of parts: a message of the longest kind has to fit in."""


@click.command()
@click.argument("sim")
@click.option("--per-minute", "parts_per_minute", type=click.IntRange(1, 6000), help="Parts a minute.")
@click.option("--per-hour", "parts_per_hour", type=PARTS, help="Parts in any 60 minutes.")
@click.option("--per-day", "parts_per_day", type=PARTS, help="Parts a day.")
@click.option("--per-month", "parts_per_month", type=PARTS, help="Parts a billing month.")
@click.option("--recipients-per-month", type=NumberOrNone(1), help="Different numbers in a billing month.")
@click.option("--reset-day", "month_reset_day", type=click.IntRange(1, 31), help="On which that month begins.")
@click.option(
    "--jitter", "jitter_percent", type=click.IntRange(0, 400), help="Lengthen each pause by up to so many percent."
)
@click.option(
    "--zone", metavar="ZONE|none", help="Whose midnight starts its day, like Europe/Prague; none: the rack's."
)
@api_command
def limit(api: ApiClient, as_json: bool, sim: str, **options: Any) -> None:
    """Change the limits of a SIM, named by its id, its number, its ICCID or SERIAL:SLOT; `none` takes one away."""
    changes = {name: None if value == _NONE else value for name, value in options.items() if value is not None}
    if not changes:
        raise click.UsageError("say what to change, like --per-day 500 or --per-hour none")
    answer = api.call("PATCH", f"/sims/{quote(sim)}", changes)
    show_json(answer) if as_json else click.echo(f"SIM {answer['id']}: limits changed")
