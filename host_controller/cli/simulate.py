"""`smsrack simulate`: a rack of simulated phones as a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from device_drivers.simulator import RackAddresses, RackOptions, ShellMissingError, run_rack
from host_controller.cli.signals import stop_signals

_FAST_S, _INSTANT_S = (0.02, 0.06), (0.0, 0.0)


@click.command()
@click.option("--phones", type=click.IntRange(1, 200), default=4, show_default=True)
@click.option("--base-port", type=click.IntRange(0, 65000), default=17000, show_default=True, help="0: free ports.")
@click.option("--control-port", type=click.IntRange(0, 65535), default=17999, show_default=True)
@click.option(
    "--air-log", type=click.Path(path_type=Path), help="Write what leaves each SIM to this file (JSON lines)."
)
@click.option("--guard", type=click.IntRange(1), metavar="PARTS", help="Android's limit a minute; its own is 30.")
@click.option("--fast", is_flag=True, help="A radio that needs 20 to 60 ms for a part, not 300 to 800.")
@click.option("--instant", is_flag=True, help="For measurements: a radio that needs no time.")
@click.option(
    "--profiles",
    default="29,34",
    show_default=True,
    help="Kinds of phones, given to them in turn: API levels 21 to 36, or variants like 26-caf.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of everything random; also names the phones.")
@click.option("--auth", is_flag=True, help="Every phone waits until its key dialog is answered.")
@click.option("--shell", help="mksh (as on Android) or dash.")
@click.option(
    "--quick-shell", is_flag=True, help="For measurements: the driver's usual lines cost the phones no shell."
)
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as one JSON line.")
@click.option("--until-stdin-closes", is_flag=True, help="End at the end of standard input instead of at a signal.")
def simulate(
    phones: int,
    base_port: int,
    control_port: int,
    air_log: Path | None,
    guard: int | None,
    fast: bool,
    instant: bool,
    profiles: str,
    seed: int,
    auth: bool,
    shell: str | None,
    quick_shell: bool,
    as_json: bool,
    until_stdin_closes: bool,
) -> None:
    """Simulate Android phones that any adb can drive; see docs/simulator.md."""
    options = RackOptions(
        phones=phones,
        base_port=base_port,
        control_port=control_port,
        air_log=air_log,
        guard_max_parts=guard,
        latency_s=_INSTANT_S if instant else _FAST_S if fast else RackOptions.latency_s,
        profiles=tuple(word.strip() for word in profiles.split(",")),
        seed=seed,
        auth=auth,
        shell=shell,
        quick_shell=quick_shell,
    )

    def show(addresses: RackAddresses) -> None:
        if as_json:
            click.echo(json.dumps({"phones": addresses.phones, "control": addresses.control}))
        else:
            click.echo(f"phones:      {' '.join(addresses.phones)}\ncontrol API: {addresses.control}")
        sys.stdout.flush()

    with stop_signals() as stop:
        try:
            run_rack(options, show, sys.stdin.read if until_stdin_closes else stop.wait)  # type: ignore[arg-type]
        except (OSError, ShellMissingError, ValueError) as error:
            hint = "; choose other ports" if isinstance(error, OSError) else ""
            raise click.ClickException(f"cannot simulate: {error}{hint}") from error
