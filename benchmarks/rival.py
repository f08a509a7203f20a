"""B5: one phone each, the same queue: ours and gammu-smsd by turns, with each store of its that can run here."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.drain import FAST, NO_LIMIT, let_go
from benchmarks.figures import machine, save
from benchmarks.gammu import Gammu, GammuFiles, GammuPostgresql, GammuSqlite, what_is_missing
from benchmarks.host import Host, numbered_messages, queue
from benchmarks.rack import cpu_s, wait_for
from benchmarks.runs import REPEATS, middle
from host_controller.cli.simulated_rack import simulated_rack
from tests.postgresql import find_binaries, running_server

DEPTHS = tuple(int(depth) for depth in os.environ.get("SMSRACK_BENCH_RIVAL_DEPTHS", "10000,100000").split(","))
SECONDS = float(os.environ.get("SMSRACK_BENCH_RIVAL_SECONDS", "30"))
OURS = "smsrack, SQLite"
_FIRST_LIMIT_S = 120.0
# Parts a minute for each SIM; the settings allow a tenth of it.
_UNLIMITED = 60_000
# A look holds up who writes to the same file.
_LOOK_S = 0.5
# How many times its SQLite rate is asked for, at the first depth and at the others.
_PASS_FIRST, _PASS_DEEP = 2, 20
Run = Callable[[int], dict[str, float]]


@contextmanager
def our_side(home: Path) -> Iterator[Run]:
    """Ours: a queue of each depth is filled once and copied for each run."""
    filled: dict[int, Path] = {}
    for depth in DEPTHS:
        (home / str(depth)).mkdir()
        host = Host(home / str(depth), (), NO_LIMIT)
        with host.calls() as api:
            queue(api, numbered_messages(depth))
        filled[depth] = host.database
    yield lambda depth: _run_ours(filled[depth], depth)


def _run_ours(database: Path, depth: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="sr") as name, simulated_rack(1, FAST) as rack:
        host = Host(Path(name), rack.phones, NO_LIMIT)
        host.data_dir.mkdir(mode=0o700)
        shutil.copy(database, host.database)
        with let_go(host, rack, is_released=False):
            pass  # the phone is known now
        host.change("UPDATE sim SET parts_per_minute = ?", _UNLIMITED)
        with let_go(host, rack):
            wait_for(lambda: host.count("sent"), _FIRST_LIMIT_S)
            start, before = host.usage(), host.count("sent")
            _wait_until_over(lambda: host.count("sent"), depth)
            used, sent = host.usage() - start, host.count("sent") - before
        proofs = host.ask("SELECT at, count(*) FROM message_event WHERE new_state = 'sent' GROUP BY at ORDER BY at")
    # Proofs come in bunches: from the first of them to the last, without the first.
    took = datetime.fromisoformat(proofs[-1][0]) - datetime.fromisoformat(proofs[0][0])
    return {
        "per_s": sum(count for _, count in proofs[1:]) / took.total_seconds(),
        "cpu_ms": 1000 * used.daemon_s / max(1, sent),
        "adb_ms": 1000 * used.adb_s / max(1, sent),
    }


@contextmanager
def sqlite_side() -> Iterator[Run]:
    """gammu-smsd on SQLite."""
    yield partial(_run_gammu, GammuSqlite)


@contextmanager
def files_side() -> Iterator[Run]:
    """gammu-smsd on files."""
    yield partial(_run_gammu, GammuFiles)


@contextmanager
def postgresql_side(binaries: Path) -> Iterator[Run]:
    """gammu-smsd on a PostgreSQL server of its own."""
    with running_server(binaries) as server:
        yield lambda depth: _run_gammu(lambda home: GammuPostgresql(home, server.new_database()), depth)


def _run_gammu(make: Callable[[Path], Gammu], depth: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="sr") as name:
        gammu = make(Path(name))
        gammu.fill(numbered_messages(depth))
        with gammu.running() as pid:
            wait_for(gammu.sent, _FIRST_LIMIT_S)
            start_s, used_s, before = time.monotonic(), cpu_s(pid), gammu.sent()
            _wait_until_over(gammu.sent, depth)
            sent, used_s, wall_s = gammu.sent() - before, cpu_s(pid) - used_s, time.monotonic() - start_s
    return {"per_s": sent / wall_s, "cpu_ms": 1000 * used_s / max(1, sent)}


def _wait_until_over(sent: Callable[[], int], depth: int) -> None:
    """Wait for the end of the time or of the queue."""
    with suppress(TimeoutError):
        wait_for(lambda: sent() >= depth, SECONDS, _LOOK_S)


def main() -> None:
    """Measure."""
    missing = what_is_missing()
    if missing:
        print(f"not measured: {missing}", file=sys.stderr)
        return
    about, binaries = machine(), find_binaries()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sr")))
        sides: dict[str, Run] = {
            OURS: stack.enter_context(our_side(home)),
            GammuSqlite.name: stack.enter_context(sqlite_side()),
            GammuFiles.name: stack.enter_context(files_side()),
        }
        if binaries:
            sides[GammuPostgresql.name] = stack.enter_context(postgresql_side(binaries))
        rows = [row for depth in DEPTHS for row in _measure(depth, sides)]
    columns = [
        ["depth", "queued"],
        ["who", "daemon"],
        ["per_s", "messages a second"],
        ["cpu_ms", "CPU daemon, ms each"],
        ["adb_ms", "CPU adb server, ms each"],
        ["times", "ours is so many times as fast"],
        ["reached", f"≥ {_PASS_FIRST} × its SQLite, ≥ {_PASS_DEEP} × deeper"],
    ]
    note = (
        f"B5: one phone each, counted for {SECONDS:g} s from the first message on, by turns; median of {REPEATS} runs."
        " gammu-smsd of Debian with LoopSleep = 0, no looks at its phone, no log. Its phone is a dummy in its process"
        " that takes a message at once, and sent means that it did. Ours drives a simulated phone through a real adb"
        " server; the simulator interprets the phone's usual commands instead of a real shell, so that the phone takes"
        " little of the cores that both sides are measured on, as the dummy does. There, sent means proven by two"
        " readings of the phone's sent box 2 s apart. Proofs come in bunches: our rate is from the first bunch to the"
        " last. SQLite commits durably on both sides; files are not synced. The CPU of PostgreSQL and of our simulated"
        " phone is not counted."
    )
    save("rival", {"machine": about, "note": note, "columns": columns, "rows": rows})


def _measure(depth: int, sides: dict[str, Run]) -> list[dict[str, Any]]:
    runs: dict[str, list[dict[str, float]]] = {who: [] for who in sides}
    for number in range(REPEATS):
        for who, run in sides.items():
            runs[who].append(run(depth))
            print(f"run {number + 1}, {depth} queued, {who}: {runs[who][-1]}", file=sys.stderr)
    rows: list[dict[str, Any]] = [{"depth": depth, "who": who, **middle(found)} for who, found in runs.items()]
    ours = rows[0]["per_s"]
    for row in rows[1:]:
        row["times"] = round(ours / row["per_s"], 2) if row["per_s"] else None
    wanted = _PASS_FIRST if depth == DEPTHS[0] else _PASS_DEEP
    rows[0]["reached"] = "yes" if ours >= wanted * rows[1]["per_s"] else "no"
    return rows


if __name__ == "__main__":
    main()
