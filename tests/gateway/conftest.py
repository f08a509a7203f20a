"""The gateway as phones see it: a daemon as a process of its own, and remote phones that an operator has added."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from benchmarks.rack import free_port
from host_controller.client import ApiClient, open_api
from host_controller.settings import load_settings
from tests.daemon_process import DaemonProcess
from tests.gateway.device import Caller

ZONE = ZoneInfo("Europe/Prague")
# What would hold messages back for reasons that these tests are not about: reserves, and a slow start.
SETTINGS = """
[gateway]
port = {port}
body_keys = true
[reserve]
otp_percent = 0
[ramp_up]
minutes = 0
"""


@dataclass(frozen=True)
class Phone(Caller):
    """A remote phone: its app, and what the operator's side knows of it."""

    name: str = ""
    numbers: tuple[str, ...] = ()
    gateway: Gateway = field(default=None, repr=False)  # type: ignore[assignment]

    def queue(self, count: int = 1, text: str = "Dobrý den", **terms: Any) -> list[int]:
        """Queue messages that only this phone may send, each to a number of its own; give their ids."""
        return self.queue_to([self.gateway.number() for _ in range(count)], text, **terms)

    def queue_to(self, numbers: list[str], text: str = "Dobrý den", **terms: Any) -> list[int]:
        """The same, to these numbers."""
        bound = {"phone": self.name} if "sim" not in terms else {}
        messages = [{"number": number, "text": text, **bound, **terms} for number in numbers]
        results = self.gateway.api.call("POST", "/messages", {"messages": messages})["results"]
        assert all("id" in result for result in results), results
        return [result["id"] for result in results]

    def pick_up(self, limit: int = 20) -> list[dict[str, Any]]:
        """Poll, as the app does."""
        return self.ok("pending", {"phone_numbers": list(self.numbers), "limit": limit})["sms_list"]

    def pick_up_ids(self, limit: int = 20) -> list[int]:
        return [sms["id"] for sms in self.pick_up(limit)]

    def report(self, message_id: int, status: str, error_message: str | None = None) -> dict[str, Any]:
        body = {"status": status} | ({} if error_message is None else {"error_message": error_message})
        return self.ok(f"confirm/{message_id}", body)

    def heartbeat(self, **values: Any) -> dict[str, Any]:
        return self.ok("heartbeat", {"phone_numbers": list(self.numbers), "unsynced_count": 0, **values})

    def stats(self) -> dict[str, Any]:
        """What the app shows of this phone."""
        (card,) = self.ok("stats")["phones"]
        return card

    def history(self, **query: Any) -> list[dict[str, Any]]:
        return self.ok("inbound-history", query)["messages"]

    def card(self) -> dict[str, Any]:
        """What the operator sees of it."""
        return self.gateway.api.call("GET", f"/remote-phones/{self.name}")


class Gateway:
    """A running daemon, and the operator who adds phones to it."""

    def __init__(self, daemon: DaemonProcess, port: int, api: ApiClient) -> None:
        self.daemon, self.port, self.api = daemon, port, api
        self._sims, self._recipients = itertools.count(1), itertools.count(1)
        self._addresses = itertools.count(2)
        self._passing: list[Phone] = []

    def answers(self) -> bool:
        """Whether phones get there."""
        try:
            return Caller(self.port).ask("/healthz", method="GET").status == 200
        except ConnectionRefusedError:
            return False

    def add(self, name: str, numbers: tuple[str, ...], **limits: Any) -> Phone:
        limits = {"parts_per_minute": 6000, "parts_per_day": None, **limits}
        made = self.api.call("POST", "/remote-phones", {"name": name, "numbers": list(numbers), **limits})
        return Phone(self.port, made["key"], name=name, numbers=numbers, gateway=self)

    def phone(self, sims: int = 1, **limits: Any) -> Phone:
        """Add a phone that no other test uses."""
        numbers = tuple(f"+420601{next(self._sims):06d}" for _ in range(sims))
        self._passing.append(self.add(f"phone-{numbers[0][-6:]}", numbers, **limits))
        return self._passing[-1]

    def archive_all(self) -> None:
        """Take the phones of a test out of the rack, and what is queued for them with them."""
        while self._passing:
            self.api.call("DELETE", f"/remote-phones/{self._passing.pop().name}")

    def number(self) -> str:
        """A number that no other test writes to."""
        return f"+420776{next(self._recipients):06d}"

    def stranger(self, key: str | None = None) -> Caller:
        """Somebody at an address that nobody has called from before."""
        n = next(self._addresses)
        return Caller(self.port, key, f"127.0.{n // 250 + 1}.{n % 250 + 1}")

    def message(self, message_id: int) -> dict[str, Any]:
        return self.api.call("GET", f"/messages/{message_id}")

    def state(self, message_id: int) -> str:
        return self.message(message_id)["state"]

    def states(self, ids: list[int]) -> list[str]:
        return [self.state(message_id) for message_id in ids]

    def is_opted_out(self, number: str) -> bool:
        return bool(self.api.call("GET", f"/optouts/{number}")["optouts"])

    def received(self, sender: str) -> list[dict[str, Any]]:
        """What the operator sees of what came in from somebody."""
        found = self.api.call("GET", "/inbox", limit=1000)["inbound"]
        return [row for row in found if row["sender"] == sender]

    def pause(self, batch: str) -> None:
        hold = {"scope": "batch", "target": batch, "kind": "paused", "reason": "a test"}
        self.api.call("POST", "/holds", hold)

    @contextmanager
    def opt_outs_bar(self, classes: str) -> Iterator[None]:
        """Let opt-outs keep back these classes for a while."""
        before = self.api.call("GET", "/inbox/policy")["bars"]
        self.api.call("PATCH", "/inbox/policy", {"bars": classes})
        try:
            yield
        finally:
            self.api.call("PATCH", "/inbox/policy", {"bars": before})


class ClockedGateway(Gateway):
    """A daemon whose clock can be put forward; see benchmarks/jumping_clock.py."""

    clock: Path
    scale = 0.2
    """Of all waits and leases, but not of days."""

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time() + float(self.clock.read_text()), UTC)

    def let_pass(self, by: timedelta) -> None:
        """Let a wait pass, or a lease."""
        self.put_forward(by * self.scale)

    def put_forward(self, by: timedelta) -> None:
        whole = self.clock.with_suffix(".new")
        whole.write_text(str(float(self.clock.read_text()) + by.total_seconds()))
        whole.replace(self.clock)  # in one step: it is read all the time

    def go_to(self, hour: int, *, days: int = 0) -> None:
        """Let it be this hour, so many days on, where the phones are."""
        at = self.now.astimezone(ZONE)
        self.put_forward(at.replace(hour=hour, minute=0, second=0) + timedelta(days=days) - at)


@contextmanager
def _running(eventually, kind: type[Gateway], **options: Any) -> Iterator[Any]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sr")))
        clock = directory / "clock"
        clock.write_text("0")
        environment = {"SMSRACK_CLOCK": str(clock)}
        daemon = DaemonProcess(directory, None, eventually, per_minute=600, environment=environment, **options)
        stack.callback(daemon.close)
        port = free_port()
        daemon.add_settings(SETTINGS.format(port=port))
        daemon.start()
        daemon.wait_up()
        api = stack.enter_context(open_api(load_settings(daemon.config)))
        made = kind(daemon, port, api)
        eventually(made.answers, 30, "the gateway's port")
        if isinstance(made, ClockedGateway):
            made.clock = clock
        yield made


@pytest.fixture(scope="session")
def gateway(eventually) -> Iterator[Gateway]:
    """The daemon as it is delivered, with real waits."""
    with _running(eventually, Gateway, scale=1.0) as made:
        yield made


@pytest.fixture(scope="session")
def clocked(eventually) -> Iterator[ClockedGateway]:
    """One whose clock can be put forward, and which looks around it more often."""
    with _running(eventually, ClockedGateway, scale=ClockedGateway.scale, module="benchmarks.jumping_clock") as made:
        yield made


@pytest.fixture(scope="session")
def p1(gateway) -> Phone:
    """P1 of the contract's fixture."""
    return gateway.add("P1", ("+420777123456", "+420608987654"), parts_per_minute=100, parts_per_day=500)


@pytest.fixture(scope="session")
def p2(gateway) -> Phone:
    """P2, whose key must never open anything of P1."""
    return gateway.add("P2", ("+420777000002",), parts_per_day=10)


@pytest.fixture(scope="session")
def p3(gateway) -> Phone:
    """P3, which is archived."""
    phone = gateway.add("P3", ("+420777000003",))
    gateway.api.call("DELETE", "/remote-phones/P3")
    return phone


@pytest.fixture(autouse=True)
def no_phone_stays(request) -> Iterator[None]:
    """The rack of the next test is as small as that of the first."""
    yield
    for name in ("gateway", "clocked"):
        if name in request.fixturenames:
            request.getfixturevalue(name).archive_all()


@pytest.fixture
def phone(gateway) -> Phone:
    """A phone of the test's own."""
    return gateway.phone()
