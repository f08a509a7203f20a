"""What must be true of a day at each of its moments, and at its end: told from the rows and from the air alone."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select

from host_controller.fleet.phone import LINKED, PhoneStatus
from host_controller.rules.classes import MessageClass
from host_controller.rules.limits import GuardLimit
from host_controller.rules.states import OPEN_ATTEMPTS, AttemptState, MessageState
from host_controller.rules.waiting import Wait, WaitReason, shortest
from host_controller.store.models import AttemptRecord, BatchRecord, MessageRecord, PhoneRecord, SimRecord
from tests.model.bad_hours import PAUSES
from tests.model.day import ABUSED, START, Day, Seat

_BUSY_S = 3.5
"""A lane that sends sleeps no longer than this between two turns: it reads its phone."""
_HOUR = timedelta(hours=1)
_TIMELESS = {WaitReason.BATCH_PAUSED, WaitReason.PAUSED, WaitReason.SPEND_FUSE, WaitReason.TOO_LONG}
_OVERSLEPT = timedelta(seconds=1.5)
_ENDED = (MessageState.SENT, MessageState.FAILED, MessageState.CANCELLED, MessageState.EXPIRED, MessageState.UNKNOWN)


@dataclass
class Watcher:
    """Asks, at every turn and from time to time about every message, why it waits; counts the answers."""

    day: Day
    asleep_with: Counter[str] = field(default_factory=Counter)
    """Turns after which a lane slept, by reason."""
    waiting_for: Counter[str] = field(default_factory=Counter)
    """Waiting messages at the looks, by reason."""
    looks: int = 0
    _idle: set[str] = field(default_factory=set)

    def after_turn(self, seat: Seat, pause_s: float) -> None:
        """A lane that goes to sleep says why, and does not sleep longer than it said."""
        name = seat.phone.name
        self._idle.discard(name)
        view = seat.rack_phone.view()
        if pause_s <= _BUSY_S or view.enrolled is None:
            return
        if view.status is not PhoneStatus.READY:
            assert view.advice, f"{name} is {view.status} and says nothing"
            self.asleep_with[view.status] += 1
            return
        now = self.day.clock()
        for sim in view.enrolled.usable_sims:
            standing = self.day.dispatcher.board.standing(sim.sim_id)
            if standing.wait is None:
                self._idle.add(name)
                continue
            self.asleep_with[standing.wait.reason] += 1
            until = standing.wait.until
            if until is not None and until >= now:
                wakes_at = START + timedelta(seconds=seat.due_s)
                assert wakes_at <= until + _OVERSLEPT, f"{name} oversleeps: {standing.wait} and {wakes_at}"

    def look(self) -> None:
        """Everything that has not ended is in a phone's hands, parked for a reason, or held by every SIM."""
        day, now = self.day, self.day.clock()
        self.looks += 1
        with day.store.reading() as session:
            message = MessageRecord
            rows = session.execute(
                select(message.waiting_for, func.count(), func.min(message.not_before), func.count(message.not_before))
                .where(message.state == MessageState.QUEUED)
                .group_by(message.waiting_for)
            ).all()
            submitting = session.scalar(
                select(func.count()).select_from(message).where(message.state == MessageState.SUBMITTING)
            )
            in_hands = session.scalar(
                select(func.count(func.distinct(AttemptRecord.message_id))).where(
                    AttemptRecord.state.in_(OPEN_ATTEMPTS)
                )
            )
            held = {
                batch_id
                for batch_id in session.scalars(
                    select(message.batch_id)
                    .where(message.state == MessageState.QUEUED, message.waiting_for == WaitReason.BATCH_PAUSED)
                    .distinct()
                )
            }
        assert submitting == in_hands, f"{submitting} are with phones, {in_hands} attempts are open"
        self.waiting_for["in a phone's hands"] += submitting
        assert all(day.holds.of_batch(batch_id) for batch_id in held), "a batch goes on, and its messages do not"
        for reason, count, first_at, timed in rows:
            # What is due at this moment is taken in the turn that comes next.
            if reason is None or (first_at is not None and first_at <= now - _OVERSLEPT):
                self._explain_ready(count)
            if reason is not None:
                assert timed == count or reason in _TIMELESS, f"{count - timed} wait for {reason} without a time"
                self.waiting_for[reason] += count

    def _explain_ready(self, count: int) -> None:
        """What nothing holds on every SIM is held by each."""
        day, now = self.day, self.day.clock()
        waits: list[Wait] = []
        is_rung = any(seat.lane.is_rung for seat in day.seats)
        for seat in day.seats:
            view = seat.rack_phone.view()
            if view.link != LINKED or view.status is not PhoneStatus.READY or view.enrolled is None:
                continue
            # One that is rung takes it, or passes the bell on.
            assert seat.phone.name not in self._idle or is_rung, (
                f"{seat.phone.name} idles at {now:%H:%M:%S}, until {seat.next_s - day.now_s:.1f} s; {count} could go"
            )
            standings = [day.dispatcher.board.standing(sim.sim_id) for sim in view.enrolled.usable_sims]
            waits += [standing.wait for standing in standings if standing.wait is not None]
            for standing in standings:
                # Nobody may sleep on what is over.
                if standing.wait is not None and standing.wait.until is not None and seat.next_s > day.now_s + 5:
                    assert standing.wait.until >= now - _OVERSLEPT
        wait = shortest(waits)
        self.waiting_for[wait.reason if wait else "being taken now"] += count


@dataclass(frozen=True)
class Sent:
    """One attempt that may have left."""

    sim_id: int
    at: datetime
    parts: int
    message_class: str
    batch: str | None


def check_limits(day: Day) -> int:
    """No SIM was ever above a limit, by a count of its attempts; give how many those were."""
    with day.store.reading() as session:
        attempt, message = AttemptRecord, MessageRecord
        rows = session.execute(
            select(attempt.sim_id, attempt.intent_at, attempt.part_count, message.message_class, BatchRecord.name)
            .join(message, attempt.message_id == message.id)
            .outerjoin(BatchRecord, message.batch_id == BatchRecord.id)
            .where(attempt.state != AttemptState.NOT_SENT)
            .order_by(attempt.intent_at)
        )
        sent = [Sent(*row) for row in rows]
        sims = session.execute(
            select(
                SimRecord.id,
                SimRecord.parts_per_minute,
                SimRecord.parts_per_hour,
                SimRecord.parts_per_day,
                PhoneRecord.guard_max_parts,
                PhoneRecord.guard_interval_s,
            ).join(PhoneRecord, SimRecord.phone_id == PhoneRecord.id)
        ).all()
    by_sim: dict[int, list[Sent]] = defaultdict(list)
    for one in sent:
        by_sim[one.sim_id].append(one)
    for sim_id, per_minute, per_hour, per_day, max_parts, interval_s in sims:
        guard, mine = GuardLimit(max_parts, interval_s), by_sim[sim_id]
        for before, after in itertools.pairwise(mine):
            pause = timedelta(seconds=before.parts * 60 / per_minute)
            assert after.at - before.at >= pause - timedelta(microseconds=1), f"SIM {sim_id}: pace"
        assert _most_within(mine, _HOUR) <= per_hour, f"SIM {sim_id}: hour"
        assert _most_within(mine, guard.window) <= guard.usable_parts, f"SIM {sim_id}: guard"
        days = Counter[object]()
        for one in mine:
            days[one.at.astimezone(day.settings.zone).date()] += one.parts
        assert not days or max(days.values()) <= per_day, f"SIM {sim_id}: day"
    _check_times(day, sent)
    return len(sent)


def _most_within(sent: Sequence[Sent], span: timedelta) -> int:
    """The most parts of any window of this length."""
    times = [one.at for one in sent]
    sums = [0]
    for one in sent:
        sums.append(sums[-1] + one.parts)
    # A window that ends with an attempt and does not have the one that is a whole span before it.
    return max((sums[n + 1] - sums[bisect_right(times, at - span)] for n, at in enumerate(times)), default=0)


def _check_times(day: Day, sent: Sequence[Sent]) -> None:
    for one in sent:
        if one.message_class == MessageClass.MARKETING:
            local = one.at.astimezone(day.settings.zone)
            assert 8 <= local.hour < 20, f"marketing at {local:%H:%M}"
        for pause in PAUSES:
            begins, ends = (START + timedelta(seconds=s) for s in (pause.begins_s, pause.ends_s))
            if pause.batch in (None, one.batch):
                assert not begins < one.at < ends, f"sent at {one.at:%H:%M} in a pause of {pause.batch or 'the rack'}"


def check_air(day: Day) -> int:
    """Nothing is on the air twice, and what is sent is on it; give how many messages are."""
    times: Counter[int] = Counter()
    for seat in day.seats:
        times.update(entry.order.intent.uid for entry in seat.phone.air)
    twice = [uid for uid, count in times.items() if count > 1]
    assert not twice, f"{len(twice)} messages are on the air twice"
    with day.store.reading() as session:
        messages = session.execute(select(MessageRecord.uid, MessageRecord.state)).all()
    assert len(messages) == day.size.messages, "a message is lost"
    for uid, state in messages:
        if state == MessageState.SENT:
            assert times[uid] == 1, "a message is called sent and was never on the air"
        if state in (MessageState.QUEUED, MessageState.EXPIRED, MessageState.CANCELLED):
            assert times[uid] == 0, f"a message is {state} and was on the air"
    return len(times)


def waits_s(day: Day) -> dict[MessageClass, list[float]]:
    """Seconds from a message's coming to its first attempt, sorted, by class.

    Without those that came while the rack was paused, those that asked for a later time and have a `ref` for it, and
    those that a guard against repeats had held.
    """
    with day.store.reading() as session:
        rows = session.execute(
            select(
                MessageRecord.message_class,
                MessageRecord.created_at,
                func.min(AttemptRecord.intent_at),
            )
            .join(AttemptRecord, AttemptRecord.message_id == MessageRecord.id)
            .where(MessageRecord.msisdn != ABUSED, MessageRecord.ref.is_(None))
            .group_by(MessageRecord.id)
        ).all()
    found: dict[MessageClass, list[float]] = {message_class: [] for message_class in MessageClass}
    for message_class, created_at, intent_at in rows:
        came_s = (created_at - START).total_seconds()
        if not any(pause.batch is None and pause.begins_s <= came_s < pause.ends_s for pause in PAUSES):
            found[MessageClass(message_class)].append((intent_at - created_at).total_seconds())
    return {message_class: sorted(waits) for message_class, waits in found.items()}


def states(day: Day) -> Counter[str]:
    """How many messages are in each state."""
    with day.store.reading() as session:
        rows = session.execute(select(MessageRecord.state, func.count()).group_by(MessageRecord.state))
        return Counter({state: count for state, count in rows})


def sent_per_sim(day: Day) -> list[int]:
    """Parts that each SIM has sent, ascending."""
    parts: Counter[tuple[str, int]] = Counter()
    for seat in day.seats:
        for entry in seat.phone.air:
            parts[seat.phone.name, entry.order.subscription_id] += entry.parts
    return sorted(parts[seat.phone.name, sim.subscription_id] for seat in day.seats for sim in seat.phone.sims)
