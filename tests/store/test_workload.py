"""How many parts wait for whom, and which SIMs are behind, on both kinds of database."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from host_controller.events import Bells
from host_controller.messaging.board import Board
from host_controller.messaging.queue import Queue
from host_controller.messaging.submit import Draft, submit
from host_controller.messaging.workload import Work, Workload, count_work, find_behind
from host_controller.rules.choice import SimView
from host_controller.rules.limits import GuardLimit, SimLimits
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.settings import MessageSettings
from host_controller.store.store import Store
from tests.phone_rows import phone_row

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LIMITS = SimLimits(20, None, GuardLimit(10_000, 60), ZoneInfo("Europe/Prague"))
SIMS = [SimView(1, 1, LIMITS), SimView(2, 1, replace(LIMITS, parts_per_minute=60)), SimView(3, 2, LIMITS)]


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, fresh_database):
    with closing(Store(fresh_database(request.param))) as opened:
        opened.write(_add_phones)
        yield opened


def _add_phones(session):
    for number, sims in ((1, 2), (2, 1)):
        session.add(phone_row(NOON, number, range(sims)))


def offer(store, count, text="Ahoj", **bound):
    drafts = [Draft(f"+420777{n:06d}", text, **bound) for n in range(count)]
    submit(store, MessageSettings(), drafts, now=NOON, actor="test")


def test_parts_are_counted_by_whom_they_are_for(store):
    assert store.write(count_work) == Work(0, {}, {})
    offer(store, 3)
    offer(store, 2, "x" * 200)
    offer(store, 4, only_sim_id=2)
    offer(store, 5, only_phone_id=1)
    # Bound to a SIM and its phone: it is the SIM's.
    offer(store, 1, only_phone_id=2, only_sim_id=3)
    offer(store, 6, not_before=NOON + timedelta(hours=1))
    assert store.write(count_work) == Work(7, {2: 4, 3: 1}, {1: 5})


def test_what_is_for_a_phone_is_shared_by_the_pace_of_its_sims():
    # 80 parts for phone 1 are 1 minute of either of its SIMs; the other phone does 20 free ones meanwhile.
    assert find_behind(SIMS, Work(20, {}, {1: 80})) == {1, 2}
    assert find_behind(SIMS, Work(21, {}, {1: 80})) == frozenset()
    assert find_behind(SIMS, Work(0, {}, {})) == frozenset()


def test_only_sims_at_work_do_the_rest(store):
    queue, board = Queue(Bells()), Board(NOON)
    workload = Workload(store, queue, board, lambda: NOON, lambda: 0.0)
    offer(store, 5)
    offer(store, 100, only_sim_id=1)
    board.post(SIMS[:1], None)
    board.post(SIMS[2:], Wait(NOON + timedelta(hours=9), WaitReason.QUOTA))
    workload.count()
    assert not workload.is_behind([1])  # nobody else is there for the rest
    board.post(SIMS[2:], Wait(NOON + timedelta(seconds=3), WaitReason.PACE))
    workload.count()
    assert workload.is_behind([1, 2])
    assert not workload.is_behind([3])
