"""B1: what one `service call` costs on the host, through the drivers' own path, with either client library."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.figures import machine, save
from benchmarks.rack import BenchRack, bench_rack, cpu_s
from device_drivers.adb.address import ClientLibrary
from device_drivers.adb.command import call
from device_drivers.adb.socket_link import SocketLink

PHONES, COMMANDS, REPEATS = 100, 3_000, 5
_COMMAND = call("service", "call", "isms", "21", "i32", "11")
_LIMIT_S = 60.0
_PASS_MS = 1.0


def measure(rack: BenchRack, library: ClientLibrary) -> dict[str, float]:
    """Run all commands, one thread a phone as lanes do; give milliseconds per command."""
    link, each = SocketLink(rack.address, library), COMMANDS // PHONES

    def drive(serial: str) -> None:
        for _ in range(each):
            if link.run(serial, _COMMAND, _LIMIT_S).exit_code != 0:
                raise RuntimeError("a probe of the SMS service failed")

    start_s, client_s, server_s = time.monotonic(), time.process_time(), cpu_s(rack.adb_pid)
    with ThreadPoolExecutor(PHONES) as pool:
        list(pool.map(drive, rack.phones))
    return {
        "client_ms": 1000 * (time.process_time() - client_s) / COMMANDS,
        "server_ms": 1000 * (cpu_s(rack.adb_pid) - server_s) / COMMANDS,
        "wall_ms": 1000 * (time.monotonic() - start_s) / COMMANDS,
    }


def main() -> None:
    """Measure both libraries by turns and save the medians."""
    about = machine()
    runs: dict[ClientLibrary, list[dict[str, float]]] = {library: [] for library in ClientLibrary}
    with bench_rack(PHONES) as rack:
        for library in ClientLibrary:
            measure(rack, library)  # warm
        for _ in range(REPEATS):
            for library in ClientLibrary:
                runs[library].append(measure(rack, library))
    rows = []
    for library, found in runs.items():
        medians = {key: round(statistics.median(run[key] for run in found), 3) for key in found[0]}
        both = round(medians["client_ms"] + medians["server_ms"], 3)
        rows.append(
            {"client": library.value, **medians, "sum_ms": both, "reached": "yes" if both <= _PASS_MS else "no"}
        )
    columns = [
        ["client", "client library"],
        ["client_ms", "CPU client, ms"],
        ["server_ms", "CPU adb server, ms"],
        ["sum_ms", "sum, ms"],
        ["wall_ms", "wall, ms"],
        ["reached", "≤ 1.0 ms"],
    ]
    note = (
        f"B1: {COMMANDS:,} single `service call` commands on {PHONES} simulated phones, each in a real shell, one"
        f" connection for each command; per command, median of {REPEATS} alternating repeats."
    )
    save("bench", {"machine": about, "note": note, "columns": columns, "rows": rows})


if __name__ == "__main__":
    main()
