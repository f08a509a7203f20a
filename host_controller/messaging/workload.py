"""How much work waits for whom: a SIM with much of its own leaves to others what they can take as well.

Counted now and then, outside of the writer: a plan that is some messages old still lets all finish together. Where
nothing is bound to a SIM or a phone nothing is counted, since whoever is free takes the next message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from host_controller.messaging.board import Board
from host_controller.messaging.queue import Queue
from host_controller.messaging.queue_sql import by_index
from host_controller.rules.choice import SimView, is_behind
from host_controller.rules.ledger import ONE_HOUR
from host_controller.store.models import READY_FREE, READY_OF_PHONE, READY_OF_SIM, MessageRecord
from host_controller.store.store import Store

# A count of a long queue reads all of it: so many times as long nothing is counted again.
_REST = 50


@dataclass(frozen=True)
class Work:
    """Parts that are ready to go."""

    free: int
    """For any SIM."""
    of_sims: Mapping[int, int]
    of_phones: Mapping[int, int]
    """For any SIM of one phone."""


class Workload:
    """Which SIMs have more to do alone than all others together with the rest. Thread-safe."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        board: Board,
        clock: Callable[[], datetime],
        elapsed_s: Callable[[], float],
    ) -> None:
        self._store = store
        self._queue = queue
        self._board = board
        self._clock = clock
        self._elapsed_s = elapsed_s
        self._behind: frozenset[int] = frozenset()
        self._rests_until_s = 0.0

    def is_behind(self, sim_ids: Iterable[int]) -> bool:
        """Say whether one of these should do its own work before what others can take as well."""
        return not self._behind.isdisjoint(sim_ids)

    def count(self) -> None:
        """Look at what waits now. For a periodic job."""
        began_s = self._elapsed_s()
        if began_s < self._rests_until_s:
            return
        if not self._queue.has_bound:
            self._behind = frozenset()
            return
        with self._store.reading() as session:
            work = count_work(session)
        self._behind = find_behind(self._at_work(), work)
        ended_s = self._elapsed_s()
        self._rests_until_s = ended_s + _REST * (ended_s - began_s)

    def _at_work(self) -> list[SimView]:
        """The SIMs that send, or will within the hour."""
        soon = self._clock() + ONE_HOUR
        return [
            standing.sim
            for standing in self._board.at_work().values()
            if standing.sim is not None
            and (standing.wait is None or (standing.wait.until is not None and standing.wait.until <= soon))
        ]


def count_work(session: Session) -> Work:
    """Count what is ready. Reads each ready message, by the queue's own indexes."""
    parts = func.sum(MessageRecord.part_count)
    sim_id, phone_id = MessageRecord.only_sim_id, MessageRecord.only_phone_id
    of_sims = session.execute(by_index(select(sim_id, parts), "ready_of_sim").where(READY_OF_SIM).group_by(sim_id))
    for_phones = by_index(select(phone_id, parts), "ready_of_phone").where(READY_OF_PHONE, sim_id.is_(None))
    of_phones = session.execute(for_phones.group_by(phone_id))
    free = session.scalar(by_index(select(parts), "ready_free").where(READY_FREE))
    # PostgreSQL's sums are Decimals.
    return Work(
        int(free or 0),
        {target: int(count) for target, count in of_sims if target is not None},
        {target: int(count) for target, count in of_phones if target is not None},
    )


def find_behind(sims: Collection[SimView], work: Work) -> frozenset[int]:
    """Give the SIMs that are behind; what any SIM of a phone can take, its SIMs share by their pace."""
    paces: Counter[int] = Counter()
    for sim in sims:
        paces[sim.phone_id] += sim.limits.parts_per_minute

    def own(sim: SimView) -> float:
        share = sim.limits.parts_per_minute / paces[sim.phone_id]
        return work.of_sims.get(sim.sim_id, 0) + work.of_phones.get(sim.phone_id, 0) * share

    loaded = [replace(sim, bound_parts=own(sim)) for sim in sims]
    return frozenset(sim.sim_id for sim in loaded if is_behind(sim, loaded, work.free))
