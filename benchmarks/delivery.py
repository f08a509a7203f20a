"""What each fault does to messages: doubled, lost, wrongly called sent, left unknown; and to a queue that retries.

One row is one fault of the list in docs/delivery.md, on a daemon and phones of its own. What left is counted from the
simulator's air log, which the daemon never sees. `SMSRACK_FAULT_N` sets how many messages a row takes,
`SMSRACK_FAULT_ROWS` (like `2,29`) which rows are run.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks import host_faults, inbox_faults, phone_faults
from benchmarks.figures import FIGURES, machine, save
from benchmarks.gateway import CONTRAST, OURS, PHONES, SCALE, SEED
from benchmarks.tally import Balance

N = int(os.environ.get("SMSRACK_FAULT_N", "1000"))
ROWS = os.environ.get("SMSRACK_FAULT_ROWS")
Run = Callable[[str, int], Balance]


@dataclass(frozen=True)
class Fault:
    """One row of the table."""

    name: str
    """Begins with its number."""
    run: Run
    """Runs it on (module of the daemon, number of messages)."""
    is_contrasted: bool = True
    """Whether a queue that retries on doubt would fare otherwise."""

    @property
    def number(self) -> str:
        """Its number in the list of faults."""
        return self.name.split(" ", 1)[0]


FAULTS = [
    Fault("1 unplugged before the command arrives", phone_faults.on_sends("drop_before")),
    Fault("2 unplugged after the SMS left, before the answer", phone_faults.on_sends("drop_after")),
    Fault("3 shell killed at a random moment", phone_faults.on_sends("kill_at_random", seconds=0.03)),
    Fault("8 restart in mid-send", phone_faults.restarts),
    Fault("8 restart in mid-send, last 5 s of writes lost", phone_faults.restarts_that_lose),
    Fault("11 the row never comes", phone_faults.on_sends("no_row")),
    Fault("12 the row comes 30 s to 20 min late", phone_faults.late_rows),
    Fault("13 the row says sent, then failed", phone_faults.on_sends("radio_fail", seconds=0.5 * SCALE)),
    Fault("15 three equal messages, a row dropped", phone_faults.on_sends("no_row", chance=1 / 3, same=3)),
    Fault("16 the call hangs, the SMS is gone", phone_faults.hangs),
    Fault("20 Android's dialog, tapped later", phone_faults.dialogs),
    Fault("29 a hub of 10 phones loses power", phone_faults.hub),
    Fault("32 adb server killed", phone_faults.adb_killed),
    Fault("36 garbled, cut and endless answers", phone_faults.spoilt_answers),
    Fault("37 hostile incoming texts", phone_faults.hostile_inbox),
    Fault("39 first read of a full inbox", inbox_faults.full_inbox, is_contrasted=False),
    Fault("40 newest row deleted, its id used by a STOP", inbox_faults.reused_ids, is_contrasted=False),
    Fault("41 a flood of incoming messages", inbox_faults.flood, is_contrasted=False),
    Fault("43 power cut of the host", host_faults.power_cut, is_contrasted=False),
    Fault("45 database locked for 30 s", host_faults.locked, is_contrasted=False),
    Fault("46 disk full", host_faults.disk_full, is_contrasted=False),
    Fault("48 an older backup restored", host_faults.restored),
    Fault("54 a second daemon", host_faults.second_daemon, is_contrasted=False),
    Fault("55 the host's clock jumps", host_faults.clock_jumps, is_contrasted=False),
    Fault("61 one ref, 50 at once", host_faults.same_ref, is_contrasted=False),
    Fault("71 STOP between claim and hand-over", host_faults.stops, is_contrasted=False),
    Fault("72 STOP in odd forms", inbox_faults.odd_stops, is_contrasted=False),
]
COLUMNS = [
    ["fault", "fault"],
    ["messages", "N"],
    ["doubled", "doubled"],
    ["lost", "lost"],
    ["false_sent", "false `sent`"],
    ["false_failed", "false `failed`"],
    ["unknown", "`unknown`"],
    ["p50_s", "to clear p50, s"],
    ["p99_s", "p99"],
    ["retry_doubled", "retry on doubt: doubled"],
    ["retry_lost", "lost"],
    ["retry_false_sent", "false `sent`"],
    ["remark", "remark"],
]


def measure(fault: Fault, messages: int) -> dict[str, Any] | None:
    """Run one fault, and for contrast the queue that retries; None where this host cannot."""
    started_s = time.monotonic()
    try:
        ours = fault.run(OURS, messages)
        theirs = fault.run(CONTRAST, messages) if fault.is_contrasted else None
    except host_faults.CannotRunError as error:
        print(f"{fault.name}: left out, {error}", file=sys.stderr)
        return None
    p50_s, p99_s = ours.percentiles()
    row = {
        "fault": fault.name,
        "messages": ours.messages,
        "doubled": ours.doubled,
        "lost": ours.lost,
        "false_sent": ours.false_sent,
        "false_failed": ours.false_failed,
        "unknown": ours.unknown,
        "p50_s": p50_s,
        "p99_s": p99_s,
        "retry_doubled": theirs.doubled if theirs else None,
        "retry_lost": theirs.lost + theirs.false_failed if theirs else None,
        "retry_false_sent": theirs.false_sent if theirs else None,
        "remark": ours.remark,
    }
    print(f"{time.monotonic() - started_s:.0f} s: {json.dumps(row)}", file=sys.stderr)
    return row


def main() -> None:
    """Measure what was asked for; rows that were measured before and elsewhere stay."""
    about, wanted = machine(), ROWS.split(",") if ROWS else None
    rows = {row["fault"]: row for row in _known("delivery") if not row["fault"].startswith("42 ")} if wanted else {}
    for fault in FAULTS:
        if wanted is None or fault.number in wanted:
            row = measure(fault, N)
            if row is not None:
                rows[fault.name] = row
                _save(about, rows)  # each takes a minute or more: none is lost with a later one


def _kills() -> list[dict[str, Any]]:
    """The row of the kills, which are measured by themselves: the sum of their table."""
    total = next((row for row in _known("crash") if row["failpoint"] == "all"), None)
    if total is None:
        return []
    same = {key: total[key] for key in ("doubled", "lost", "false_sent", "false_failed", "unknown")}
    name = "42 daemon killed at every step of a send"
    return [{"fault": name, "messages": total["in_flight"], "remark": f"{total['kills']} kills, see below"} | same]


def _save(about: dict[str, Any], rows: dict[str, dict[str, Any]]) -> None:
    note = (
        f"A daemon and {PHONES} simulated phones of its own for every row, an operator who releases held phones at"
        f" once, waits scaled by {SCALE:g} (an `unknown` after {120 * SCALE:g} s, not 120), seed {SEED}. Doubled: times"
        " on the air beyond the first for one message. Lost: gone from the database, or still on its way at the end."
        " To clear: from the end of the fault to the final state, of the messages that it hit. Retry on doubt: the"
        " same daemon with a queue that tries again, five times, whatever is in doubt; lost there includes messages"
        " called failed that had left."
    )
    ordered = sorted([*rows.values(), *_kills()], key=lambda row: int(row["fault"].split(" ", 1)[0]))
    save("delivery", {"machine": about, "note": note, "columns": COLUMNS, "rows": ordered})


def _known(name: str) -> list[dict[str, Any]]:
    """The rows of a file of figures, if it is there."""
    path = FIGURES / f"{name}.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["rows"] if path.exists() else []
    return rows


if __name__ == "__main__":
    main()
