"""The clock of all periodic work: apscheduler, with misfire and overlap set on purpose.

It never carries single messages: a lane has its own thread and its own wake-ups.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from host_controller.errors import ControllerError

_log = logging.getLogger(__name__)
_GUARD_PERIOD_S = 2.0
# Far more than a busy host can make of a guard's period, far less than anybody should wait for a STOP.
_JUMP_S = 5.0


@dataclass(frozen=True)
class JobView:
    """A periodic job at one moment."""

    name: str
    interval_s: float
    last_run_at: datetime | None = None
    duration_s: float | None = None
    next_run_at: datetime | None = None
    last_error: str | None = None
    """Of the last run; None where that went well."""


class _Every(BaseTrigger):  # type: ignore[misc]
    """At intervals, from now on.

    apscheduler's own counts every run that was missed, one by one: a host that starts in 1970, for want of a battery,
    and then learns the time would count for minutes and fill its memory.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval = timedelta(seconds=interval_s)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """See BaseTrigger."""
        following = (previous_fire_time or now) + self._interval
        return following if following > now else now + self._interval


class Clock:
    """Runs jobs at intervals, each in a worker thread, never twice at once. Thread-safe.

    apscheduler goes by the host's clock: set back by an hour, it would let every job wait that hour. A guard goes by
    the monotonic clock and starts the jobs anew after a jump.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`now` is the host's clock."""
        self._now = now
        self._guard = threading.Thread(target=self._watch_for_jumps, name="clock guard", daemon=True)
        self._stopping = threading.Event()
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            job_defaults={
                # Late is better than never: apscheduler's own grace of one second would drop a run on a busy host.
                "misfire_grace_time": None,
                # After a pause of the host, one run makes up for all.
                "coalesce": True,
                # A run that is slower than its interval delays the next one.
                "max_instances": 1,
            },
        )
        # Its warnings about skipped overlaps are what `max_instances` is for.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._views: dict[str, JobView] = {}
        self._lock = threading.Lock()

    def every(self, interval_s: float, name: str, work: Callable[[], object]) -> None:
        """Run `work` now and then at every interval, for as long as the clock runs."""
        self._views[name] = JobView(name, interval_s)
        self._scheduler.add_job(
            self._run,
            _Every(interval_s),
            (name, work),
            id=name,
            next_run_time=datetime.now(UTC),
        )

    def run_soon(self, name: str) -> None:
        """Run a job now instead of at its next interval; harmless before the start and after the stop."""
        job = self._scheduler.get_job(name) if self._scheduler.running else None
        if job is not None:
            with contextlib.suppress(JobLookupError):
                job.modify(next_run_time=datetime.now(UTC))

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()
        self._guard.start()

    def stop(self) -> None:
        """Begin nothing new and wait for what runs."""
        self._stopping.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def jobs(self) -> list[JobView]:
        """Every job, by name."""
        with self._lock:
            views = sorted(self._views.values(), key=lambda view: view.name)
        return [replace(view, next_run_at=self._next_run_at(view.name)) for view in views]

    def _watch_for_jumps(self) -> None:
        wall, steady_s = self._now(), time.monotonic()
        while not self._stopping.wait(_GUARD_PERIOD_S):
            passed_s, wall_passed_s = time.monotonic() - steady_s, (self._now() - wall).total_seconds()
            wall, steady_s = self._now(), time.monotonic()
            if abs(wall_passed_s - passed_s) > _JUMP_S:
                _log.warning("the host's clock jumped by %.0f s; periodic jobs start anew", wall_passed_s - passed_s)
                for job in self._scheduler.get_jobs():
                    job.modify(next_run_time=datetime.now(UTC))

    def _next_run_at(self, name: str) -> datetime | None:
        job = self._scheduler.get_job(name)
        at: datetime | None = getattr(job, "next_run_time", None)
        return at.astimezone(UTC) if at else None

    def _run(self, name: str, work: Callable[[], object]) -> None:
        started_at, started_s = datetime.now(UTC), time.monotonic()
        error: str | None = None
        try:
            work()
        except ControllerError as caught:
            error = f"{type(caught).__name__}: {caught}"
            # It says in words what is refused: where it was raised says nothing to a person.
            if self._views[name].last_error is None and not caught.is_logged:
                _log.error("job %s failed; it goes on: %s", name, caught)
        except Exception as caught:
            error = f"{type(caught).__name__}: {caught}"
            if self._views[name].last_error is None:
                _log.exception("job %s failed; it goes on", name)
        duration_s = time.monotonic() - started_s
        with self._lock:
            view = self._views[name]
            self._views[name] = replace(view, last_run_at=started_at, duration_s=duration_s, last_error=error)
