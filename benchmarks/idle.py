"""What a rack costs that has nothing to do: 100 phones, with and without reading rounds."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.drain import FAST, NO_LIMIT
from benchmarks.figures import machine, save
from benchmarks.host import Host, wait_until_ready
from benchmarks.rounds import PAUSE
from benchmarks.runs import REPEATS, middle
from host_controller.cli.simulated_rack import simulated_rack

PHONES = int(os.environ.get("SMSRACK_BENCH_PHONES", "100"))
SECONDS = int(os.environ.get("SMSRACK_BENCH_SECONDS", "60"))
_NEVER_S = 86_400.0
PAUSES_S = (_NEVER_S, 15.0, 5.0)
"""Between two rounds: none at all, as delivered, and often."""
_PASS_PERCENT = {_NEVER_S: 2, 5.0: 6}
_READY_LIMIT_S = 180.0
# After it the health of every phone was read, and what a start brings with it is over.
_SETTLE_S = 15.0


def measure(pause_s: float) -> dict[str, float]:
    """Let every phone come and calm down, then count for a while."""
    with tempfile.TemporaryDirectory(prefix="sr") as name, simulated_rack(PHONES, FAST) as rack:
        host = Host(Path(name), rack.phones, NO_LIMIT)
        with host.running("benchmarks.rounds", {PAUSE: str(pause_s)}), host.calls() as api:
            wait_until_ready(api, PHONES, _READY_LIMIT_S)
            time.sleep(_SETTLE_S)
            start = host.usage()
            time.sleep(SECONDS)
            used = host.usage() - start
            return {
                "daemon_percent": 100 * used.daemon_s / used.at_s,
                "adb_percent": 100 * used.adb_s / used.at_s,
                "rss_mb": host.peak_rss_mb(),
            }


def main() -> None:
    """Measure."""
    about = machine()
    runs: dict[float, list[dict[str, float]]] = {pause_s: [] for pause_s in PAUSES_S}
    for number in range(REPEATS):
        for pause_s in PAUSES_S:
            runs[pause_s].append(measure(pause_s))
            print(f"run {number + 1}, {pause_s:g} s: {runs[pause_s][-1]}", file=sys.stderr)
    rows = [_row(pause_s, found) for pause_s, found in runs.items()]
    columns = [
        ["rounds", "reading rounds"],
        ["daemon_percent", "daemon, % of a core"],
        ["adb_percent", "adb server, % of a core"],
        ["rss_mb", "memory of the daemon, MB"],
        ["reached", "< 2 % without, < 6 % every 5 s"],
    ]
    note = (
        f"{PHONES} phones that are ready and an empty queue, counted for {SECONDS} s, by turns; median of {REPEATS};"
        " health is read every minute in all rows. A round is one command on each phone, for what came in and what was"
        " sent."
    )
    save("idle", {"machine": about, "note": note, "columns": columns, "rows": rows})


def _row(pause_s: float, runs: list[dict[str, float]]) -> dict[str, Any]:
    row: dict[str, Any] = middle(runs)
    row["rounds"] = "none" if pause_s == _NEVER_S else f"every {pause_s:g} s"
    if pause_s in _PASS_PERCENT:
        row["reached"] = "yes" if row["daemon_percent"] < _PASS_PERCENT[pause_s] else "no"
    return row


if __name__ == "__main__":
    main()
