"""Every statement that is asked again and again goes by an index, however long the queue is: SQLite's own plans."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from host_controller.events import Bells
from host_controller.messaging.expiry import Expiry
from host_controller.messaging.queue import Queue, look_anew, move_due
from host_controller.messaging.workload import count_work
from host_controller.rules.classes import MessageClass
from host_controller.rules.states import MessageState
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.store.models import MessageRecord
from host_controller.store.store import Store
from tests.phone_rows import phone_row

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
# How a statement may get at messages; the index of all that is queued only to go on behind an id.
GOOD = (
    "USING INTEGER PRIMARY KEY (rowid=?)",
    "INDEX ix_message_ready_free",
    "INDEX ix_message_ready_of_sim",
    "INDEX ix_message_ready_of_phone",
    "INDEX ix_message_waiting",
    "INDEX ix_message_expiring (expires_at>? AND expires_at<?)",
    "INDEX ix_message_state_id (state=? AND id>?)",
    "INDEX ix_message_state_id (state=? AND id=? AND rowid=?)",
)


@pytest.fixture
def store(tmp_path):
    with closing(Store(tmp_path / "smsrack.db")) as opened:
        opened.write(fill)
        yield opened


def fill(session):
    """What a long queue has: every class, every bond, every wait."""
    session.add(phone_row(NOW))
    session.flush()
    waits = [(None, None)] * 5 + [(WaitReason.NOT_BEFORE, NOW + MINUTE), (WaitReason.QUIET_HOURS, None)]
    states = [MessageState.QUEUED] * 4 + [MessageState.SENT]
    for n in range(2000):
        reason, until = waits[n % len(waits)]
        session.add(
            MessageRecord(
                uid=n,
                msisdn=f"+420777{n:06d}",
                text=f"Zpráva {n}",
                part_count=1,
                state=states[n % len(states)],
                message_class=list(MessageClass)[n % 3],
                only_sim_id=1 if n % 11 == 0 else None,
                only_phone_id=1 if n % 13 == 0 else None,
                not_before=until,
                waiting_for=reason,
                expires_at=NOW + timedelta(hours=1 + n % 3),
                created_at=NOW,
                changed_at=NOW,
            )
        )


@pytest.fixture
def plans(store):
    """Give a function that tells how SQLite does each statement about messages that a call runs."""

    def of(call) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}

        def look(connection, _cursor, statement, parameters, _context, is_many):
            if re.search(r"\bmessage\b", statement) and not statement.startswith("INSERT"):
                cursor = connection.connection.cursor()
                values = parameters[0] if is_many else parameters
                rows = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
                found[statement] = [row[3] for row in rows]

        event.listen(store._engine, "before_cursor_execute", look)
        call()
        event.remove(store._engine, "before_cursor_execute", look)
        return found

    return of


def check(found: dict[str, list[str]]) -> None:
    for statement, lines in found.items():
        plan = "\n".join(lines)
        assert "TEMP B-TREE" not in plan, f"{statement}\n{plan}"
        if "max(message.id)" in statement:
            assert lines == ["SEARCH message"]  # the end of the table
            continue
        for line in lines:
            if re.search(r"\bmessage\b", line):
                assert any(good in line for good in GOOD), f"{statement}\n{plan}"


def test_the_queue(store, plans):
    queue = Queue(bells := Bells(), window=100)

    def read(now=NOW, most=150):
        def work(session):
            found = [one for one, _ in zip(queue.messages(session, 1, (1,), now), range(most), strict=False)]
            queue.park(session, dict.fromkeys(found[:3], Wait(NOW + 2 * MINUTE, WaitReason.PREFIX_CAP)))
            queue.park(session, dict.fromkeys(found[3:6], Wait(None, WaitReason.BATCH_PAUSED)))

        return lambda: store.write(work)

    found = plans(read())
    bells.ring_in(1)
    found |= plans(read())
    bells.ring()
    found |= plans(read(NOW + MINUTE, 2000))
    found |= plans(lambda: move_due(store, queue, lambda: NOW + 3 * MINUTE))
    found |= plans(lambda: look_anew(store))
    assert len(found) >= 11
    check(found)


def test_the_expiry(store, plans):
    found = plans(Expiry(store, lambda: NOW).run)
    assert len(found) == 1
    check(found)


def test_the_count_of_the_work(store, plans):
    found = plans(lambda: store.write(count_work))
    assert len(found) == 3
    check(found)
    assert ["ready_" in "".join(lines) for lines in found.values()] == [True] * 3
