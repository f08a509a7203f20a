"""The controller without its threads: the real store and use cases, and lanes that take one step at a time."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from device_drivers.base import EnrolOptions
from device_drivers.errors import DriverError, SubmitRejectedError
from host_controller.events import Bells
from host_controller.fleet.enrolment import Arrival, save_arrival
from host_controller.fleet.phone import Enrolled
from host_controller.inbox.reading import Inbox
from host_controller.messaging.confirmation import Confirmation
from host_controller.messaging.dispatcher import build_dispatcher
from host_controller.messaging.expiry import Expiry
from host_controller.messaging.hands import Hands
from host_controller.messaging.holds import Holds
from host_controller.messaging.journal_care import JournalCare
from host_controller.messaging.ledgers import PhoneLedgers
from host_controller.messaging.reconciler import Reconciler
from host_controller.messaging.sending import ClockReading, Full, Sending
from host_controller.messaging.sim_choice import SimChoice
from host_controller.messaging.sweep import sweep_overdue
from host_controller.messaging.taking import Idle
from host_controller.rule_settings import RampUpSettings, RepeatSettings
from host_controller.rules.states import MessageState
from host_controller.rules.timings import Timings
from host_controller.rules.waiting import Wait
from host_controller.settings import MessageSettings, NewSimSettings, Settings
from host_controller.store.backup import write_backup
from host_controller.store.models import AttemptRecord, MessageRecord
from host_controller.store.restore import restore_backup
from host_controller.store.store import Store
from tests.model.model_phone import Clock, Intent, ModelPhone
from web import Services

PARTS_PER_DAY = 6
TIMINGS = Timings()
# Everybody may be written to as often as the model likes.
# The model lets time pass without its lanes: what follows from an outage has tests of its own.
SETTINGS = Settings(
    repeats=RepeatSettings(recipient_per_hour={}, same_text={}),
    messages=MessageSettings(stale_after_h=0),
    ramp_up=RampUpSettings(minutes=0),
)
# A longest message must fit into a day: the model's are shorter than the settings allow.
_NEW_SIMS = NewSimSettings.model_construct(parts_per_minute=6000, parts_per_day=PARTS_PER_DAY)


class DaemonKilledError(BaseException):
    """The process is gone at this point: nobody catches it."""


class DiskFullError(Exception):
    """A transaction that could not be committed."""


class Failpoints:
    """The points at which the daemon may end: around every commit and every call of a phone."""

    def __init__(self) -> None:
        self.kill_at: int | None = None
        self.disk_full_at: int | None = None

    def pass_one(self) -> None:
        if self.kill_at is not None:
            if self.kill_at == 0:
                self.kill_at = None
                raise DaemonKilledError
            self.kill_at -= 1

    def is_disk_full(self) -> bool:
        if self.disk_full_at is None:
            return False
        self.disk_full_at -= 1
        return self.disk_full_at < 0

    def disarm(self) -> None:
        self.kill_at = self.disk_full_at = None


class FailingStore:
    """The real store with a failpoint before and after each commit."""

    def __init__(self, database: Path, failpoints: Failpoints) -> None:
        self.store = Store(database)
        self._failpoints = failpoints
        self.reading = self.store.reading
        self.close = self.store.close
        self.refusals = self.store.refusals

    def write(self, work: Callable) -> object:
        self._failpoints.pass_one()
        if self._failpoints.is_disk_full():
            self._failpoints.disk_full_at = None

            def fail(session):
                work(session)
                session.flush()
                raise DiskFullError

            self.store.write(fail)
        result = self.store.write(work)
        self._failpoints.pass_one()
        return result


class Bench:
    """One database, its daemon and its phones."""

    def __init__(self, directory: Path, template: Path) -> None:
        self.database = directory / "smsrack.db"
        self.copy = directory / "copy.db"
        for path in directory.iterdir():
            path.unlink()
        shutil.copyfile(template, self.database)
        self.clock = Clock()
        self.failpoints = Failpoints()
        self.phones: list[ModelPhone] = []
        self.lanes: list[LaneSteps] = []
        self._open()

    def _open(self) -> None:
        self.store = FailingStore(self.database, self.failpoints)
        self.inbox = Inbox(self.store, SETTINGS, self.clock)
        self.bells = Bells()
        self.dispatcher = build_dispatcher(self.store.store, self.bells, Holds(self.store), SETTINGS, self.clock)
        self.services = Services(self.store, None, self.bells, SETTINGS, self.clock)

    def add_phone(self, *, can_read_sms: bool, has_radio_log: bool) -> None:
        name = f"model-{len(self.phones)}"
        phone = ModelPhone(name, self.clock, self.find_intent, self.failpoints.pass_one, can_read_sms, has_radio_log)
        self.phones.append(phone)
        self.lanes.append(LaneSteps(self, phone))

    def find_intent(self, wire_id: int) -> Intent | None:
        with self.store.reading() as session:
            row = session.execute(
                select(MessageRecord.uid, AttemptRecord.intent_at)
                .join(AttemptRecord, AttemptRecord.message_id == MessageRecord.id)
                .where(AttemptRecord.wire_id == wire_id)
            ).one_or_none()
        return row and Intent(*row)

    def next_retry(self) -> datetime | None:
        """When the next queued message that waits for another try may go; None where none waits."""
        with self.store.reading() as session:
            return session.scalar(
                select(func.min(MessageRecord.not_before)).where(
                    MessageRecord.state == MessageState.QUEUED, MessageRecord.not_before > self.clock()
                )
            )

    def sweep(self) -> int:
        Expiry(self.store, self.clock).run()
        return sweep_overdue(self.store, self.bells, TIMINGS, self.clock())

    def kill(self) -> None:
        """What is in memory is gone."""
        self.failpoints.disarm()
        self.dispatcher.queue.forget()
        self.dispatcher.rules.forget()
        for lane in self.lanes:
            lane.forget()

    def back_up(self) -> None:
        write_backup(self.database, self.copy, now=self.clock.latest, overwrite=True)

    def restore(self) -> None:
        self.store.close()
        self.kill()
        # It takes a while, in which the phones bring their journals to their flash.
        self.clock.go_on(60)
        restore_backup(self.database, self.copy, now=self.clock.latest)
        self._open()

    def close(self) -> None:
        self.store.close()


class LaneSteps:
    """What a lane does, in its order, one step at a call and without its thread."""

    def __init__(self, bench: Bench, phone: ModelPhone) -> None:
        self._bench = bench
        self.phone = phone
        self.enrolled: Enrolled | None = None

    def forget(self) -> None:
        """The link was lost or the daemon has ended: it starts over with the phone."""
        self.enrolled = None

    def step(self, *, late: bool = False) -> Idle | Full | Wait | None:
        """Do the most urgent thing; give what came of a send, None for anything else."""
        try:
            return self._step(late)
        except SubmitRejectedError:
            return None  # the lane holds its phone, and somebody releases it
        except DriverError:
            self.forget()
        except DiskFullError:
            pass  # the lane stumbles and goes on
        return None

    def read(self, *, late: bool) -> None:
        """A reading round is due: it comes after joining and doubts."""
        self.must_read = True
        for _ in range(3):
            if self.enrolled is None or self.has_doubts or self.must_read:
                self.step(late=late)

    def send(self) -> Idle | Full | Wait | None:
        """Take steps until one of them was to send, or one failed."""
        while self.enrolled is None or self.has_doubts or self.must_read:
            before = self._progress()
            self.step()
            if self._progress() == before:
                return None
        return self.step()

    def _progress(self) -> tuple[bool, bool, bool]:
        joined = self.enrolled is not None
        return joined, joined and not self.has_doubts, joined and not self.must_read

    def _step(self, late: bool) -> Idle | Full | Wait | None:
        if self.enrolled is None:
            self._join()
            return None
        if self.has_doubts:
            was_asked = self._journal_care.look_for_restored(self.phone, self.enrolled, self._phone_clock.phone_ms)
            if was_asked:
                self._bench.dispatcher.rules.forget()
            if self._reconciler.settle_doubts(self.phone, self.enrolled.phone_id) or was_asked:
                self._sending.recount()
            self.has_doubts = False
            return None
        if self.must_read:
            self.must_read = False
            self._read(late)
            return None
        slots = frozenset(sim.sim.slot_index for sim in self.enrolled.usable_sims)
        return self._sending.send_next(self.phone, self._phone_clock, slots)

    def _join(self) -> None:
        bench = self._bench
        options = EnrolOptions(send_only=not self.phone.can_read_sms)
        enrolment = self.phone.enrol(options)
        clock_ms = self.phone.read_clock_ms()
        newest = self.phone.read_newest_row_id() if self.phone.can_read_sms else None
        arrival = Arrival(enrolment, enrolment.checks, options, None, clock_ms, None, newest)
        enrolled = bench.store.write(
            lambda session: save_arrival(session, arrival, _NEW_SIMS, now=bench.clock(), actor="lane")
        )
        self._phone_clock = ClockReading.at(clock_ms, bench.clock())
        self._reconciler = Reconciler(
            bench.store, bench.dispatcher.rules, SETTINGS.messages, TIMINGS, bench.clock, "lane"
        )
        self._journal_care = JournalCare(bench.store, bench.clock, "lane")
        hands = Hands(
            bench.store,
            bench.bells,
            enrolled.phone_id,
            lambda: bench.clock() - timedelta(seconds=TIMINGS.late_horizon_s),
        )
        self._confirmation = Confirmation(
            bench.store, hands, bench.inbox, TIMINGS, bench.clock, "lane", lambda: bench.clock.elapsed_s
        )
        choice = SimChoice(enrolled, PhoneLedgers(bench.store, enrolled, SETTINGS, bench.clock()))
        self._sending = Sending(bench.store, bench.dispatcher, hands, enrolled, choice, TIMINGS, bench.clock, "lane")
        self.has_doubts = self.must_read = True
        self.enrolled = enrolled

    def _read(self, late: bool) -> None:
        if self.enrolled.can_read_sms:
            found = self._confirmation.read(self.phone, self.enrolled.phone_id, late=late)
            if found.unproven and self.enrolled.has_radio_log:
                self._confirmation.ask_radio_for_rowless(self.phone)
        else:
            found = self._confirmation.read_radio(self.phone)
        self._phone_clock = ClockReading.at(found.phone_clock_ms, self._bench.clock())


def make_template(directory: Path) -> Path:
    """An empty database, migrated once for all examples."""
    path = directory / "template.db"
    with closing(Store(path)) as store:
        store.write(lambda session: None)
    return path
