"""A remote phone at work: its SIMs, what they have used, and which messages it is handed next."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from device_drivers.base import PhoneIdentity, SendGuard
from host_controller.fleet.phone import LINKED, SILENT, Enrolled, PhoneView, RackSim
from host_controller.fleet.sim_limits import rack_sim
from host_controller.messaging.attempts import Sender
from host_controller.messaging.dispatcher import Dispatcher
from host_controller.messaging.ledgers import PhoneLedgers
from host_controller.messaging.reach import filter_of
from host_controller.messaging.sim_choice import SimChoice
from host_controller.messaging.taking import Blown, Idle, Taken, Taking
from host_controller.rules.choice import SimView
from host_controller.rules.classes import MessageClass
from host_controller.rules.ledger import Use
from host_controller.rules.limits import SimLimits
from host_controller.rules.periods import ONE_DAY, day_start, local_date
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.settings import Settings
from host_controller.store.models import PhoneRecord, RemotePhoneRecord
from host_controller.store.store import Store

_HOST = socket.gethostname()


class RemotePhone:
    """One remote phone. Whoever takes messages for it holds its lock."""

    def __init__(
        self, store: Store, dispatcher: Dispatcher, settings: Settings, record: PhoneRecord, now: datetime
    ) -> None:
        if record.remote is None:
            raise ValueError("not a remote phone")
        self.lock = threading.RLock()
        self._store = store
        self.heartbeat_at = record.remote.heartbeat_at
        self._silence = timedelta(minutes=record.remote.heartbeat_limit_minutes * settings.timings_scale)
        self.enrolled = _enrolled(record)
        self.phone_id = record.id
        self.serial = record.adb_serial
        self._board = dispatcher.board
        self._zone = settings.zone
        self._ledgers = PhoneLedgers(store, self.enrolled, settings, now, dispatcher.ramp)
        self._choice = _FirstSimChoice(self.enrolled, self._ledgers)
        self._taking = Taking(dispatcher, self.enrolled, self._choice, f"remote phone {self.serial}")
        self._sims = [
            SimView(sim.sim_id, record.id, self._ledgers.limits(sim.sim_id), self.enrolled.recipients)
            for sim in self.enrolled.usable_sims
        ]
        self.slots = frozenset(sim.sim.slot_index for sim in self.enrolled.usable_sims)

    def is_online(self, now: datetime) -> bool:
        """Whether its last heartbeat is young enough."""
        return self.heartbeat_at is not None and now - self.heartbeat_at <= self._silence

    def view(self, now: datetime) -> PhoneView:
        """Give it as a phone of the rack."""
        return PhoneView(
            self.serial,
            link=LINKED if self.is_online(now) else SILENT,
            identity=self.enrolled.identity,
            enrolled=self.enrolled,
            spent=self._ledgers.spent,
            next_allowed=self._ledgers.next_allowed,
        )

    def blocked(self, now: datetime) -> Idle | Wait | None:
        """Say, without the writer, whether surely no message goes to it now, and until when."""
        blocked = self._taking.blocked(now, self.slots)
        # After an outage what is stale was held first: another look tells.
        return self._taking.blocked(now, self.slots) if blocked == Idle(now) else blocked

    def bound_day(self, now: datetime, parts_per_day: int | None) -> None:
        """Bound what the phone as a whole is handed in a day of the rack's time zone, until this is said anew."""
        self._choice.room = self._room_today(now, parts_per_day)

    def take(self, session: Session, now: datetime, limit: int) -> tuple[list[Taken], Idle | Blown | Wait | None]:
        """Claim up to `limit` messages; with fewer, say what the next one waits for."""
        sender = Sender(self.phone_id, _HOST, self.enrolled.epoch, None, round(now.timestamp() * 1000), 0)
        taken: list[Taken] = []
        while len(taken) < limit:
            outcome = self._taking.take(session, sender, now, self.slots, ())
            if isinstance(outcome, (Idle, Blown, Wait)):
                return taken, outcome
            claim, sim = outcome
            self._choice.note(sim, claim.use)
            taken.append(outcome)
        return taken, None

    def count(self, now: datetime, most: int) -> Mapping[int, int]:
        """Count what it could be handed now, limits aside, up to `most`: by SIM; the first takes what any SIM may.

        Raises StoreError.
        """
        # By the writer, though it writes nothing: the queue that is looked through must not change meanwhile.
        return self._store.write(lambda session: self._taking.count(session, now, self.slots, most))

    def note(self, values: Mapping[str, object]) -> None:
        """Write down what it has told of itself. Raises StoreError."""
        statement = update(RemotePhoneRecord).where(RemotePhoneRecord.phone_id == self.phone_id).values(**values)
        self._store.write(lambda session: session.connection().execute(statement))

    def recount(self, now: datetime) -> None:
        """Take what its SIMs have used from the record again: a work was taken back, or something did not leave."""
        self._choice.recount(now)

    def tell(self, wait: Wait | None) -> None:
        """Let the others know how it stands."""
        self._board.post(self._sims, wait)

    def leave(self, now: datetime) -> None:
        """It takes nothing for now: what it could take need not wait for it."""
        self._board.leave([sim.sim_id for sim in self._sims], now)

    def limits(self, sim_id: int) -> SimLimits:
        """Give the limits of one of its SIMs."""
        return self._ledgers.limits(sim_id)

    def _room_today(self, now: datetime, parts_per_day: int | None) -> _Room | None:
        if parts_per_day is None:
            return None
        spent = sum(sum(spent.day) for spent in self._ledgers.spent(now).values())
        return _Room(parts_per_day - spent, day_start(local_date(now, self._zone) + ONE_DAY, self._zone))


class _Room:
    """What is left of a day's parts, whichever SIM they go to."""

    def __init__(self, parts: int, until: datetime) -> None:
        self.parts = parts
        self.until = until


class _FirstSimChoice(SimChoice):
    """The app sends through the phone's first SIM, whatever it is told: only what is bound to the second goes there."""

    room: _Room | None = None

    def choose(
        self,
        parts: int,
        message_class: MessageClass,
        recipient: str | None,
        now: datetime,
        usable_slots: frozenset[int],
        only_sim_id: int | None = None,
    ) -> RackSim | Wait:
        """See SimChoice."""
        if self.room is not None and parts > self.room.parts:
            return Wait(self.room.until, WaitReason.QUOTA)
        first = min((sim.sim_id for sim in self._sims), default=None)
        return super().choose(parts, message_class, recipient, now, usable_slots, only_sim_id or first)

    def note(self, sim: RackSim, use: Use) -> None:
        """See SimChoice."""
        super().note(sim, use)
        if self.room is not None:
            self.room.parts -= use.parts


def _enrolled(record: PhoneRecord) -> Enrolled:
    identity = PhoneIdentity(record.adb_serial, record.hardware_serial, "", record.model, "", 0, "")
    guard = SendGuard(record.guard_max_parts, record.guard_interval_s)
    sims = tuple(replace(rack_sim(sim), self_paced=True) for sim in record.sims if sim.active)
    return Enrolled(record.id, identity, guard, sims, is_remote=True, recipients=filter_of(record))
