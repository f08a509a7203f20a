"""B7: phones come back with long inboxes; then many people say STOP within a minute. Real waits, nothing scaled.

`SMSRACK_BENCH_INBOX_PHONES`, `..._OLD` and `..._STOPS` make it smaller; the simulated phones hold all of it in memory,
about 300 bytes a message.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.figures import machine, save
from benchmarks.host import Host
from benchmarks.rack import wait_for
from benchmarks.runs import percentile
from host_controller.cli.simulated_rack import SimulatedRack, simulated_rack
from host_controller.cli.simulator_control import SimulatorControl
from host_controller.rules.timings import Timings

PHONES = int(os.environ.get("SMSRACK_BENCH_INBOX_PHONES", "100"))
OLD = int(os.environ.get("SMSRACK_BENCH_INBOX_OLD", "50000"))
STOPS = int(os.environ.get("SMSRACK_BENCH_INBOX_STOPS", "1000"))
_WITHIN_S, _LIMIT_S, _SEED = 60.0, 7200.0, 7
_FILL_AT_ONCE = 1000
_EARLY = 0.1
# The old messages of a phone came one by one over months.
_APART_S = 600.0
# Beside the poll interval, as B7 wants it.
_SLACK_S = 2.0


def measure() -> dict[str, Any]:
    """Give the row."""
    with (
        tempfile.TemporaryDirectory(prefix="sr") as name,
        simulated_rack(PHONES, ["--fast", "--guard", "100000"]) as rack,
    ):
        host, control = Host(Path(name), rack.phones, 1200), SimulatorControl(rack.control, limit_s=60)
        with host.running():
            wait_for(lambda: _ready(host) == PHONES, 300, 0.2)
        first_stops = _fill(rack, control)
        with host.running():
            return {**_read_all(host, first_stops), **_bring_stops(host, rack, control)}


def _read_all(host: Host, stops: list[str]) -> dict[str, Any]:
    """Read every inbox to its end."""
    count, began_s = PHONES * OLD, time.monotonic()
    wait_for(lambda: _stored(host) >= _EARLY * count, _LIMIT_S, 0.2)
    early_mb = host.peak_rss_mb()
    wait_for(lambda: _stored(host) >= count, _LIMIT_S, 0.5)
    took_s = time.monotonic() - began_s
    found = {number for (number,) in host.ask("SELECT msisdn FROM opt_out")}
    return {
        "phones": PHONES,
        "old": count,
        "per_s": round(count / took_s, 1),
        "early_mb": round(early_mb, 1),
        "peak_mb": round(host.peak_rss_mb(), 1),
        "old_missed": len(set(stops) - found),
    }


def _bring_stops(host: Host, rack: SimulatedRack, control: SimulatorControl) -> dict[str, Any]:
    draw = random.Random(_SEED)
    came_s: dict[str, float] = {}
    began_s = time.monotonic()
    for n in range(STOPS):
        time.sleep(max(0.0, began_s + _WITHIN_S * n / STOPS - time.monotonic()))
        number = f"+42060400{n:04d}"
        _put(control, draw.choice(rack.phones), [(number, "STOP")])
        came_s[number] = time.time()
    poll_s = Timings().read_idle_s
    wait_for(lambda: len(_stop_moments(host).keys() & came_s.keys()) == STOPS, 10 * poll_s + 60, 0.5)
    moments = _stop_moments(host)
    late_s = [max(0.0, moments[number] - came) for number, came in came_s.items() if number in moments]
    p99_s = percentile(late_s, 99)
    return {
        "stops": STOPS,
        "missed": STOPS - len(late_s),
        "p50_s": round(percentile(late_s, 50), 2),
        "p99_s": round(p99_s, 2),
        "reached": "yes" if p99_s <= poll_s + _SLACK_S and len(late_s) == STOPS else "no",
    }


def _fill(rack: SimulatedRack, control: SimulatorControl) -> list[str]:
    """Fill every inbox; the first row and the last are STOPs, whose senders are given."""
    stops = []
    for n, serial in enumerate(rack.phones):
        first, last = f"+4206050{n:05d}", f"+4206060{n:05d}"
        stops += [first, last]
        texts = [(first, "STOP"), *((f"+4207{m:08d}", f"Zpráva {m}, a něco k tomu") for m in range(OLD - 2))]
        _put(control, serial, [*texts, (last, "STOP")], _APART_S)
    return stops


def _put(control: SimulatorControl, serial: str, messages: list[tuple[str, str]], apart_s: float = 0) -> None:
    """Put messages into an inbox, the last one now, each so long after the one before."""
    aged = [(sender, text, apart_s * (len(messages) - 1 - n)) for n, (sender, text) in enumerate(messages)]
    for start in range(0, len(messages), _FILL_AT_ONCE):
        rows = [
            {"from": sender, "text": text, "age_s": age} for sender, text, age in aged[start : start + _FILL_AT_ONCE]
        ]
        control.call("POST", f"/phones/{serial}/messages", {"messages": rows})


def _stop_moments(host: Host) -> dict[str, float]:
    rows = host.ask("SELECT i.msisdn, i.stored_at FROM opt_out o JOIN inbound i ON i.id = o.inbound_id")
    return {number: datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() for number, at in rows}


def _stored(host: Host) -> int:
    return int(host.ask("SELECT coalesce(max(id), 0) FROM inbound")[0][0])


def _ready(host: Host) -> int:
    with host.calls() as api:
        return sum(phone["status"] == "ready" for phone in api.call("GET", "/phones")["phones"])


def main() -> None:
    """Measure and save."""
    about, row = machine(), measure()
    poll_s = Timings().read_idle_s
    columns = [
        ["phones", "phones"],
        ["old", "messages at first"],
        ["per_s", "read, 1/s"],
        ["early_mb", "memory after a tenth, MB"],
        ["peak_mb", "at most, MB"],
        ["old_missed", "STOPs missed in them"],
        ["stops", f"STOPs in {_WITHIN_S:.0f} s"],
        ["missed", "missed"],
        ["p50_s", "stored after, p50, s"],
        ["p99_s", "p99"],
        ["reached", f"p99 ≤ {poll_s + _SLACK_S:g} s"],
    ]
    note = (
        "B7: the phones come back with their inboxes full, a STOP in the first row and one in the last; then STOPs come"
        f" in, each to one of the phones, which are read every {poll_s:g} s. Real waits, SQLite with a durable commit"
        " for every page; the simulated phones share the cores."
    )
    save("inbox", {"machine": about, "note": note, "columns": columns, "rows": [row]})


if __name__ == "__main__":
    main()
