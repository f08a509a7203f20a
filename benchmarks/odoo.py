"""B9: 10,000 messages taken over from a fake Odoo and 10,000 results reported to it, by push and by pull."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.figures import machine, save
from benchmarks.odoo_rig import OdooRig, campaign, odoo_rig, seconds_of
from host_controller.rules.states import MessageState
from host_controller.settings import OdooMode

COUNT = int(os.environ.get("SMSRACK_BENCH_ODOO", "10000"))
REPEATS = 3
_LEAST_PER_S, _BATCH = 1000, 500
_LATER = timedelta(hours=1)  # so that nothing is repeated for fear of Odoo's commit


def measure(mode: OdooMode) -> dict[str, tuple[float, int]]:
    """Give seconds and calls of taking over and of reporting."""
    with tempfile.TemporaryDirectory(prefix="sr") as name, odoo_rig(Path(name), mode, call_limit_s=60.0) as rig:
        rig.odoo.add_mailing(campaign(COUNT))
        took = _counted(rig, rig.send_queue if mode is OdooMode.PUSH else rig.pull.run)
        rig.now += _LATER
        if rig.end(MessageState.SENT) != COUNT:
            raise RuntimeError("not all messages were taken over")
        reported = _counted(rig, rig.results.run)
        if rig.wrong() or rig.odoo.mailings != {14: "done"}:
            raise RuntimeError("Odoo heard something wrong")
        return {"take over": took, "report": reported}


def _counted(rig: OdooRig, work: Any) -> tuple[float, int]:
    before = rig.served.calls + rig.endpoint.calls
    seconds, _ = seconds_of(work)
    return seconds, rig.served.calls + rig.endpoint.calls - before


def main() -> None:
    """Measure."""
    about = machine()
    runs: dict[tuple[OdooMode, str], list[tuple[float, int]]] = {}
    for _ in range(REPEATS):
        for mode in (OdooMode.PUSH, OdooMode.PULL):
            for what, found in measure(mode).items():
                runs.setdefault((mode, what), []).append(found)
                print(f"{mode} {what}: {COUNT / found[0]:.0f}/s, {found[1]} calls", file=sys.stderr)
    rows = [_row(mode, what, found) for (mode, what), found in runs.items()]
    columns = [
        ["mode", "mode"],
        ["what", "what"],
        ["per_s", "messages a second"],
        ["calls", "calls"],
        ["per_500", "calls for 500"],
        ["reached", f"≥ {_LEAST_PER_S} a second"],
    ]
    note = (
        f"B9: {COUNT:,} messages, the fake Odoo and SQLite in the same process; median of {REPEATS} alternating runs."
    )
    save("odoo", {"machine": about, "note": note, "columns": columns, "rows": rows})


def _row(mode: OdooMode, what: str, found: list[tuple[float, int]]) -> dict[str, Any]:
    per_s = COUNT / statistics.median(seconds for seconds, _ in found)
    calls = found[0][1]
    return {
        "mode": mode,
        "what": what,
        "per_s": round(per_s),
        "calls": calls,
        "per_500": calls * _BATCH / COUNT,
        "reached": "yes" if per_s >= _LEAST_PER_S else "no",
    }


if __name__ == "__main__":
    main()
