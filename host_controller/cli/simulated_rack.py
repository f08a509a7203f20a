"""Simulated phones in a process of their own, owned by this one: they end when it does, however it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from host_controller.errors import ConfigError

_STOP_LIMIT_S = 10.0


@dataclass(frozen=True)
class SimulatedRack:
    """Where the simulated phones are."""

    phones: tuple[str, ...]
    """host:port of each."""
    control: str
    """URL of the control API."""


@contextmanager
def simulated_rack(phones: int, options: Sequence[str] = ()) -> Iterator[SimulatedRack]:
    """Start `smsrack simulate` on free ports, and stop it afterwards. Raises ConfigError if it does not come up."""
    command = [sys.executable, "-m", "host_controller", "simulate", "--phones", str(phones)]
    command += ["--base-port", "0", "--control-port", "0", "--json", "--until-stdin-closes", *options]
    process = subprocess.Popen(  # noqa: S603 - our own command
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdin is not None  # noqa: S101 - for the type checker; both are pipes
    assert process.stdout is not None  # noqa: S101
    try:
        line = process.stdout.readline()
        if not line:
            raise ConfigError("the simulated phones did not start; their own words are above")
        addresses = json.loads(line)
        yield SimulatedRack(tuple(addresses["phones"]), addresses["control"])
    finally:
        process.stdin.close()
        try:
            process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
