"""A whole controller on fake phones: real store, real lanes, short waits."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from host_controller.events import Bells
from host_controller.fleet.care import PhoneCare
from host_controller.fleet.joining import Joining
from host_controller.fleet.rack import Rack, SeenPhone
from host_controller.inbox.reading import Inbox
from host_controller.messaging.control import Control
from host_controller.messaging.dispatcher import build_dispatcher
from host_controller.messaging.holds import Holds
from host_controller.messaging.lane import Lane
from host_controller.messaging.session import LaneServices
from host_controller.messaging.submit import Accepted, Draft, submit
from host_controller.messaging.sweep import sweep_overdue
from host_controller.rules.states import MessageState
from host_controller.rules.timings import Timings
from host_controller.settings import Settings, load_settings
from host_controller.store.models import MessageEvent, MessageRecord
from host_controller.store.store import Store
from host_controller.wiring import utc_now

_LIMIT_S = 20.0


def _load_fake_phone():
    spec = importlib.util.spec_from_file_location("fake_phone", Path(__file__).with_name("fake_phone.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["fake_phone"] = module
    spec.loader.exec_module(module)
    return module.FakePhone


FakePhone = _load_fake_phone()


@dataclass
class FakeFinder:
    phones: dict[str, object] = field(default_factory=dict)

    usb_paths: dict[str, str] = field(default_factory=dict)

    def list_phones(self):
        return [
            SeenPhone(serial, "offline" if phone.link_down else "device", self.usb_paths.get(serial))
            for serial, phone in self.phones.items()
        ]

    def attach(self, address):
        pass


class TestRack:
    """The controller of one test."""

    __test__ = False

    def __init__(self, database: Path | str, settings: Settings, *, gives_up: bool) -> None:
        self.settings = settings
        self.timings = Timings().scaled(settings.timings_scale)
        # A second without proof is nothing on a busy machine: only a test that says so has messages given up.
        self._overdue = self.timings if gives_up else replace(self.timings, confirm_horizon_s=10 * _LIMIT_S)
        self.store = Store(database)
        self.bells = Bells()
        self.finder = FakeFinder()
        self.rack = Rack(self.finder, lambda serial: self.finder.phones[serial], (), self.timings, self.bells)
        self.inbox = Inbox(self.store, settings, utc_now, self.bells.ring)
        self.holds = Holds(self.store)
        self.dispatcher = build_dispatcher(self.store, self.bells, self.holds, settings, utc_now)
        self.services = LaneServices(
            self.store,
            Joining(self.rack, self.store, settings, utc_now),
            self.inbox,
            self.bells,
            self.dispatcher,
            settings,
            self.timings,
            utc_now,
        )
        self.care = PhoneCare(self.rack, self.store, self.bells, utc_now)
        self.control = Control(self.store, self.holds, self.care, self.bells, utc_now)
        self.lanes: list[Lane] = []
        self._next_round = 0.0

    def plug_in(self, *phones):
        for phone in phones:
            self.finder.phones[phone.serial] = phone
        self.look()

    def look(self):
        for phone in self.rack.watch():
            lane = Lane(phone, self.services)
            self.lanes.append(lane)
            lane.start()

    def submit(self, *drafts: tuple[str, str]) -> list[int]:
        return self.submit_drafts(*(Draft(*draft) for draft in drafts))

    def submit_drafts(self, *drafts: Draft) -> list[int]:
        outcomes = submit(self.store, self.settings.messages, drafts, now=utc_now(), actor="test")
        assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes
        self.bells.ring()
        return [outcome.message_id for outcome in outcomes]

    def states(self) -> list[MessageState]:
        with self.store.reading() as session:
            return [MessageState(s) for s in session.scalars(select(MessageRecord.state).order_by(MessageRecord.id))]

    def message(self, message_id: int) -> MessageRecord:
        with self.store.reading() as session:
            return session.get_one(MessageRecord, message_id)

    def events(self, message_id: int) -> list[str]:
        with self.store.reading() as session:
            query = select(MessageEvent.new_state).where(MessageEvent.message_id == message_id)
            return list(session.scalars(query.order_by(MessageEvent.id)))

    def reasons(self, message_id: int) -> list[str]:
        with self.store.reading() as session:
            query = select(MessageEvent.reason).where(MessageEvent.message_id == message_id)
            return list(session.scalars(query.order_by(MessageEvent.id)))

    def event_times(self, message_id: int) -> list[datetime]:
        with self.store.reading() as session:
            query = select(MessageEvent.at).where(MessageEvent.message_id == message_id)
            return list(session.scalars(query.order_by(MessageEvent.id)))

    def run_for_late_rounds(self, count: int) -> None:
        reads = [phone.reads for phone in self.finder.phones.values()]
        until = time.monotonic() + count * self.timings.late_round_s
        self.wait_until(
            lambda: time.monotonic() > until and reads != [phone.reads for phone in self.finder.phones.values()],
            limit_s=_LIMIT_S + count * self.timings.late_round_s,
        )

    def tick(self):
        """What the clock does: look at the phones, ask for rounds, sweep."""
        sweep_overdue(self.store, self.bells, self._overdue, utc_now())
        self.look()
        now = time.monotonic()
        if now >= self._next_round:
            self._next_round = now + self.timings.read_idle_s
            for lane in self.lanes:
                lane.ask_to_read()

    def wait_until(self, condition: Callable[[], bool], limit_s: float = _LIMIT_S) -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline, f"not reached within {limit_s} s; states: {self.states()}"
            self.tick()
            time.sleep(0.01)

    def wait_settled(self) -> list[MessageState]:
        moving = {MessageState.QUEUED, MessageState.SUBMITTING}
        self.wait_until(lambda: not moving & set(self.states()))
        return self.states()

    def wait_sent(self) -> None:
        """Wait until all are sent; a proof may come after a message was given up for unknown."""
        self.wait_until(lambda: set(self.states()) == {MessageState.SENT})

    def stop(self):
        for lane in self.lanes:
            lane.stop()
        for lane in self.lanes:
            lane.join(10)
        self.store.close()


@pytest.fixture
def make_rack(database, request):
    racks = []
    gives_up = request.node.get_closest_marker("gives_up") is not None

    def make(**overrides) -> TestRack:
        values = {
            "timings_scale": 0.01,
            "phones": {"enrol_all": True},
            "new_sims": {"parts_per_minute": 6000, "parts_per_day": None},
            **overrides,
        }
        rack = TestRack(database, load_settings(None, values), gives_up=gives_up)
        racks.append(rack)
        return rack

    yield make
    for rack in racks:
        rack.stop()


@pytest.fixture
def rack(make_rack):
    return make_rack()


@pytest.fixture
def fake_phone():
    return FakePhone
