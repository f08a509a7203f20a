"""The clock: runs, never overlaps, survives failures, tells what it did."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from host_controller.errors import ConfigError
from host_controller.scheduler import Clock


@pytest.fixture
def clock():
    made = Clock()
    yield made
    made.stop()


def test_a_job_runs_at_once_and_again(clock, eventually):
    runs = []
    clock.every(0.02, "tick", lambda: runs.append(1))
    clock.start()
    eventually(lambda: len(runs) >= 3)
    (view,) = clock.jobs()
    assert (view.name, view.interval_s, view.last_error) == ("tick", 0.02, None)
    assert view.duration_s < 1
    assert view.next_run_at is not None
    assert view.last_run_at is not None


def test_a_slow_job_never_runs_twice_at_once(clock, eventually):
    inside, most, runs = [], [0], []

    def slow():
        inside.append(1)
        most[0] = max(most[0], len(inside))
        threading.Event().wait(0.05)
        inside.pop()
        runs.append(1)

    clock.every(0.01, "slow", slow)
    clock.start()
    eventually(lambda: len(runs) >= 4)
    assert most[0] == 1


def test_a_failure_is_shown_until_the_next_good_run(clock, eventually):
    fail = threading.Event()
    fail.set()

    def work():
        if fail.is_set():
            raise ValueError("no luck")

    clock.every(0.02, "shaky", work)
    clock.start()
    eventually(lambda: clock.jobs()[0].last_error == "ValueError: no luck")
    fail.clear()
    eventually(lambda: clock.jobs()[0].last_error is None)


def test_jobs_do_not_wait_for_each_other(clock, eventually):
    block, runs = threading.Event(), []
    clock.every(1, "stuck", lambda: block.wait(10))
    clock.every(0.02, "tick", lambda: runs.append(1))
    clock.start()
    eventually(lambda: len(runs) >= 3)
    block.set()


def test_after_a_jump_of_the_hosts_clock_jobs_do_not_wait_for_the_old_time(eventually, monkeypatch):
    monkeypatch.setattr("host_controller.scheduler._GUARD_PERIOD_S", 0.02)
    offset, runs = [timedelta()], []
    clock = Clock(lambda: datetime.now(UTC) + offset[0])
    clock.every(3600, "hourly", lambda: runs.append(1))
    clock.start()
    eventually(lambda: len(runs) == 1)
    offset[0] = timedelta(hours=-1)
    eventually(lambda: len(runs) == 2)
    offset[0] = timedelta(days=3)
    eventually(lambda: len(runs) == 3)
    clock.stop()


def test_a_clock_that_is_set_56_years_ahead_makes_up_for_one_run_only(clock, eventually):
    runs = []
    clock.every(0.02, "tick", lambda: runs.append(1))
    clock.start()
    eventually(lambda: runs)
    job = clock._scheduler.get_job("tick")
    job.modify(next_run_time=datetime(1970, 1, 2, tzinfo=UTC))
    before = len(runs)
    eventually(lambda: len(runs) > before + 2)
    assert clock.jobs()[0].next_run_at > datetime.now(UTC) - timedelta(seconds=1)


@pytest.mark.parametrize(("error", "is_traced"), [(ValueError("no luck"), True), (ConfigError("set it"), False)])
def test_a_refusal_in_words_is_logged_without_a_traceback(clock, eventually, caplog, error, is_traced):
    def work():
        raise error

    clock.every(0.02, "shaky", work)
    clock.start()
    eventually(lambda: caplog.records)
    assert caplog.records[0].getMessage().startswith("job shaky failed; it goes on")
    assert bool(caplog.records[0].exc_info) is is_traced


def test_what_is_logged_already_is_not_logged_again(clock, eventually, caplog):
    def work():
        error = ConfigError("set it")
        error.is_logged = True
        raise error

    clock.every(0.02, "shaky", work)
    clock.start()
    eventually(lambda: clock.jobs()[0].last_error == "ConfigError: set it")
    assert not caplog.records
