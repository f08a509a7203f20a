"""The crash matrix: the daemon dies at every named point of a send, again and again, and nothing is doubled or lost.

A leg is one rack and one database: every failpoint once, then deaths at random moments; after the last one the queue
drains, and the air log of the phones says what really left. Legs are appended to a file; a rerun goes on after them.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.figures import machine, save
from benchmarks.ledger import Verdict, append
from benchmarks.nursery import nursery
from benchmarks.rig import Rig, rig
from device_drivers.failpoints import NAMES

RANDOM = "at a random moment"
# One without shell v2, which gets scripts and is proven by its radio's log alone.
_PHONES = 3
_OPTIONS = ["--fast", "--guard", "100000", "--profiles", "29,22,34"]
# Waits of the daemon, as a part of the real ones; the short one lets a horizon pass in two seconds.
_SCALE, _SHORT_SCALE = 0.05, 0.02
_DEATH_LIMIT_S, _REST_LIMIT_S = 60.0, 90.0
_QUEUE, _BATCH = 30, 20
_SOON_S, _LATE_S = 0.1, 1.5
# How often a point is passed within a second or two, at least; the fatal pass is drawn from these.
_PASSES = {
    "store": 25,
    "submit.before": 3,
    "submit.after": 3,
    "not_sent": 2,
    "unknown": 1,
    "doubt": 1,
    "revoke": 1,
    "radio": 2,
    "inbound": 2,
    "submit.script": 2,
    "read messages": 6,
    "": 6,
}
_UNREVOKED = ("intent.after", "submit.transport.write", "submit.shell.write")


@dataclass
class _Leg:
    """What happens in one leg."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    in_flight: Counter[str] = field(default_factory=Counter)
    touched: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Failpoint -> messages that were in flight at one of its kills."""
    not_reached: list[str] = field(default_factory=list)


def run_leg(seed: int, points: Sequence[str], random_kills: int) -> dict[str, Any]:
    """Kill once at each of these points, in a drawn order, then at random; give the leg as a line of results."""
    leg, chance, began_s = _Leg(seed), random.Random(seed), time.monotonic()
    with nursery() as daemons, rig(daemons, _PHONES, [*_OPTIONS, "--seed", str(seed)], own_adb=False) as made:
        made.start(scale=_SCALE)
        made.enrol_send_only()
        made.daemon and made.daemon.kill()
        order = [*points, *[RANDOM] * random_kills]
        chance.shuffle(order)
        for point in order:
            if point == RANDOM:
                _kill_at_random(made, leg, chance)
            else:
                _kill_at(made, leg, chance, point)
        for serial in made.phones:
            made.control("DELETE", f"/phones/{serial}/faults")
        made.start(scale=_SCALE)
        made.wait_up()
        made.submit([made.ledger.draft(ref) for ref in made.ledger.open_refs()])
        made.come_to_rest(_REST_LIMIT_S)
        made.stop()
        verdict = made.judge()
        if not verdict.holds or leg.not_reached:
            print(f"seed {seed}: {_words_of(verdict)}, not reached {leg.not_reached}", file=sys.stderr)
        return _result(leg, verdict, time.monotonic() - began_s)


def _kill_at(made: Rig, leg: _Leg, chance: random.Random, point: str) -> None:
    kind = point.split(".")[0]
    if kind in ("doubt", "revoke"):
        # Only an attempt that a dead daemon left in its first state is asked for.
        before = "submit.script.write" if "script" in point else chance.choice(_UNREVOKED)
        _kill_at(made, leg, chance, before)
    faults = {"not_sent": "reject", "unknown": "silent"}
    for serial in made.phones:
        if kind in faults:
            made.fault(serial, faults[kind], 1)
        if kind == "inbound":
            made.control("POST", f"/phones/{serial}/inbox", {"from": "+420770000000", "text": "a reply"})
    passes = next(count for start, count in _PASSES.items() if point.startswith(start))
    scale = _SHORT_SCALE if kind == "unknown" else _SCALE
    daemon = made.start(scale=scale, failpoint=f"{point}:{chance.randint(1, passes)}")
    deadline = time.monotonic() + _DEATH_LIMIT_S
    while not daemon.ended(_SOON_S):
        _feed(made, chance, always=point in ("submit.before", "submit.after"))
        if time.monotonic() > deadline:
            leg.not_reached.append(point)
            daemon.kill()
    _note(made, leg, point)


def _kill_at_random(made: Rig, leg: _Leg, chance: random.Random) -> None:
    daemon = made.start(scale=_SCALE)
    deadline = time.monotonic() + chance.uniform(_SOON_S, _LATE_S)
    while (left_s := deadline - time.monotonic()) > 0:
        _feed(made, chance, always=False)
        time.sleep(min(left_s, _SOON_S))
    daemon.kill()
    _note(made, leg, RANDOM)


def _feed(made: Rig, chance: random.Random, *, always: bool) -> None:
    """Keep the queue filled; the socket is not there at first, nor after the end."""
    if not made.daemon or made.daemon.ended() or not (made.data_dir / "api.sock").exists():
        return
    if always:
        made.submit([_message(made, chance) for _ in range(3)])
    elif len(made.in_states("queued")) < _QUEUE:
        again = [made.ledger.draft(ref) for ref in made.ledger.open_refs()]
        made.submit([*again, *(_message(made, chance) for _ in range(_BATCH))])


def _message(made: Rig, chance: random.Random) -> dict[str, str]:
    long = chance.random() < 0.2
    words = "Dlouhá zpráva, která se nevejde do jedné části, ani kdyby chtěla sebevíc." if long else "Message"
    return made.ledger.draw(f"+42077{chance.randrange(100):07d}", words)


def _note(made: Rig, leg: _Leg, point: str) -> None:
    refs = made.in_states("submitting") | set(made.ledger.open_refs())
    leg.kills[point] += 1
    leg.in_flight[point] += len(refs)
    leg.touched[point] |= refs


def _result(leg: _Leg, verdict: Verdict, took_s: float) -> dict[str, Any]:
    sets = {
        "doubled": verdict.doubled,
        "lost": verdict.lost,
        "false_sent": verdict.false_sent,
        "false_failed": verdict.false_failed,
        "unknown": verdict.unknown,
    }
    rows = [
        {"failpoint": point, "kills": kills, "in_flight": leg.in_flight[point]}
        | {name: len(refs & leg.touched[point]) for name, refs in sets.items()}
        for point, kills in leg.kills.items()
    ]
    return {
        "seed": leg.seed,
        "took_s": round(took_s, 1),
        "rows": rows,
        "states": dict(verdict.states),
        "totals": {name: len(refs) for name, refs in sets.items()},
        "broken": {name: found[:5] for name, found in verdict.broken.items() if found},
        "holds": verdict.holds,
        "not_reached": leg.not_reached,
    }


def _words_of(verdict: Verdict) -> str:
    parts = ("lost", "doubled", "false_sent", "false_failed", "unexpected")
    found = {name: sorted(getattr(verdict, name))[:5] for name in parts if getattr(verdict, name)}
    return str(found | {name: refs[:5] for name, refs in verdict.broken.items() if refs})


def run_legs(seeds: Iterable[int], random_kills: int, results: Path | None, workers: int) -> list[dict[str, Any]]:
    """Run legs side by side; what stands in `results` already is not run again."""
    seeds = list(seeds)
    done = {leg["seed"]: leg for leg in _read(results)}

    def run(seed: int) -> dict[str, Any]:
        leg = run_leg(seed, NAMES, random_kills)
        if results:
            append(results, leg)
        return leg

    with ThreadPoolExecutor(workers) as pool:
        done |= {leg["seed"]: leg for leg in pool.map(run, [seed for seed in seeds if seed not in done])}
    return [done[seed] for seed in seeds]


def _read(results: Path | None) -> list[dict[str, Any]]:
    lines = results.read_text("utf-8").splitlines() if results and results.exists() else []
    return [json.loads(line) for line in lines]


def as_table(legs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the legs up, one row for each failpoint and one for all."""
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for leg in legs:
        for row in leg["rows"]:
            counts = {name: value for name, value in row.items() if name != "failpoint"}
            sums[row["failpoint"]].update(counts)
            sums["all"].update({name: counts[name] for name in ("kills", "in_flight")})
        # Where a point was not passed within the limit the clock has killed: that counts with the random deaths.
        for point in leg["not_reached"]:
            sums[point]["kills"] -= 1
            sums[RANDOM]["kills"] += 1
        # A message may have been in flight at several kills: for all of them together it counts once.
        sums["all"].update(leg["totals"])
    order = [*NAMES, RANDOM, "all"]
    return [{"failpoint": point} | dict(sums[point]) for point in order if point in sums]


def main() -> None:
    """Run the matrix; seeds are 1 to the number of legs, plus an offset."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--legs", type=int, default=50, help="times that each failpoint is met")
    options.add_argument("--at-least", type=int, default=1, help="how often each failpoint must have been met")
    options.add_argument("--random", type=int, default=10, help="random deaths in each leg")
    options.add_argument("--first-seed", type=int, default=1)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--results", type=Path, default=Path("build/crash.jsonl"))
    chosen = options.parse_args()
    about = machine()
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.legs)
    legs = run_legs(seeds, chosen.random, chosen.results, chosen.workers)
    rows = as_table(legs)
    messages = sum(sum(leg["states"].values()) for leg in legs)
    columns = [
        ["failpoint", "the daemon died at"],
        ["kills", "kills"],
        ["in_flight", "messages in flight"],
        ["doubled", "doubled"],
        ["lost", "lost"],
        ["false_sent", "said sent, never left"],
        ["false_failed", "said failed, did leave"],
        ["unknown", "unknown"],
    ]
    note = (
        f"{_PHONES} simulated phones (Android 10, 5.1, 14) behind the real adb server, {messages:,} messages in"
        f" {len(legs)} racks, seeds {seeds[0]} to {seeds[-1]}. A message that was in flight at several kills counts in"
        " each row and once in the last. What the phones had been told to drop is among the unknown."
    )
    save("crash", {"machine": about, "note": note, "columns": columns, "rows": rows})
    if not all(leg["holds"] for leg in legs):
        sys.exit("a promise is broken; the seeds are above and in the file of results")
    if missed := [point for point in NAMES if sum(point not in leg["not_reached"] for leg in legs) < chosen.at_least]:
        sys.exit(f"met fewer than {chosen.at_least} times, run more legs: {', '.join(missed)}")


if __name__ == "__main__":
    main()
