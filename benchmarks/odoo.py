"""B9: 10,000 messages taken over from Odoo and 10,000 results reported to it, by push and by pull.

The fake one always. By pull a real one too where SMSRACK_TEST_ODOO_URL, _DATABASE, _USER and _PASSWORD name it, the
user an administrator; that leaves 10,000 contacts and a mailing behind.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.figures import machine, save
from benchmarks.odoo_real import measure_real
from benchmarks.odoo_rig import OdooRig, campaign, odoo_rig, seconds_of
from host_controller.rules.states import MessageState
from host_controller.settings import OdooMode

COUNT = int(os.environ.get("SMSRACK_BENCH_ODOO", "10000"))
REPEATS = 3
_LEAST_PER_S, _LEAST_PER_S_REAL, _BATCH = 1000, 500, 500
_LATER = timedelta(hours=1)  # so that nothing is repeated for fear of Odoo's commit


def measure(mode: OdooMode) -> dict[str, tuple[float, int]]:
    """Give seconds and calls of taking over and of reporting."""
    with tempfile.TemporaryDirectory(prefix="sr") as name, odoo_rig(Path(name), mode, call_limit_s=60.0) as rig:
        rig.pull.run() if mode is OdooMode.PULL else rig.results.run()  # it has logged in and has the lease
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
    runs: dict[tuple[str, OdooMode, str], list[tuple[float, int]]] = {}
    for _ in range(REPEATS):
        for mode in (OdooMode.PUSH, OdooMode.PULL):
            for what, found in measure(mode).items():
                runs.setdefault(("fake", mode, what), []).append(found)
                print(f"{mode} {what}: {COUNT / found[0]:.0f}/s, {found[1]} calls", file=sys.stderr)
    if "SMSRACK_TEST_ODOO_URL" in os.environ:
        for what, found in measure_real(COUNT).items():
            runs["real", OdooMode.PULL, what] = [found]
    rows = [_row(*key, found) for key, found in runs.items()]
    columns = [
        ["odoo", "Odoo"],
        ["mode", "mode"],
        ["what", "what"],
        ["per_s", "messages a second"],
        ["calls", "calls"],
        ["per_500", "calls for 500"],
        ["reached", "fast enough"],
    ]
    note = (
        f"B9: {COUNT:,} messages, SQLite. The fake Odoo is in the same process; median of {REPEATS} alternating runs. "
        f"The real one is an Odoo 18 on the same machine, one run. Fast enough: {_LEAST_PER_S:,} a second of the fake, "
        f"{_LEAST_PER_S_REAL} of a real one. Calls are those of a connection that has logged in before."
    )
    save("odoo", {"machine": about, "note": note, "columns": columns, "rows": rows})


def _row(odoo: str, mode: OdooMode, what: str, found: list[tuple[float, int]]) -> dict[str, Any]:
    per_s = COUNT / statistics.median(seconds for seconds, _ in found)
    calls = found[0][1]
    least = _LEAST_PER_S if odoo == "fake" else _LEAST_PER_S_REAL
    return {
        "odoo": odoo,
        "mode": mode,
        "what": what,
        "per_s": round(per_s),
        "calls": calls,
        "per_500": calls * _BATCH / COUNT,
        "reached": "yes" if per_s >= least else "no",
    }


if __name__ == "__main__":
    main()
