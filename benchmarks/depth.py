"""B3: B2 with up to a million queued. The queue is filled once, and every run begins with a copy of its database.

`SMSRACK_BENCH_DEPTH` sets the greatest depth; a tenth and a hundredth of it are measured beside it, by turns.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.drain import FAST, NO_LIMIT, hand_over, on_air
from benchmarks.figures import machine, save
from benchmarks.host import Host, numbered_messages, queue
from benchmarks.runs import REPEATS, middle, percentile
from benchmarks.timed_claims import FILE, read_claims
from host_controller.cli.simulated_rack import simulated_rack

PHONES = int(os.environ.get("SMSRACK_BENCH_PHONES", "100"))
DEPTH = int(os.environ.get("SMSRACK_BENCH_DEPTH", "1000000"))
DEPTHS = (DEPTH // 100, DEPTH // 10, DEPTH)
# So many are sent in each run, at every depth the same.
SENT = DEPTHS[0]
_SLICE = 10_000
_MEGABYTE = 1024 * 1024
_PASS_RATIO, _PASS_RSS_MB, _PASS_ENQUEUE_S = 0.9, 200, 120


@dataclass(frozen=True)
class Filled:
    """A queue of one depth."""

    database: Path
    enqueue_s: float
    """What the bulk API took to fill it."""
    rss_mb: float
    """The most that the daemon has held meanwhile."""

    @property
    def size_mb(self) -> float:
        """Of the database's file."""
        return self.database.stat().st_size / _MEGABYTE


def fill(home: Path) -> dict[int, Filled]:
    """Let a daemon without phones accept everything, and keep its database at each depth."""
    host, filled, took_s, depth = Host(home, (), NO_LIMIT), {}, 0.0, 0
    with host.running(), host.calls() as api:
        for wanted in DEPTHS:
            while depth < wanted:
                count = min(_SLICE, wanted - depth)
                took_s += queue(api, numbered_messages(count, depth)).took_s
                depth += count
            copy = home / f"{wanted}.db"
            with closing(sqlite3.connect(host.database)) as source, closing(sqlite3.connect(copy)) as target:
                source.backup(target)
            filled[wanted] = Filled(copy, took_s, host.peak_rss_mb())
            print(f"{wanted} queued in {took_s:.1f} s, {filled[wanted].size_mb:.0f} MB", file=sys.stderr)
    return filled


def measure(filled: Filled) -> dict[str, float]:
    """Send from a queue of this depth."""
    with tempfile.TemporaryDirectory(prefix="sr") as name, simulated_rack(PHONES, FAST) as rack:
        host, claims_file = Host(Path(name), rack.phones, NO_LIMIT), Path(name) / "claims"
        host.data_dir.mkdir(mode=0o700)
        shutil.copy(filled.database, host.database)
        found = hand_over(host, rack, SENT, "benchmarks.timed_claims", {FILE: str(claims_file)})
        claims_ms = [1000 * seconds for seconds in read_claims(claims_file)]
        doubled = sum(times - 1 for times in on_air(rack).values())
        unknown = host.count("unknown")
    claims = {"claim_p50_ms": percentile(claims_ms, 50), "claim_p99_ms": percentile(claims_ms, 99)}
    return found | claims | {"start_s": host.start_s, "unknown": unknown, "doubled": doubled}


def main() -> None:
    """Measure."""
    about = machine()
    runs: dict[int, list[dict[str, float]]] = {depth: [] for depth in DEPTHS}
    with tempfile.TemporaryDirectory(prefix="sr") as name:
        filled = fill(Path(name))
        for number in range(REPEATS):
            for depth in DEPTHS:
                runs[depth].append(measure(filled[depth]))
                print(f"run {number + 1}, {depth} queued: {runs[depth][-1]}", file=sys.stderr)
        rows = [_row(depth, filled[depth], runs[depth]) for depth in DEPTHS]
    for row in rows:
        row["ratio"] = round(row["per_s"] / rows[0]["per_s"], 2)
    deep = rows[-1]
    is_small = deep["rss_mb"] <= _PASS_RSS_MB and deep["fill_rss_mb"] <= _PASS_RSS_MB
    reached = deep["ratio"] >= _PASS_RATIO and is_small and deep["enqueue_s"] <= _PASS_ENQUEUE_S
    deep["reached"] = "yes" if reached else "no"
    columns = [
        ["depth", "queued"],
        ["enqueue_s", "accepted in, s"],
        ["size_mb", "database, MB"],
        ["fill_rss_mb", "memory while accepting, MB"],
        ["rss_mb", "memory while sending, MB"],
        ["start_s", "daemon answers after, s"],
        ["per_s", "messages a second"],
        ["ratio", "of the first row's"],
        ["daemon_ms", "CPU daemon, ms each"],
        ["claim_p50_ms", "claim p50, ms"],
        ["claim_p99_ms", "claim p99, ms"],
        ["unknown", "unknown"],
        ["doubled", "doubled"],
        ["reached", f"≥ {_PASS_RATIO}, ≤ {_PASS_RSS_MB} MB, ≤ {_PASS_ENQUEUE_S} s"],
    ]
    note = (
        f"B3: {PHONES} phones as in B2; the same database for each run. Counted from the release of the paused"
        f" rack until {SENT:,} messages have been handed over, while those before wait for their proof. As there, the"
        " simulator interprets the phones' usual commands instead of a real shell, which would take the cores from the"
        " daemon. Accepted by the bulk API, 1,000 in a call, one client, each call durable before its answer. A claim's"
        f" time is from the lane's wish until its intent is durable, with the wait for the other {PHONES - 1} lanes;"
        f" memory is the most that the process held. Median of {REPEATS} alternating repeats."
    )
    save("depth", {"machine": about, "note": note, "columns": columns, "rows": rows})


def _row(depth: int, filled: Filled, runs: list[dict[str, float]]) -> dict[str, Any]:
    row: dict[str, Any] = middle(runs, worst=("unknown", "doubled"))
    return row | {
        "depth": depth,
        "enqueue_s": round(filled.enqueue_s, 1),
        "size_mb": round(filled.size_mb, 1),
        "fill_rss_mb": round(filled.rss_mb, 1),
    }


if __name__ == "__main__":
    main()
