"""A rack of simulated phones, a database that lives on, and daemons that come and go over it."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.ledger import Ledger, Verdict, check, find_in_log, read_record
from benchmarks.nursery import Daemon, Nursery
from benchmarks.rack import free_port
from device_drivers.adb.address import ServerAddress
from device_drivers.adb.server import AdbServer, find_adb
from host_controller.cli.simulated_rack import SimulatedRack, simulated_rack
from host_controller.cli.simulator_control import SimulatorControl

_CALL_LIMIT_S = 20.0
_STEP_S = 0.02
# What a caller sees of a daemon that is not there, or dies in the middle.
NO_ANSWER = (OSError, http.client.HTTPException)
UP_LIMIT_S = 60.0


class Rig:
    """One rack with one database."""

    def __init__(self, directory: Path, rack: SimulatedRack, nursery: Nursery, adb: str, per_minute: int) -> None:
        self.ledger = Ledger()
        self.log, self._nursery = directory / "log", nursery
        self.control = SimulatorControl(rack.control, _CALL_LIMIT_S).call
        self.phones = rack.phones
        self.data_dir = directory / "d"
        self.database = self.data_dir / "smsrack.db"
        self._config = directory / "smsrack.toml"
        self._adb, self._per_minute = adb, per_minute
        self._web_port = free_port()
        self.daemon: Daemon | None = None

    def start(self, *, scale: float, failpoint: str | None = None) -> Daemon:
        """Start a daemon, to die at a failpoint if one is named."""
        phones = ", ".join(f'"{serial}"' for serial in self.phones)
        self._config.write_text(
            f'data_dir = "{self.data_dir}"\ntimings_scale = {scale}\n[web]\nport = {self._web_port}\n'
            f"[adb]\nusb = false\n{self._adb}connect = [{phones}]\n[phones]\nenrol_all = true\n"
            f"[new_sims]\nparts_per_minute = {self._per_minute}\nparts_per_day = 1000000\n"
            # The same few numbers are written to again and again.
            "[repeats]\nrecipient_per_hour = {}\nsame_text = {}\n"
        )
        (self.data_dir / "api.sock").unlink(missing_ok=True)
        self.daemon = self._nursery.start(self._config, self.log, failpoint)
        return self.daemon

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Make one call; give its JSON. Raises one of NO_ANSWER."""
        connection = _UnixConnection("127.0.0.1", timeout=_CALL_LIMIT_S)
        connection.path = self.data_dir / "api.sock"
        with closing(connection):
            payload = None if body is None else json.dumps(body).encode()
            connection.request(method, f"/api/v1{path}", payload, {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())

    def submit(self, drafts: Sequence[dict[str, str]]) -> bool:
        """Ask for messages; tell whether there was an answer."""
        refs = [draft["ref"] for draft in drafts]
        self.ledger.attempts += len(refs)
        try:
            results = self.api("POST", "/messages", {"messages": drafts})["results"]
        except NO_ANSWER:
            self.ledger.unanswered.update(refs)
            return False
        for ref, result in zip(refs, results, strict=True):
            if "error" not in result:
                self.ledger.acknowledged.add(ref)
            elif result["error"]["code"] == "opted_out":
                self.ledger.refused.add(ref)
            else:
                raise RuntimeError(f"a message was refused: {result['error']['code']}")
        return True

    def wait_up(self) -> None:
        """Wait until the daemon answers."""
        wait_for(self._answers, UP_LIMIT_S, "the daemon's answer")

    def enrol_send_only(self) -> None:
        """Take in the phones whose messages cannot be read; they are remembered."""
        self.wait_up()
        views = wait_for(self._all_known, UP_LIMIT_S, "every phone's check list")
        for view in views:
            if view["status"] == "refused":
                self.api("POST", f"/phones/{view['serial']}/enrol", {"send_only": True})
        wait_for(
            lambda: all(view["status"] == "ready" for view in self.api("GET", "/phones")["phones"]),
            UP_LIMIT_S,
            "every phone",
        )

    def _all_known(self) -> Any:
        views = self.api("GET", "/phones")["phones"]
        settled = all(view["status"] in ("ready", "refused") for view in views)
        return views if len(views) == len(self.phones) and settled else None

    def _answers(self) -> bool:
        if self.daemon is None or self.daemon.ended():
            raise RuntimeError(f"the daemon ended: {self.log.read_text()[-2000:]}")
        try:
            return bool(self.api("GET", "/status")["running"])
        except NO_ANSWER:
            return False

    def release_held(self) -> None:
        """Do what a person would: let held phones send again."""
        for view in self.api("GET", "/phones")["phones"]:
            if view["status"] == "held":
                self.api("POST", f"/phones/{view['serial']}/release")

    def in_states(self, *states: str) -> set[str]:
        """Give the refs in these states, from the file; works while the daemon is dead."""
        if not self.database.exists():
            return set()
        marks = ", ".join("?" * len(states))
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)) as db:
            return {row[0] for row in db.execute(f"SELECT ref FROM message WHERE state IN ({marks})", states)}  # noqa: S608

    def come_to_rest(self, limit_s: float) -> None:
        """Wait, without faults, until every message has ended; gives up silently: the check names what has not."""
        deadline = time.monotonic() + limit_s
        while self.in_states("queued", "submitting") and time.monotonic() < deadline:
            with suppress(NO_ANSWER):
                self.release_held()
            time.sleep(0.2)

    def stop(self) -> None:
        """End the daemon as an operator does."""
        if self.daemon is not None:
            self.daemon.signal(15)
            if not self.daemon.ended(60):
                self.daemon.kill()

    def judge(self) -> Verdict:
        """Hold everything against the air."""
        verdict = check(self.ledger, read_record(self.database), self.air())
        verdict.broken["I15 nobody's text in the log"] = find_in_log(self.log)
        return verdict

    def keep(self, place: Path) -> None:
        """Leave log, database and air log of a run for whoever looks into it."""
        place.mkdir(parents=True, exist_ok=True)
        for file in (self.log, *self.data_dir.glob("smsrack.db*")):
            shutil.copy(file, place)
        (place / "air.json").write_text(json.dumps(self.air()))

    def air(self) -> list[dict[str, Any]]:
        """Everything that left a SIM."""
        return list(self.control("GET", "/air")["air"])

    def fault(self, serial: str, kind: str, count: int | None = None, seconds: float | None = None) -> None:
        """Let something be wrong with a phone."""
        body = {"kind": kind, "count": count, "seconds": seconds}
        self.control(
            "POST", f"/phones/{serial}/faults", {key: value for key, value in body.items() if value is not None}
        )


@contextmanager
def rig(
    nursery: Nursery, phones: int, options: Sequence[str], *, own_adb: bool, per_minute: int = 6000
) -> Iterator[Rig]:
    """Simulate phones for a database; with `own_adb` the daemon runs its adb server, else one is there all the time."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sr")))
        rack = stack.enter_context(simulated_rack(phones, options))
        adb = ""
        if not own_adb:
            address = ServerAddress(socket_path=directory / "adb")
            server = AdbServer(find_adb(None), address, directory / "h", usb=False)
            server.start()
            stack.callback(server.stop)
            adb = f'start = false\nsocket = "{address.socket_path}"\n'
        made = Rig(directory, rack, nursery, adb, per_minute)
        try:
            yield made
        finally:
            if made.daemon is not None:
                made.daemon.kill()


def wait_for(condition: Callable[[], Any], limit_s: float, what: str) -> Any:
    """Wait until a condition gives something; give that. Raises TimeoutError."""
    deadline = time.monotonic() + limit_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {limit_s:g} s")
        time.sleep(_STEP_S)
    return value


class _UnixConnection(http.client.HTTPConnection):
    path: Path

    def connect(self) -> None:
        """See HTTPConnection."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))
