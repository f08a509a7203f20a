"""Faults of links and adb servers while the real daemon sends, with real waits: times to notice and to recover.

The numbers are those of the list of faults in docs/phones.md. What is doubled or lost is counted from the air log.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.figures import machine, save
from benchmarks.rack import cpu_s, free_port, wait_for
from device_drivers.adb.address import ServerAddress
from device_drivers.adb.listener import find_listener
from host_controller.cli.simulated_rack import SimulatedRack, simulated_rack
from host_controller.cli.simulator_control import SimulatorControl
from host_controller.client import ApiClient, open_api
from host_controller.settings import load_settings

PHONES, PER_MINUTE = 20, 60
CABLE_TRIALS, KILLS, STOPS, SQUATS = 10, 10, 5, 3
# So many that the queue does not run dry before the last fault of the first rack.
ENOUGH = 11_000
FLAPPING_S = float(os.environ.get("SMSRACK_FLAPPING_S", "120"))
SEED = 7
_READY = "ready"
# A server that ends sooner than this after its start is started anew with growing pauses.
_STEADY_S = 11.0


class Bench:
    """The daemon, its phones, and a stream of messages."""

    def __init__(
        self, daemon: subprocess.Popen[bytes], api: ApiClient, rack: SimulatedRack, adb: ServerAddress
    ) -> None:
        self.daemon, self.api, self.rack, self.adb = daemon, api, rack, adb
        self.control = SimulatorControl(rack.control)
        self.accepted: list[tuple[str, str]] = []

    def act(self, serial: str, action: str, body: object = None, method: str = "POST") -> None:
        """Use the simulator's control API."""
        request = urllib.request.Request(  # noqa: S310 - http on loopback
            f"{self.rack.control}/phones/{serial}/{action}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            return

    def queue(self, count: int) -> None:
        """Queue messages, each with a number and a text of its own."""
        first = len(self.accepted)
        messages = [(f"+42077{n:07d}", f"Zpráva {n}") for n in range(first, first + count)]
        for start in range(0, count, 1000):
            bodies = [{"number": to, "text": text} for to, text in messages[start : start + 1000]]
            self.api.call("POST", "/messages", {"messages": bodies})
        self.accepted += messages

    def phone(self, serial: str) -> dict[str, Any]:
        """One phone as the API shows it."""
        return next(p for p in self.api.call("GET", "/phones")["phones"] if p["serial"] == serial)

    def wait_for_status(self, serial: str, *wanted: str) -> float:
        """Give the seconds until a phone has one of these."""
        return wait_for(lambda: self.phone(serial)["status"] in wanted, 90)

    def wait_for_successor(self, pid: int, ready: int) -> None:
        """Wait until another adb server is in the place of this one, and so many phones are ready."""
        wait_for(lambda: self.adb_pid() not in (0, pid) and self.ready() >= ready, 120)

    def notices(self, pid: int) -> bool:
        """Whether the daemon has noticed that something is wrong with this adb server."""
        return self.trouble() is not None or self.adb_pid() not in (0, pid)

    def ready(self) -> int:
        """How many phones are ready."""
        return sum(phone["status"] == _READY for phone in self.api.call("GET", "/phones")["phones"])

    def trouble(self) -> str | None:
        """What the daemon says of its adb server."""
        words: str | None = self.api.call("GET", "/status")["trouble"]
        return words

    def adb_pid(self) -> int:
        """The process of the adb server."""
        listener = find_listener(self.adb)
        return listener.pid or 0 if listener else 0

    def sent_between(self, start_s: float, end_s: float, without: str) -> int:
        """Parts that other phones put on the air between two moments."""
        return sum(start_s <= part["at_ms"] / 1000 < end_s and part["phone"] != without for part in self.control.air())

    def balance(self) -> dict[str, int]:
        """Wait until every message has ended, and compare with the air."""
        totals = self.api.call("GET", "/status")["totals"]
        wait_for(lambda: self._moving() == 0, 600)
        totals = self.api.call("GET", "/status")["totals"]
        air: Counter[tuple[str, str]] = SimulatorControl.whole_messages(self.control.air())
        return {
            "accepted": len(self.accepted),
            "sent": totals["sent"],
            "unknown": totals["unknown"],
            "failed": totals["failed"],
            "doubled": sum(times - 1 for times in air.values()),
            "lost": sum(air[message] == 0 for message in self.accepted) - totals["unknown"] - totals["failed"],
        }

    def _moving(self) -> int:
        totals = self.api.call("GET", "/status")["totals"]
        return int(totals["queued"] + totals["submitting"])


@contextmanager
def bench(*, port: int | None = None) -> Iterator[Bench]:
    """Run the daemon on simulated phones, everything at its real pace but the send guard."""
    with (
        tempfile.TemporaryDirectory(prefix="sr") as name,
        simulated_rack(PHONES, ["--fast", "--guard", "100000"]) as rack,
    ):
        config, data_dir = Path(name) / "smsrack.toml", Path(name) / "d"
        phones = ", ".join(f'"{serial}"' for serial in rack.phones)
        config.write_text(
            f'data_dir = "{data_dir}"\n[web]\nport = {free_port()}\n[phones]\nenrol_all = true\n'
            f"[adb]\nusb = false\n{f'port = {port}' if port else ''}\nconnect = [{phones}]\n"
            f"[new_sims]\nparts_per_minute = {PER_MINUTE}\nparts_per_day = 100000\n"
            # The same few numbers are written to again and again.
            "[repeats]\nrecipient_per_hour = {}\nsame_text = {}\n"
        )
        with (Path(name) / "log").open("wb") as log:
            command = [sys.executable, "-m", "host_controller", "run", "--config", str(config)]
            daemon = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for(lambda: (data_dir / "api.sock").exists(), 30)
            adb = ServerAddress(port=port) if port else ServerAddress(socket_path=data_dir / "adb" / "adb.sock")
            with open_api(load_settings(config)) as api:
                made = Bench(daemon, api, rack, adb)
                wait_for(lambda: made.ready() == PHONES, 60)
                yield made
        finally:
            daemon.terminate()
            daemon.wait(60)


def cable(
    made: Bench, name: str, first: int, hurt: Callable[[str], None], heal: Callable[[str], None], status: str
) -> dict[str, Any]:
    """Break the link of one phone after another; give medians of noticing and recovering.

    `first`: where in the rack to begin, so that no phone is broken often enough to be held for it.
    """
    noticed, recovered = [], []
    for n in range(CABLE_TRIALS):
        serial = made.rack.phones[first + n]
        hurt(serial)
        noticed.append(made.wait_for_status(serial, status))
        heal(serial)
        recovered.append(made.wait_for_status(serial, _READY))
    return _row(name, CABLE_TRIALS, noticed, recovered)


def unauthorized(made: Bench) -> dict[str, Any]:
    """The host's key is revoked: it must say what to press."""
    texts = []

    def hurt(serial: str) -> None:
        made.act(serial, "faults", {"kind": "unauthorized"})

    def heal(serial: str) -> None:
        texts.append("accept this computer's key" in made.phone(serial)["advice"])
        made.act(serial, "faults", method="DELETE")

    row = cable(made, "7 unauthorized", 1, hurt, heal, "unauthorized")
    return row | {"remark": f"says what to press: {sum(texts)}/{len(texts)}"}


def server_fault(made: Bench, name: str, number: int, trials: int, says: str) -> dict[str, Any]:
    """Hit the adb server with a signal; noticed means that another process has taken over or trouble is shown."""
    noticed, recovered = [], []
    for _ in range(trials):
        before = made.adb_pid()
        os.kill(before, number)
        start_s = time.monotonic()
        wait_for(partial(made.notices, before), 60)
        noticed.append(time.monotonic() - start_s)
        made.wait_for_successor(before, PHONES)
        recovered.append(time.monotonic() - start_s)
        time.sleep(_STEADY_S)
    return _row(name, trials, noticed, recovered) | {"remark": says}


def flapping(made: Bench) -> dict[str, Any]:
    """One cable comes and goes: the others must not feel it, the daemon must not spin."""
    draw, serial, stop = random.Random(SEED), made.rack.phones[0], threading.Event()
    time.sleep(10)

    def window() -> tuple[float, float]:
        start_s, used_s = time.time(), cpu_s(made.daemon.pid)
        stop.wait(FLAPPING_S / 2)
        sent = made.sent_between(start_s, time.time(), serial)
        return sent / (time.time() - start_s), (cpu_s(made.daemon.pid) - used_s) / (time.time() - start_s)

    def flap() -> None:
        while not stop.is_set():
            for action in ("unplug", "plug"):
                made.act(serial, action)
                stop.wait(draw.uniform(0.2, 5))

    calm_rate, calm_cpu = window()
    start_s = time.monotonic()
    thread = threading.Thread(target=flap, daemon=True)
    thread.start()
    held_s: list[float] = []

    def look() -> None:
        while not stop.is_set() and not held_s:
            if "comes and goes" in (made.phone(serial)["advice"] or ""):
                held_s.append(time.monotonic() - start_s)
            stop.wait(0.5)

    threading.Thread(target=look, daemon=True).start()
    flap_rate, flap_cpu = window()
    stop.set()
    thread.join()
    made.act(serial, "plug")
    made.wait_for_status(serial, _READY, "held")
    made.api.call("POST", f"/phones/{serial}/release")
    recovered = made.wait_for_status(serial, _READY)
    remark = (
        f"others at {100 * flap_rate / calm_rate:.0f} % of {calm_rate:.0f} SMS/s; daemon {100 * calm_cpu:.0f} % →"
        f" {100 * flap_cpu:.0f} % of a core"
    )
    return _row("5 flapping cable (held)", 1, held_s, [recovered]) | {"remark": remark}


def squatter() -> dict[str, Any]:
    """An adb server of another version takes the port of ours: named, nothing lost, recovered when it leaves."""
    port = free_port()
    noticed, recovered, named = [], [], 0
    with bench(port=port) as made:
        made.queue(SQUATS * 200)
        for _ in range(SQUATS):
            os.kill(made.adb_pid(), signal.SIGKILL)
            start_s = time.monotonic()
            other = _foreign_server(port)
            wait_for(lambda: "version 1.0.40" in (made.trouble() or ""), 60)
            named += f"pid {os.getpid()}" in (made.trouble() or "")
            noticed.append(time.monotonic() - start_s)
            other.close()
            left_s = time.monotonic()
            wait_for(lambda: made.trouble() is None and made.ready() == PHONES, 120)
            recovered.append(time.monotonic() - left_s)
        balance = made.balance()
    remark = f"culprit named {named}/{SQUATS}; recovery from its leaving on; {_balance_words(balance)}"
    return _row("34 adb server of another version on our port", SQUATS, noticed, recovered) | {"remark": remark}


def _foreign_server(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    deadline = time.monotonic() + 5
    while True:
        try:
            listener.bind(("127.0.0.1", port))
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
    listener.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(64)
                    connection.sendall(b"OKAY00040028")
            except OSError:
                if listener.fileno() < 0:
                    return

    threading.Thread(target=serve, daemon=True).start()
    return listener


def _row(name: str, trials: int, noticed: list[float], recovered: list[float]) -> dict[str, Any]:
    print(f"{name}: {trials} trials done", file=sys.stderr)

    def middle(values: list[float]) -> float | None:
        return round(statistics.median(values), 2) if values else None

    return {
        "fault": name,
        "trials": trials,
        "noticed_s": middle(noticed),
        "noticed_max_s": round(max(noticed), 2) if noticed else None,
        "recovered_s": middle(recovered),
        "recovered_max_s": round(max(recovered), 2),
        "remark": "",
    }


def _balance_words(balance: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in balance.items())


def main() -> None:
    """Measure all of it, about ten minutes."""
    about, rows = machine(), []
    with bench() as made:
        made.queue(ENOUGH)
        rows.append(
            cable(made, "1 unplugged", 1, lambda s: made.act(s, "unplug"), lambda s: made.act(s, "plug"), "offline")
        )
        rows.append(flapping(made))
        rows.append(
            cable(
                made,
                "6 adbd silent (`offline`)",
                PHONES - CABLE_TRIALS,
                lambda s: made.act(s, "faults", {"kind": "mute"}),
                lambda s: made.act(s, "faults", method="DELETE"),
                "offline",
            )
        )
        rows.append(unauthorized(made))
        rows.append(server_fault(made, "32 adb server killed (SIGKILL)", signal.SIGKILL, KILLS, "all 20 phones back"))
        rows.append(server_fault(made, "35 adb server stopped (SIGSTOP)", signal.SIGSTOP, STOPS, "all 20 phones back"))
        if made.api.call("GET", "/status")["totals"]["queued"] == 0:
            raise RuntimeError("the queue ran dry: queue more, or the figures are those of an idle rack")
        balance = made.balance()
    rows.append(squatter())
    columns = [
        ["fault", "fault"],
        ["trials", "trials"],
        ["noticed_s", "noticed after, s"],
        ["noticed_max_s", "at most"],
        ["recovered_s", "recovered after, s"],
        ["recovered_max_s", "at most"],
        ["remark", "remark"],
    ]
    note = (
        f"{PHONES} simulated phones on TCP, {PER_MINUTE} parts a minute and SIM, real waits, the daemon sending all the"
        " time; medians. A message that was under way when its adb server died may end `unknown`. All but the last"
        f" fault together: {_balance_words(balance)}. Seed {SEED}, flapping for {FLAPPING_S / 2:.0f} s."
    )
    save("faults", {"machine": about, "note": note, "columns": columns, "rows": rows})


if __name__ == "__main__":
    main()
