"""B2: the real daemon empties a full queue through 100 phones that answer at once."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.drain import FAST, NO_LIMIT, drain, verify
from benchmarks.figures import machine, save
from benchmarks.host import Host, numbered_messages, queue
from benchmarks.runs import REPEATS, middle
from host_controller.cli.simulated_rack import simulated_rack

PHONES = int(os.environ.get("SMSRACK_BENCH_PHONES", "100"))
MESSAGES = int(os.environ.get("SMSRACK_BENCH_MESSAGES", "10000"))
_PASS_RATE, _PASS_CPU_MS = 300, 1.5


def measure() -> dict[str, float]:
    """Queue everything while no phone is taken in, let them in, and give what it took."""
    with tempfile.TemporaryDirectory(prefix="sr") as name, simulated_rack(PHONES, FAST) as rack:
        host = Host(Path(name), rack.phones, NO_LIMIT)
        with host.calls() as api:
            queued = queue(api, numbered_messages(MESSAGES))
        return drain(host, rack, MESSAGES) | verify(host, rack, queued.numbers)


def main() -> None:
    """Measure."""
    about, runs = machine(), []
    for number in range(REPEATS):
        runs.append(measure())
        print(f"run {number + 1}: {runs[-1]}", file=sys.stderr)
    row: dict[str, Any] = middle(runs, worst=("unsent", "unknown", "doubled", "lost"))
    reached = row["per_s"] >= _PASS_RATE and row["daemon_ms"] <= _PASS_CPU_MS
    row |= {"phones": PHONES, "messages": MESSAGES, "reached": "yes" if reached else "no"}
    columns = [
        ["phones", "phones"],
        ["messages", "messages"],
        ["per_s", "messages a second"],
        ["daemon_ms", "CPU daemon, ms each"],
        ["adb_ms", "CPU adb server, ms each"],
        ["rss_mb", "memory of the daemon, MB"],
        ["unknown", "unknown"],
        ["doubled", "doubled"],
        ["lost", "lost"],
        ["reached", f"≥ {_PASS_RATE} a second, ≤ {_PASS_CPU_MS} ms"],
    ]
    note = (
        "B2: the queue is full before the daemon starts; SQLite with a durable commit for every step, the phone's"
        " journal, every message proven by two readings 2 s apart; real waits, limits raised. The simulator interprets"
        " the phones' usual commands instead of a real shell, which would take the cores from the daemon; a phone's own"
        " tools answer at once, where a real one starts a program for each. Counted from the release of"
        " the paused rack, when all phones are ready, until the last message is proven."
        f" Median of {REPEATS} runs; the simulated phones share the two cores."
    )
    save("saturated", {"machine": about, "note": note, "columns": columns, "rows": [row]})


if __name__ == "__main__":
    main()
