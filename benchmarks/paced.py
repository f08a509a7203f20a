"""B4: 100 phones of which each sends 100 SMS a minute: nothing twice, nothing lost, nothing early, and how late."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.drain import FAST, verify
from benchmarks.figures import machine, save
from benchmarks.host import Host, numbered_messages, queue, wait_until_ready
from benchmarks.lateness import Late, Submit, control_timer, lateness_ms, most_in_a_minute
from benchmarks.runs import REPEATS, middle
from host_controller.cli.simulated_rack import SimulatedRack, simulated_rack
from host_controller.cli.simulator_control import SimulatorControl

PHONES = int(os.environ.get("SMSRACK_BENCH_PHONES", "100"))
SECONDS = int(os.environ.get("SMSRACK_BENCH_SECONDS", "60"))
_SIMS = 2
"""In every simulated phone; they share what it sends."""
_PER_MINUTE = 100 // _SIMS
MESSAGES = PHONES * _SIMS * _PER_MINUTE * SECONDS // 60
Submits = Mapping[object, Sequence[Submit]]
_READY_LIMIT_S, _END_LIMIT_S = 180.0, 300.0
# What one submit may be before its due time by the rounding of the clock.
_CLOCK_MS = 1.0
_PASS_P99_MS, _PASS_CPU = 50, 70


def measure() -> dict[str, float]:
    """Let every phone get ready, queue for all of them, and look at what left when nothing moves any more."""
    with tempfile.TemporaryDirectory(prefix="sr") as name, simulated_rack(PHONES, FAST) as rack:
        host = Host(Path(name), rack.phones, _PER_MINUTE)
        with host.running(), control_timer(PHONES * 100 / 60) as control_ms:
            with host.calls() as api:
                wait_until_ready(api, PHONES, _READY_LIMIT_S)
                queued = queue(api, numbered_messages(MESSAGES))
            control_ms.clear()
            start = host.usage()
            used = host.wait_for_submits(SECONDS + _END_LIMIT_S) - start
            control = Late.of(control_ms)
            host.wait_for_sent(MESSAGES, _END_LIMIT_S)
        return {
            "host_percent": 100 * (used.daemon_s + used.adb_s) / used.at_s,
            "control_p50_ms": control.p50,
            "control_p99_ms": control.p99,
            "control_max_ms": control.most,
            **verify(host, rack, queued.numbers),
            **_spacing(_by_host(host), _by_phones(rack)),
        }


def _by_host(host: Host) -> Submits:
    """When each SIM was given what, as the daemon has it on record: the moment of the intent."""
    submits: dict[object, list[Submit]] = defaultdict(list)
    for sim_id, at, parts in host.ask("SELECT sim_id, intent_at, part_count FROM attempt WHERE state != 'not_sent'"):
        submits[sim_id].append((1000 * datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp(), parts))
    return submits


def _by_phones(rack: SimulatedRack) -> Submits:
    """When each SIM's framework was asked for what; the air log is not the daemon's."""
    submits: dict[object, list[Submit]] = defaultdict(list)
    for part in SimulatorControl(rack.control).air():
        if part["part"] == 1:
            submits[part["phone"], part["slot_index"]].append((part["asked_at_ms"], part["parts"]))
    return submits


def _spacing(by_host: Submits, by_phones: Submits) -> dict[str, float]:
    """The daemon's own record tells how late it was; whether it was early, the phones are asked as well."""
    late, there = Late.of(lateness_ms(by_host, _PER_MINUTE)), Late.of(lateness_ms(by_phones, _PER_MINUTE))
    early = sum(late_ms < -_CLOCK_MS for late_ms in lateness_ms(by_host, _PER_MINUTE))
    return {
        "late_p50_ms": late.p50,
        "late_p99_ms": late.p99,
        "late_max_ms": late.most,
        "phone_p99_ms": there.p99,
        # One more than the limit stands at both ends of a minute.
        "early": early + max(0, most_in_a_minute(by_phones) - _PER_MINUTE - 1),
    }


def main() -> None:
    """Measure."""
    about, runs = machine(), []
    for number in range(REPEATS):
        runs.append(measure())
        print(f"run {number + 1}: {runs[-1]}", file=sys.stderr)
    row: dict[str, Any] = middle(runs, worst=("unsent", "unknown", "doubled", "lost", "early"))
    is_right = not any(row[key] for key in ("unsent", "doubled", "lost", "early"))
    reached = is_right and row["late_p99_ms"] <= _PASS_P99_MS and row["host_percent"] <= _PASS_CPU
    row |= {"phones": PHONES, "messages": MESSAGES, "reached": "yes" if reached else "no"}
    columns = [
        ["phones", "phones"],
        ["messages", "messages"],
        ["unsent", "not sent"],
        ["doubled", "doubled"],
        ["lost", "lost"],
        ["early", "early"],
        ["late_p50_ms", "late p50, ms"],
        ["late_p99_ms", "late p99, ms"],
        ["late_max_ms", "late at most, ms"],
        ["phone_p99_ms", "at the phone p99, ms"],
        ["control_p50_ms", "control p50, ms"],
        ["control_p99_ms", "control p99, ms"],
        ["control_max_ms", "control at most, ms"],
        ["host_percent", "daemon and adb server, % of a core"],
        ["reached", f"all sent, none early, p99 ≤ {_PASS_P99_MS} ms, ≤ {_PASS_CPU} %"],
    ]
    note = (
        f"B4: every phone sends 100 SMS a minute for {SECONDS} s, {_PER_MINUTE} from each SIM. Late is an intent"
        f" against the one before of its SIM, which makes it due parts × 60,000 / {_PER_MINUTE} ms later; at the phone"
        " it is from call to call of the framework, in the simulator's log, which also tells what left twice or not at"
        " all. The control is a bare timer thread of another process, at the same time. The CPU of accepting the"
        " messages is not counted. The simulator interprets the phones' usual commands instead of a real shell, which"
        f" would take the cores from the daemon. Median of {REPEATS} runs, of the counts the highest; the simulated"
        " phones share the two cores."
    )
    save("paced", {"machine": about, "note": note, "columns": columns, "rows": [row]})


if __name__ == "__main__":
    main()
