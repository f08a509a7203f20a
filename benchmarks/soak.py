"""The soak: the real daemon under random faults, messages all the time; then what came of each, by the air log.

Faults come from a seeded schedule: cables, links, framework, radio, restarts of phones, the adb server, the daemon.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import machine, save
from benchmarks.ledger import Verdict
from benchmarks.nursery import Nursery, nursery
from benchmarks.rig import NO_ANSWER, Rig, rig
from device_drivers.adb.address import ServerAddress
from device_drivers.adb.listener import find_listener

_PROFILES = "29,34,31,33"
# Long enough that a failed row is corrected between two looks, even on a busy host: 0.4 s.
_SCALE = 0.2
_PER_MINUTE = 120
_TICK_S = 0.25
_LONG = "Zpráva o více částech, která se do jedné nevejde, ať dělá, co dělá."
_REST_LIMIT_S = 300.0
_ON_ONE_SEND = (
    "drop_before",
    "drop_after",
    "drop_unopened",
    "kill_inside",
    "hang",
    "reject",
    "silent",
    "no_row",
    "late_row",
    "radio_fail",
)
# Each takes phones out for seconds: drawn less often than what hits one send.
_WEIGHTS = dict.fromkeys(_ON_ONE_SEND, 4) | {
    "unplug": 6,
    "reboot": 3,
    "adb server killed": 1,
    "daemon killed": 2,
}


@dataclass(frozen=True)
class Load:
    """What a soak does."""

    phones: int
    duration_s: float
    messages_per_s: float
    faults_per_s: float
    seed: int


class _Soak:
    """One run."""

    def __init__(self, made: Rig, load: Load) -> None:
        self._rig, self._load = made, load
        self._chance = random.Random(load.seed)
        self.faults: Counter[str] = Counter()
        self.stops = 0
        self._later: list[tuple[float, Callable[[], object]]] = []

    def run(self) -> None:
        """Ask for messages and break things until the time is over."""
        made, load = self._rig, self._load
        made.start(scale=_SCALE)
        made.wait_up()
        began_s = time.monotonic()
        asked = broken = 0.0
        released_s = began_s
        while (now_s := time.monotonic()) - began_s < load.duration_s:
            for due in [entry for entry in self._later if entry[0] <= now_s]:
                self._later.remove(due)
                due[1]()
            while broken < (now_s - began_s) * load.faults_per_s:
                broken += 1
                self._break_something()
            due_messages = int((now_s - began_s) * load.messages_per_s - asked)
            if due_messages > 0:
                asked += due_messages
                self._ask(due_messages)
            if now_s - released_s > 2:
                released_s = now_s
                self._release()
            time.sleep(_TICK_S)
        self._heal()

    def _ask(self, count: int) -> None:
        """Ask again for what was not answered, and for new ones."""
        ledger = self._rig.ledger
        again = [ledger.draft(ref) for ref in ledger.open_refs()[:200]]
        new = [ledger.draw(self._number(), self._words()) for _ in range(count)]
        self._rig.submit([*again, *new])

    def _number(self) -> str:
        return f"+42077{self._chance.randrange(500):07d}"

    def _words(self) -> str:
        return _LONG if self._chance.random() < 0.1 else "Message"

    def _break_something(self) -> None:
        made, chance = self._rig, self._chance
        kind = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        serial = chance.choice(made.phones)
        self.faults[kind] += 1
        if kind in _ON_ONE_SEND:
            made.fault(serial, kind, 1, seconds=chance.uniform(1, 40) if kind == "late_row" else None)
        elif kind == "unplug":
            made.control("POST", f"/phones/{serial}/unplug")
            self._in(chance.uniform(0.2, 6), lambda: made.control("POST", f"/phones/{serial}/plug"))
        elif kind == "reboot":
            made.control("POST", f"/phones/{serial}/reboot")
        elif kind == "adb server killed":
            self._kill_adb()
        elif made.daemon and not made.daemon.ended():
            made.daemon.kill()
            self._in(chance.uniform(0.1, 3), lambda: made.start(scale=_SCALE))
        if chance.random() < 0.2:
            self._say_stop()

    def _say_stop(self) -> None:
        self.stops += 1
        body = {"from": self._number(), "text": "STOP"}
        self._rig.control("POST", f"/phones/{self._chance.choice(self._rig.phones)}/inbox", body)

    def _kill_adb(self) -> None:
        listener = find_listener(ServerAddress(socket_path=self._rig.data_dir / "adb" / "adb.sock"))
        if listener is not None and listener.pid:
            os.kill(listener.pid, signal.SIGKILL)

    def _in(self, pause_s: float, work: Callable[[], object]) -> None:
        self._later.append((time.monotonic() + pause_s, work))

    def _release(self) -> None:
        try:
            self._rig.release_held()
        except NO_ANSWER:
            return  # it is dead or about to start

    def _heal(self) -> None:
        """End every fault, ask once more for what had no answer, and wait until all is at rest."""
        made = self._rig
        for _, work in sorted(self._later, key=lambda entry: entry[0]):
            work()
        for serial in made.phones:
            made.control("DELETE", f"/phones/{serial}/faults")
        if made.daemon is None or made.daemon.ended():
            made.start(scale=_SCALE)
        made.wait_up()
        made.submit([made.ledger.draft(ref) for ref in made.ledger.open_refs()])
        made.come_to_rest(_REST_LIMIT_S)
        made.stop()


def soak(load: Load, daemons: Nursery, keep: Path | None = None) -> dict[str, Any]:
    """Run one; give what came of it. With `keep`, log, database and air log stay there if a promise was broken."""
    began_s = time.monotonic()
    options = ["--fast", "--guard", "100000", "--profiles", _PROFILES, "--seed", str(load.seed)]
    with rig(daemons, load.phones, options, own_adb=True, per_minute=_PER_MINUTE) as made:
        run = _Soak(made, load)
        run.run()
        verdict = made.judge()
        if keep and not verdict.holds:
            made.keep(keep)
        return _report(made, verdict, run.faults) | {"stops": run.stops, "took_s": round(time.monotonic() - began_s)}


def clean_soak(messages: int, phones: int, seed: int, daemons: Nursery, keep: Path | None = None) -> dict[str, Any]:
    """Send so many messages without any fault."""
    began_s = time.monotonic()
    options = ["--fast", "--guard", "100000", "--profiles", _PROFILES, "--seed", str(seed)]
    chance = random.Random(seed)
    with rig(daemons, phones, options, own_adb=True) as made:
        made.start(scale=_SCALE)
        made.wait_up()
        for start in range(0, messages, 500):
            numbers = [f"+42077{chance.randrange(500):07d}" for _ in range(min(500, messages - start))]
            made.submit([made.ledger.draw(number, "Message") for number in numbers])
        made.come_to_rest(_REST_LIMIT_S + messages / 5)
        made.stop()
        verdict = made.judge()
        if keep and not (verdict.holds and not verdict.unknown):
            made.keep(keep)
        return _report(made, verdict, Counter()) | {"took_s": round(time.monotonic() - began_s)}


def _report(made: Rig, verdict: Verdict, faults: Counter[str]) -> dict[str, Any]:
    """The words are those of Jepsen's checker of queues, and `unknown`."""
    sets = {
        "duplicated": verdict.doubled,
        "lost": verdict.lost,
        "unexpected": verdict.unexpected,
        "false sent": verdict.false_sent,
        "false failed": verdict.false_failed,
    }
    return {
        "attempts": made.ledger.attempts,
        "acknowledged": len(made.ledger.acknowledged),
        "refused": len(made.ledger.refused),
        "ok": len(verdict.ok),
        "recovered": len(verdict.recovered),
        "unknown": len(verdict.unknown),
        "unknown_left": len(verdict.unknown & verdict.on_air),
    } | {
        **{name.replace(" ", "_"): len(refs) for name, refs in sets.items()},
        "states": dict(verdict.states),
        "faults": dict(faults),
        "fault_count": sum(faults.values()),
        "broken": {name: sorted(found)[:5] for name, found in (verdict.broken | sets).items() if found},
        "holds": verdict.holds,
    }


def main() -> None:
    """Run the faulty soak and the clean one, and write the figures."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--hours", type=float, default=10 / 60)
    options.add_argument("--phones", type=int, default=20)
    options.add_argument("--messages-per-s", type=float, default=5.0)
    options.add_argument("--faults-per-s", type=float, default=0.5)
    options.add_argument("--clean", type=int, default=10_000, help="messages of the clean soak; 0 leaves it out")
    options.add_argument("--seed", type=int, default=random.randrange(1, 1000))
    options.add_argument("--keep", type=Path, default=Path("build/soak"), help="where a broken run leaves its files")
    chosen = options.parse_args()
    print(f"seed {chosen.seed}", file=sys.stderr)
    about, runs = machine(), {}
    load = Load(chosen.phones, chosen.hours * 3600, chosen.messages_per_s, chosen.faults_per_s, chosen.seed)
    with nursery() as daemons:
        runs["with faults"] = soak(load, daemons, chosen.keep)
        print(json.dumps(runs["with faults"]), file=sys.stderr)
        if chosen.clean:
            runs["without faults"] = clean_soak(chosen.clean, chosen.phones, chosen.seed, daemons, chosen.keep)
            print(json.dumps(runs["without faults"]), file=sys.stderr)
    counts = ("attempts", "acknowledged", "ok", "lost", "duplicated", "unexpected", "recovered", "unknown")
    columns = [["run", "soak"], ["fault_count", "faults"], *([name, name] for name in counts)]
    columns += [["false_sent", "said sent, never left"], ["false_failed", "said failed, did leave"]]
    note = (
        f"{load.phones} simulated phones behind the real adb server; {chosen.hours * 60:.0f} minutes with faults, seed"
        f" {load.seed}. In the words of Jepsen's checker for queues: an attempt is a message in a request, acknowledged"
        " is what got an answer, ok left and is `sent`, recovered got no answer at first and was taken all the same."
        f" Of the unknown {runs['with faults']['unknown_left']:,} had left."
    )
    rows = [{"run": name} | run for name, run in runs.items()]
    save("soak", {"machine": about, "note": note, "columns": columns, "rows": rows})
    clean = runs.get("without faults", {"unknown": 0})
    if not all(run["holds"] for run in runs.values()) or clean["unknown"]:
        sys.exit(f"a promise is broken; the files of that run are in {chosen.keep}")


if __name__ == "__main__":
    main()
