"""What sends nothing for now because a person, or a fuse, wants so: the rack, a phone, a SIM or a batch.

The table `hold` is the record and keeps what was released. `Holds` is the same in memory, for the lanes, who ask it at
every claim.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.errors import ConfigError, StoreCommitLostError, StoreError, UnknownTargetError
from host_controller.fleet.enrolment import note_event
from host_controller.rules.waiting import WaitReason
from host_controller.store.models import BatchRecord, HoldRecord, PhoneRecord, SimRecord
from host_controller.store.store import Store

T = TypeVar("T")


class Scope(StrEnum):
    """What is held, the widest first."""

    RACK = "rack"
    PHONE = "phone"
    SIM = "sim"
    BATCH = "batch"


class HoldKind(StrEnum):
    """How it is held, the weightiest last. Nothing new begins; what is in a phone's hands goes on to be confirmed."""

    PAUSED = "paused"
    DRAINED = "drained"
    """To be taken out once nothing is in its hands any more."""
    FUSE = "fuse"
    """The spend fuse has blown."""
    STOPPED = "stopped"
    """An emergency."""

    @property
    def weight(self) -> int:
        """How it ranks among the kinds, from 0."""
        return _WEIGHT[self]

    @property
    def word(self) -> str:
        """As a sentence says it: the rack is..."""
        return "held" if self is HoldKind.FUSE else self.value


_WEIGHT = {kind: weight for weight, kind in enumerate(HoldKind)}
_TABLES: dict[Scope, type[PhoneRecord | SimRecord | BatchRecord]] = {
    Scope.PHONE: PhoneRecord,
    Scope.SIM: SimRecord,
    Scope.BATCH: BatchRecord,
}


@dataclass(frozen=True, slots=True)
class HoldView:
    """What is held, how, why, by whom, and since when."""

    scope: Scope
    target_id: int | None
    """Of the phone, the SIM or the batch; None for the rack."""
    kind: HoldKind
    reason: str
    actor: str
    at: datetime

    @property
    def wait_reason(self) -> WaitReason:
        """What a message waits for that this holds."""
        if self.kind is HoldKind.FUSE:
            return WaitReason.SPEND_FUSE
        return WaitReason.BATCH_PAUSED if self.scope is Scope.BATCH else WaitReason.PAUSED


V = TypeVar("V", bound=HoldView)


def hold(
    session: Session, scope: Scope, target_id: int | None, kind: HoldKind, reason: str, now: datetime, actor: str
) -> HoldView:
    """Let something send nothing until it is released; the same hold again, for the same reason, changes nothing.

    Another kind or reason stands beside it. Raises UnknownTargetError, or ConfigError where no reason is given.
    """
    reason = reason.strip()
    if not reason:
        raise ConfigError("say why; the reason stays on record")
    _check_target(session, scope, target_id)
    wanted = scope, target_id, kind, reason
    for view in active_holds(session):
        if (view.scope, view.target_id, view.kind, view.reason) == wanted:
            return view
    session.add(HoldRecord(scope=scope, target_id=target_id, kind=kind, reason=reason, actor=actor, at=now))
    _note(session, scope, target_id, kind, reason, now=now, actor=actor)
    return HoldView(scope, target_id, kind, reason, actor, now)


def release(
    session: Session, scope: Scope, target_id: int | None, now: datetime, actor: str, *, only_own: bool = False
) -> int:
    """Let something go on, whatever held it, or only what this actor has held; give how many holds that ended.

    What holds it from above or below stays: a phone's release frees no SIM that is held itself.
    """
    query = select(HoldRecord).where(
        HoldRecord.released_at.is_(None),
        HoldRecord.scope == scope,
        HoldRecord.target_id.is_not_distinct_from(target_id),
    )
    if only_own:
        query = query.where(HoldRecord.actor == actor)
    ended = session.scalars(query).all()
    for record in ended:
        record.released_at, record.released_by = now, actor
    if ended:
        kinds = ", ".join(dict.fromkeys(record.kind for record in ended))
        _note(session, scope, target_id, "resumed", f"no longer {kinds}", now=now, actor=actor)
    return len(ended)


def active_holds(session: Session) -> list[HoldView]:
    """Everything that holds, oldest first."""
    query = select(HoldRecord).where(HoldRecord.released_at.is_(None)).order_by(HoldRecord.id)
    return [
        HoldView(Scope(r.scope), r.target_id, HoldKind(r.kind), r.reason, r.actor, r.at) for r in session.scalars(query)
    ]


def weightiest(views: Iterable[V]) -> V | None:
    """The hold that matters most: by kind, then the first one given; None where there are none."""
    return max(views, key=lambda view: view.kind.weight, default=None)


class Holds:
    """Everything that holds, in memory. Thread-safe; a question costs no SQL.

    Changes go through `change`, in the writer's thread, where all claims run too. A hold counts from the moment of its
    writing on: no claim that the writer takes after it passes. A release counts when it is durable: a claim never
    rests on a release that the disk may not have.
    """

    def __init__(self, store: Store) -> None:
        """Load what holds. Raises StoreError."""
        self._store = store
        self._lock = threading.Lock()
        with store.reading() as session:
            self._durable = active_holds(session)
        self._last_number = 0
        # What held after each change whose commit is still to be heard of, by the order in which the writer did them.
        self._pending: dict[int, list[HoldView]] = {}
        self._by_target: dict[tuple[Scope, int | None], HoldView] = {}
        self._rebuild()

    def rack(self) -> HoldView | None:
        """What holds the rack."""
        return self._by_target.get((Scope.RACK, None))

    def of_sim(self, phone_id: int, sim_id: int) -> HoldView | None:
        """What holds a SIM: itself, its phone or the rack; the weightiest, and of equals the widest."""
        by_target = self._by_target
        if not by_target:
            return None
        keys = ((Scope.RACK, None), (Scope.PHONE, phone_id), (Scope.SIM, sim_id))
        return weightiest(by_target[key] for key in keys if key in by_target)

    def of_batch(self, batch_id: int | None) -> HoldView | None:
        """What holds a batch itself; None also for no batch."""
        return None if batch_id is None else self._by_target.get((Scope.BATCH, batch_id))

    def change(self, work: Callable[[Session], T]) -> T:
        """Run a work that holds or releases as `Store.write` does, and see what it changed. Raises what that raises."""
        numbers: list[int] = []

        def seen(session: Session) -> T:
            result = work(session)
            numbers.append(self._foresee(active_holds(session)))
            return result

        try:
            result = self._store.write(seen)
        except StoreCommitLostError:
            self._look_again(numbers)
            raise
        except BaseException:
            self._forget(numbers)
            raise
        with self._lock:
            # The last one: a work that had to be done once more has seen twice what will hold.
            if (found := self._pending.get(numbers[-1])) is not None:
                self._settle(numbers[-1], found)
        return result

    def _foresee(self, found: list[HoldView]) -> int:
        """Called in the writer's thread: take what will hold once this is durable; give the change's number."""
        with self._lock:
            self._last_number += 1
            self._pending[self._last_number] = found
            self._rebuild()
            return self._last_number

    def _forget(self, numbers: list[int]) -> None:
        """Nothing of the change stays."""
        with self._lock:
            for number in numbers:
                self._pending.pop(number, None)
            self._rebuild()

    def _look_again(self, numbers: list[int]) -> None:
        """Nobody knows whether the change was written: ask the database; until it answers, what may hold holds."""
        with suppress(StoreError), self._store.reading() as session:
            found = active_holds(session)
            with self._lock:
                for number in numbers:
                    if number in self._pending:
                        self._settle(number, found)

    def _settle(self, number: int, found: list[HoldView]) -> None:
        """This is what holds as of a change. All before it are decided: there is one writer."""
        self._durable = found
        self._pending = {later: views for later, views in self._pending.items() if later > number}
        self._rebuild()

    def _rebuild(self) -> None:
        by_target: dict[tuple[Scope, int | None], list[HoldView]] = {}
        for view in [*self._durable, *(view for views in self._pending.values() for view in views)]:
            by_target.setdefault((view.scope, view.target_id), []).append(view)
        self._by_target = {key: max(views, key=lambda view: view.kind.weight) for key, views in by_target.items()}


def _check_target(session: Session, scope: Scope, target_id: int | None) -> None:
    table = _TABLES.get(scope)
    if table is None and target_id is not None:
        raise UnknownTargetError("there is one rack; name nothing in it")
    if table is not None and (target_id is None or session.get(table, target_id) is None):
        raise UnknownTargetError(f"there is no {scope} {target_id or ''}".rstrip())


def _note(
    session: Session, scope: Scope, target_id: int | None, kind: str, words: str, *, now: datetime, actor: str
) -> None:
    """Phones have a history of their own, which tells this too."""
    if scope is Scope.PHONE:
        note_event(session, session.get_one(PhoneRecord, target_id), kind, words, now=now, actor=actor)
    elif scope is Scope.SIM:
        sim = session.get_one(SimRecord, target_id)
        note_event(session, sim.phone, kind, f"SIM {sim.slot_index + 1}: {words}", now=now, actor=actor)
