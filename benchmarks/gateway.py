"""One daemon as a process, on simulated phones of its own, with what was accepted and what came of it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.host import DAEMON, Host
from benchmarks.rack import wait_for
from benchmarks.tally import Balance, balance, clearing_times, read_stored, whole_messages
from host_controller.cli.simulated_rack import SimulatedRack, simulated_rack
from host_controller.cli.simulator_control import SimulatorControl
from host_controller.client import ApiCallError, ApiClient
from host_controller.errors import ControllerError

PHONES, SCALE, SEED = 20, 0.05, 7
_PER_MINUTE = 3000
_BATCH = 250
_OPERATOR_S = 0.3
OURS, CONTRAST = DAEMON, "benchmarks.retry_on_doubt"
_LIMIT_S = 300.0


class Gateway(Host):
    """A daemon that can be started, hurt and looked at. `module` is what runs as the daemon."""

    def __init__(self, home: Path, rack: SimulatedRack, module: str, data_dir: Path | None) -> None:
        super().__init__(home, rack.phones, _PER_MINUTE, scale=SCALE, data_dir=data_dir)
        self.rack, self.module = rack, module
        self.control = SimulatorControl(rack.control, limit_s=30).call
        self.accepted: dict[int, str] = {}
        self.refused: Counter[int] = Counter()
        """Requests that were not accepted, by HTTP status."""
        self.environment: dict[str, str] = {}
        self._draw = random.Random(SEED)
        self._next_number = 0
        self.api: ApiClient
        self._stack = ExitStack()

    # The daemon
    def start(self) -> None:
        """Start it and wait until every phone is ready."""
        self.launch(self.module, self.environment)
        self.api = self._stack.enter_context(self.calls())
        wait_for(lambda: self.ready() == len(self.rack.phones), 60)

    def stop(self) -> None:
        """End it in good order."""
        self.end()
        self._stack.close()

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line on the same data directory."""
        command = [sys.executable, "-m", "host_controller", *arguments, "--data-dir", str(self.data_dir)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    def ready(self) -> int:
        """How many phones are ready."""
        return sum(phone["status"] == "ready" for phone in self.api.call("GET", "/phones")["phones"])

    # Messages
    def queue(self, count: int, *, same: int = 1, again_after_s: float = 0.0) -> None:
        """Have so many messages accepted, each `same` times; what the API refuses is not accepted, and asked again."""
        numbers = [self._number() for _ in range(count // same)]
        asked = [{"number": to, "text": f"Zpráva {to[-5:]}", "ref": f"{to}/{n}"} for to in numbers for n in range(same)]
        for start in range(0, len(asked), _BATCH):
            batch = asked[start : start + _BATCH]
            while not self._accept(batch):
                if not again_after_s:
                    raise RuntimeError("the API refused messages")
                time.sleep(again_after_s)

    def _accept(self, batch: Sequence[dict[str, str]]) -> bool:
        try:
            answer = self.api.call("POST", "/messages", {"messages": list(batch)})
        except ControllerError as error:
            self.refused[error.status if isinstance(error, ApiCallError) else 0] += 1
            return False
        for outcome, message in zip(answer["results"], batch, strict=True):
            self.accepted[outcome["id"]] = message["number"]
        return True

    def _number(self) -> str:
        self._next_number += 1
        return f"+42077{self._next_number:07d}"

    def totals(self) -> dict[str, int]:
        """Messages by state."""
        counts: dict[str, int] = self.api.call("GET", "/status")["totals"]
        return counts

    def moving(self) -> int:
        """Messages that have not ended."""
        totals = self.totals()
        return totals["queued"] + totals["submitting"]

    def rest(self, limit_s: float = _LIMIT_S) -> None:
        """Wait until every message has ended; what has not by then counts as lost."""
        try:
            wait_for(lambda: self.moving() == 0, limit_s)
        except TimeoutError:
            print(f"not at rest after {limit_s:g} s: {self.totals()}", file=sys.stderr)

    def fault_everywhere(self, kind: str, **options: float) -> None:
        """Let a fault happen on every phone."""
        for serial in self.rack.phones:
            self.control("POST", f"/phones/{serial}/faults", {"kind": kind, **options})

    def clear_faults(self) -> None:
        """End all faults of all phones."""
        for serial in self.rack.phones:
            self.control("DELETE", f"/phones/{serial}/faults")

    def happened(self, *kinds: str) -> list[dict[str, Any]]:
        """The faults that have happened, of these kinds or of all."""
        found = self.control("GET", "/faults/happened")["happened"]
        return [one for one in found if not kinds or one["kind"] in kinds]

    def air(self) -> list[dict[str, Any]]:
        """Everything that left a SIM."""
        parts: list[dict[str, Any]] = self.control("GET", "/air")["air"]
        return parts

    # The end
    def balance(self, ended_s: dict[str, list[float]]) -> Balance:
        """Compare what was accepted with the air and the database; `ended_s`: number -> ends of faults that hit it."""
        stored = read_stored(self.data_dir / "smsrack.db")
        result = balance(self.accepted, stored, whole_messages(self.air()))
        result.to_clear_s = clearing_times(self.accepted, stored, ended_s)
        return result

    def ends(self, after_s: Callable[[dict[str, Any]], float], *kinds: str) -> dict[str, list[float]]:
        """By number, when the faults that hit it ended: `after_s` seconds after they began."""
        ended: dict[str, list[float]] = {}
        for one in self.happened(*kinds):
            if one["to"]:
                ended.setdefault(one["to"], []).append(one["at_ms"] / 1000 + after_s(one))
        return ended


@contextmanager
def gateway(
    module: str = OURS,
    *,
    phones: int | None = None,
    data_dir: Path | None = None,
    environment: dict[str, str] | None = None,
    releases: bool = True,
) -> Iterator[Gateway]:
    """Run a daemon on phones of its own. With `releases` an operator releases whatever phone it holds, at once."""
    with (
        tempfile.TemporaryDirectory(prefix="sr") as name,
        simulated_rack(phones or PHONES, ["--fast", "--guard", "100000", "--seed", str(SEED)]) as rack,
    ):
        made = Gateway(Path(name), rack, module, data_dir)
        made.environment = environment or {}
        ended = threading.Event()
        operator = threading.Thread(target=_release_all, args=(made, ended), daemon=True)
        try:
            made.start()
            if releases:
                operator.start()
            yield made
        finally:
            ended.set()
            if releases and operator.is_alive():
                operator.join(10)
            made.stop()


def _release_all(made: Gateway, ended: threading.Event) -> None:
    while not ended.wait(_OPERATOR_S):
        try:
            for phone in made.api.call("GET", "/phones")["phones"]:
                if phone["status"] == "held":
                    made.api.call("POST", f"/phones/{phone['serial']}/release")
        except (ControllerError, OSError):
            continue  # the daemon is being hurt


def kill(pid: int) -> None:
    """SIGKILL."""
    if pid:
        os.kill(pid, signal.SIGKILL)
