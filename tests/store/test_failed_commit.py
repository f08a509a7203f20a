"""A commit that fails, or of which nobody knows: what lanes remember of the queue is what the database has."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from device_drivers import failpoints
from host_controller.errors import StoreCommitLostError
from host_controller.events import Bells
from host_controller.messaging import attempts
from host_controller.messaging.attempts import Sender
from host_controller.messaging.queue import Queue
from host_controller.messaging.submit import Accepted, Draft, submit
from host_controller.rules.states import MessageState
from host_controller.settings import MessageSettings
from host_controller.store.models import MessageRecord, OptOutRecord
from host_controller.store.store import Store
from tests.phone_rows import phone_row

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SENDER = Sender(1, "host", 1, None, 0, 0)
ANNA, BOB, CYRIL = "+420777000001", "+420777000002", "+420777000003"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, fresh_database):
    with closing(Store(fresh_database(request.param))) as opened:
        opened.write(_add_phone)
        yield opened


def _add_phone(session):
    session.add(phone_row(NOW))


@pytest.fixture
def bells():
    return Bells()


@pytest.fixture
def queue(store, bells):
    made = Queue(bells)
    store.on_rollback(made.forget)
    return made


@pytest.fixture
def send(store, bells):
    def call(number: str) -> None:
        (outcome,) = submit(store, MessageSettings(), [Draft(number, f"Pro {number}")], now=NOW, actor="test")
        assert isinstance(outcome, Accepted)
        bells.ring_in(1)

    return call


@pytest.fixture
def take(store, queue):
    """Give a function that lets a lane take the next message; it gives the number and text that a phone would get."""

    def work(session):
        for message in queue.messages(session, 1, (1,), NOW):
            claim = attempts.claim(session, message, 1, SENDER, now=NOW, actor="test")
            queue.drop(message)
            if claim is not None:
                return claim.message.msisdn, claim.message.text
        return None

    return lambda: store.write(work)


@contextmanager
def refused_by_database(store, monkeypatch):
    def failing(_):
        raise store._engine.dialect.loaded_dbapi.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(store._engine.dialect, "do_commit", failing)
        yield


@contextmanager
def broken_off_before(_store, _monkeypatch):
    def broken(name):
        if name == "store.before":
            raise RuntimeError(name)

    failpoints.watch(broken)
    try:
        yield
    finally:
        failpoints.watch(None)


failures = pytest.mark.parametrize("fails", [refused_by_database, broken_off_before])


@failures
def test_what_was_taken_is_taken_by_the_next_look(store, queue, send, take, monkeypatch, fails):
    send(ANNA)
    with fails(store, monkeypatch), pytest.raises(Exception):  # noqa: B017, PT011 - of each kind another
        take()
    assert not queue.is_empty(1, (1,), NOW)
    assert take() == (ANNA, f"Pro {ANNA}")
    assert take() is None


@failures
def test_what_was_refused_never_goes(store, queue, send, take, monkeypatch, bells, fails):
    """It shared its commit with a lane, which has seen it; and another message gets its id."""
    send(ANNA)
    begun, go_on, heard = threading.Event(), threading.Event(), []

    def block(_session):
        begun.set()
        go_on.wait(30)

    def act(work):
        with suppress(Exception):
            heard.append(work())

    def wait_in_line(work):
        thread = threading.Thread(target=act, args=(work,))
        waiting = store._writer._waiting.qsize()
        thread.start()
        while store._writer._waiting.qsize() == waiting and thread.is_alive():
            pass
        return thread

    threads = [threading.Thread(target=act, args=(lambda: store.write(block),))]
    threads[0].start()
    begun.wait(30)
    threads += [wait_in_line(lambda: send(BOB)), wait_in_line(take)]
    bells.ring_in(1)
    with fails(store, monkeypatch):
        go_on.set()
        for thread in threads:
            thread.join(30)
    assert heard == []
    send(CYRIL)
    assert [take(), take(), take()] == [(ANNA, f"Pro {ANNA}"), (CYRIL, f"Pro {CYRIL}"), None]
    with store.reading() as session:
        assert sorted(session.scalars(select(MessageRecord.msisdn))) == [ANNA, CYRIL]


def test_after_a_commit_that_may_have_been_lost_the_database_is_asked(store, queue, send, take, monkeypatch):
    if store._engine.dialect.name == "sqlite":
        pytest.skip("a file has no connection that breaks")
    send(ANNA)
    send(BOB)
    real = store._engine.dialect.do_commit

    def broken(connection):
        real(connection)
        connection.driver_connection.close()
        raise store._engine.dialect.loaded_dbapi.OperationalError("the connection is lost")

    with monkeypatch.context() as patched:
        patched.setattr(store._engine.dialect, "do_commit", broken)
        with pytest.raises(StoreCommitLostError):
            take()
    assert queue._seen is None
    assert [take(), take()] == [(BOB, f"Pro {BOB}"), None]


def test_an_id_that_belongs_to_another_message_meanwhile_takes_nothing(store, queue, send):
    send(ANNA)

    def work(session):
        (message,) = queue.messages(session, 1, (1,), NOW)
        other = replace(message, uid=message.uid + 1)
        gone = replace(message, message_id=message.message_id + 1)
        return [attempts.claim(session, one, 1, SENDER, now=NOW, actor="test") for one in (other, gone)]

    assert store.write(work) == [None, None]
    store.write(
        lambda session: session.add(OptOutRecord(msisdn=ANNA, source="test", actor="test", created_at=NOW)),
    )
    assert store.write(work) == [None, None]
    with store.reading() as session:
        assert session.scalars(select(MessageRecord.state)).all() == [MessageState.QUEUED]
