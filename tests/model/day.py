"""A day of the whole rack on a fake clock: the real lanes, without their threads, on modelled phones.

An event loop lets that lane go on that may go on first: when its turn said so, or a bell has rung. A phone's calls
take their time for its own lane alone.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from host_controller.errors import DataDirectoryError
from host_controller.events import Bells
from host_controller.fleet.joining import Joining
from host_controller.fleet.phone import RackPhone
from host_controller.fleet.rack import Rack, SeenPhone
from host_controller.inbox.reading import Inbox
from host_controller.messaging.batches import BatchDraft
from host_controller.messaging.dispatcher import build_dispatcher
from host_controller.messaging.expiry import Expiry
from host_controller.messaging.holds import Holds
from host_controller.messaging.lane import Lane
from host_controller.messaging.session import LaneServices
from host_controller.messaging.submit import Accepted, Draft
from host_controller.messaging.sweep import sweep_overdue
from host_controller.rule_settings import PrefixSettings
from host_controller.rules.classes import MessageClass
from host_controller.rules.timings import Timings
from host_controller.settings import NewSimSettings, PhoneSettings, ReserveSettings, Settings
from host_controller.store.models import AttemptRecord, MessageRecord
from host_controller.store.store import Store
from tests.model.day_phone import OPEN_GUARD, STOCK_GUARD, DayPhone, OwnTime
from tests.model.model_phone import Clock, Intent
from web import Services

MINUTE_S, HOUR_S = 60.0, 3600.0
DAY_S = 24 * HOUR_S
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""A Monday, nine o'clock in Prague."""
SWEEP_S, LOOK_S, READ_S, HEALTH_S = 30.0, 60.0, 900.0, 600.0
CAPPED = "+420601"
ABUSED = "+420777999999"


@dataclass(frozen=True)
class Size:
    """How big a rack, and how much it has to do."""

    single_phones: int
    dual_phones: int
    messages: int
    parts_per_minute: int
    parts_per_hour: int
    parts_per_day: int
    bad_phones: int

    @property
    def sims(self) -> int:
        return self.single_phones + 2 * self.dual_phones

    @property
    def otp(self) -> int:
        return self.messages * 6 // 100

    @property
    def transactional(self) -> int:
        return self.messages * 14 // 100

    @property
    def marketing(self) -> int:
        return self.messages - self.otp - self.transactional


SMALL = Size(12, 4, 3000, 20, 20, 150, 10)
FULL = Size(60, 20, 50_000, 20, 60, 500, 10)


class Seat:
    """One phone, its lane, and when that goes on."""

    def __init__(self, phone: DayPhone, rack_phone: RackPhone, lane: Lane) -> None:
        self.phone = phone
        self.rack_phone = rack_phone
        self.lane = lane
        self.free_s = 0.0
        self.due_s = 0.0
        self.turns = 0

    @property
    def next_s(self) -> float:
        return self.free_s if self.lane.is_rung else max(self.free_s, self.due_s)


class Cables:
    """Which phones adb lists."""

    def __init__(self) -> None:
        self.phones: dict[str, DayPhone] = {}

    def list_phones(self) -> list[SeenPhone]:
        return [SeenPhone(name, "device") for name, phone in self.phones.items() if phone.plugged_in]

    def attach(self, address: str) -> None:
        raise NotImplementedError


class Day:
    """The rack, its clock and all that happens to it."""

    def __init__(self, database: Path, size: Size, seed: int) -> None:
        self.size = size
        self.random = random.Random(seed)
        self.clock = Clock(START, 0.0, START)
        self.settings = _settings(size)
        self.timings = Timings()
        self.store = Store(database)
        self.bells = Bells()
        self.cables = Cables()
        self.rack = Rack(self.cables, lambda name: self.cables.phones[name], (), self.timings, self.bells)
        self.holds = Holds(self.store)
        self.dispatcher = build_dispatcher(
            self.store, self.bells, self.holds, self.settings, self.clock, lambda: self.clock.elapsed_s
        )
        self.services = Services(self.store, self.rack, self.bells, self.settings, self.clock, holds=self.holds)
        self._lane_services = LaneServices(
            self.store,
            Joining(self.rack, self.store, self.settings, self.clock),
            Inbox(self.store, self.settings, self.clock),
            self.bells,
            self.dispatcher,
            self.settings,
            self.timings,
            self.clock,
            lambda: self.clock.elapsed_s,
            listens=False,
        )
        self._expiry = Expiry(self.store, self.clock)
        self._plan: list[tuple[float, int, Callable[[], object]]] = []
        self._number = itertools.count()
        self.seats: list[Seat] = []
        self.steps = 0
        self.on_turn: Callable[[Seat, float], None] = lambda seat, pause_s: None
        self._plug_in()
        self._start_jobs()

    @property
    def now_s(self) -> float:
        return self.clock.elapsed_s

    def at(self, at_s: float, action: Callable[[], object]) -> None:
        """Plan something."""
        heapq.heappush(self._plan, (at_s, next(self._number), action))

    def every(self, interval_s: float, action: Callable[[], object], first_s: float | None = None) -> None:
        """Plan something again and again."""

        def run() -> None:
            action()
            self.at(self.now_s + interval_s, run)

        self.at(self.now_s + interval_s if first_s is None else first_s, run)

    def run(self, until_s: float = DAY_S) -> None:
        """Live until then."""
        while True:
            seat = min(self.seats, key=_next_s)
            lane_s, plan_s = seat.next_s, self._plan[0][0] if self._plan else until_s
            next_s = min(lane_s, plan_s)
            if next_s >= until_s:
                self._go_to(until_s)
                return
            self._go_to(next_s)
            if plan_s <= lane_s:
                heapq.heappop(self._plan)[2]()
            else:
                self._let_go_on(seat)

    def look(self) -> None:
        """Look at the cables."""
        for rack_phone in self.rack.watch():
            lane = Lane(rack_phone, self._lane_services)
            self.seats.append(Seat(self.cables.phones[rack_phone.serial], rack_phone, lane))

    def submit(self, *drafts: Draft) -> None:
        """Take messages in; none of these is ever refused."""
        outcomes = self.services.submit(drafts, "day")
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)

    def close(self) -> None:
        with suppress(DataDirectoryError):
            self.store.close()

    def _go_to(self, at_s: float) -> None:
        """Let time pass; what is shown is told anew each time, or a hundred thousand roundings would add up."""
        self.clock.elapsed_s = max(self.now_s, at_s)
        self.clock.set_off_by(0.0)

    def _let_go_on(self, seat: Seat) -> None:
        pause_s = seat.lane.turn()
        busy_s = seat.phone.clock.take_busy_s()
        seat.free_s = self.now_s + busy_s
        seat.due_s = self.now_s + max(busy_s, pause_s)
        seat.turns += 1
        self.steps += 1
        self.on_turn(seat, pause_s)

    def _plug_in(self) -> None:
        size = self.size
        for number in range(size.single_phones + size.dual_phones):
            name = f"phone-{number}"
            # Each eighth has nobody's hand on its guard; the bad ones are all alike in this.
            guard = STOCK_GUARD if number >= size.bad_phones and number % 8 == 0 else OPEN_GUARD
            self.cables.phones[name] = DayPhone(
                name,
                OwnTime(self.clock),
                self._find_intent,
                lambda: None,
                sim_count=2 if number >= size.single_phones else 1,
                guard=guard,
            )
        self.look()

    def _start_jobs(self) -> None:
        self.every(SWEEP_S, lambda: sweep_overdue(self.store, self.bells, self.timings, self.clock()))
        self.every(LOOK_S, self._expiry.run)
        self.every(self.timings.workload_s, self.dispatcher.workload.count)
        for number, seat in enumerate(self.seats):
            offset_s = number / len(self.seats)
            self.every(READ_S, seat.lane.ask_to_read, READ_S * (1 + offset_s))
            self.every(HEALTH_S, seat.lane.ask_for_health, HEALTH_S * (1 + offset_s))

    def _find_intent(self, wire_id: int) -> Intent | None:
        query = select(MessageRecord.uid, AttemptRecord.intent_at).join(
            AttemptRecord, AttemptRecord.message_id == MessageRecord.id
        )
        with self.store.reading() as session:
            row = session.execute(query.where(AttemptRecord.wire_id == wire_id)).one_or_none()
        return row and Intent(*row)


def plan_messages(day: Day) -> None:
    """Most of the day's messages come at once, in two batches; codes and notices come as people want them."""
    size, rng = day.size, day.random
    for name, share in (("spring", 0.7), ("club", 0.3)):
        count = round(size.marketing * share)
        day.services.make_batch(BatchDraft(name, MessageClass.MARKETING), "day")
        day.at(10.0, lambda name=name, count=count: _submit_batch(day, name, count))
    for n in range(size.otp):
        draft = Draft(f"+420602{n:06d}", f"Kód {rng.randrange(10**6):06d}", message_class=MessageClass.OTP)
        day.at(rng.uniform(20.0, DAY_S - 60), lambda draft=draft: day.submit(draft))
    left = size.transactional - 40
    while left > 0:
        count = min(left, rng.randint(1, 12))
        left -= count
        day.at(rng.uniform(20.0, DAY_S - 60), lambda count=count, left=left: _submit_notices(day, left, count))
    # A program that runs wild: forty notices for one person.
    day.at(
        2 * HOUR_S,
        lambda: day.submit(*(Draft(ABUSED, f"Chyba {n}", message_class=MessageClass.TRANSACTIONAL) for n in range(40))),
    )


def _submit_batch(day: Day, name: str, count: int) -> None:
    base = 0 if name == "spring" else 500_000
    for first in range(0, count, 1000):
        numbers = range(base + first, base + min(first + 1000, count))
        # One in fifty lives behind a beginning that is capped, one in six gets two parts.
        day.submit(
            *(
                Draft(
                    f"{CAPPED if n % 50 == 0 else '+420603'}{n:06d}",
                    f"Jaro {n} " + "x" * (160 if n % 6 == 0 else 0),
                    batch=name,
                )
                for n in numbers
            )
        )


def _submit_notices(day: Day, first: int, count: int) -> None:
    later = day.clock() + timedelta(hours=1) if first % 10 == 0 else None
    day.submit(
        *(
            Draft(
                f"+420604{n:06d}",
                f"Zásilka {n}",
                ref=f"later-{n}" if later else None,
                message_class=MessageClass.TRANSACTIONAL,
                not_before=later,
            )
            for n in range(first, first + count)
        )
    )


def _settings(size: Size) -> Settings:
    return Settings(
        phones=PhoneSettings(enrol_all=True),
        new_sims=NewSimSettings(
            parts_per_minute=size.parts_per_minute,
            parts_per_hour=size.parts_per_hour,
            parts_per_day=size.parts_per_day,
        ),
        reserve=ReserveSettings(otp_percent=5, transactional_percent=10),
        prefix_caps={CAPPED: PrefixSettings(parts_per_hour=size.messages // 500)},
    )


def _next_s(seat: Seat) -> tuple[float, int]:
    return seat.next_s, seat.turns
