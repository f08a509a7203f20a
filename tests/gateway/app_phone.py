"""A phone with the SMS Gateway app, version 1.7.1, as a script: its timers, memory and database, and its crashes.

The phone (radio, SQLite, inbox, waiting jobs) outlives the app's process; what the process knows is gone when it
crashes. One thread runs all of it, by a list of what is due; only the three reporters of one message come at once.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from host_controller.text.parts import count_parts
from tests.gateway.app_process import App, CrashError, Json, StatusRow

Post = Callable[[str, Json], Json | None]
"""Gives the answer of a route; None where there was none, or one that is not 2xx."""

WORKER_BACKOFF_S, LONGEST_BACKOFF_S = 10.0, 18_000.0
_REASONS = ("GENERIC_FAILURE", "NO_SERVICE", "RADIO_OFF")


@dataclass(frozen=True)
class Troubles:
    """How often something goes wrong: chances, each of one step."""

    crash: float = 0.0
    lost_answer: float = 0.0
    lost_request: float = 0.0
    radio_error: float = 0.0
    radio_silence: float = 0.0
    """No result comes, though the message may have left."""


CALM = Troubles()


@dataclass(frozen=True)
class Flown:
    """A message that has left the phone."""

    message_id: int
    number: str = field(repr=False)
    text: str = field(repr=False)
    parts: int


class AppPhone:
    """The phone. `air` and `in_doubt` are for the test alone: no app knows them."""

    def __init__(self, post: Post, number: str, chance: random.Random, *, scale: float) -> None:
        self._real_post, self.number, self.chance, self.scale = post, number, chance, scale
        self.troubles = CALM
        self.rows: dict[int, StatusRow] = {}
        self.inbox: list[tuple[float, str, str]] = []
        self.checked_until_s = 0.0
        self.air: list[Flown] = []
        self.in_doubt: set[int] = set()
        """Messages that the app cannot tell anything of: their hand-over, or what it knew of them, was lost."""
        self.happened: Counter[str] = Counter()
        self.counters: Json = {}
        self._jobs, self._due, self._order = 0, [], itertools.count()
        self._lock, self._changed = threading.Lock(), threading.Condition()
        self._pool = ThreadPoolExecutor(3)
        self.app: App | None = None

    # Time
    def after(self, pause_s: float, work: Callable[[], None], owner: object = None) -> None:
        """Do something later; what a process wanted to do dies with it."""
        with self._changed:
            entry = (time.monotonic() + pause_s * self.scale, next(self._order), work, owner)
            heapq.heappush(self._due, entry)
            self._changed.notify()

    @contextmanager
    def running(self) -> Iterator[AppPhone]:
        """Run the phone for as long as the block lasts."""
        ended = threading.Event()
        thread = threading.Thread(target=self._run, args=(ended,), name="app phone", daemon=True)
        self.start_app()
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            with self._changed:
                self._changed.notify()
            thread.join(60)
            self._pool.shutdown()
            assert not thread.is_alive()

    def _run(self, ended: threading.Event) -> None:
        while not ended.is_set():
            with self._changed:
                wait_s = self._due[0][0] - time.monotonic() if self._due else 1.0
                if wait_s > 0:
                    self._changed.wait(min(wait_s, 1.0))
                    continue
                _, _, work, owner = heapq.heappop(self._due)
            if owner in (None, self.app):
                try:
                    work()
                except CrashError:
                    self.crash()

    # Trouble
    def happens(self, kind: str) -> bool:
        """Draw whether a trouble happens now."""
        with self._lock:
            found = self.chance.random() < getattr(self.troubles, kind)
            self.happened[kind] += found
        return found

    def breathe(self) -> None:
        """A point at which the process may die."""
        if self.happens("crash"):
            raise CrashError

    def crash(self) -> None:
        """Let the process die, and Android start it again a little later."""
        if self.app is not None:
            self.happened["died"] += 1
            self.in_doubt |= self.app.unfinished()
            self.app = None
            self.after(self.chance.uniform(0.5, 5), self.start_app)

    def start_app(self) -> None:
        self.app = App(self)
        self.app.start()

    def post(self, route: str, body: Json) -> Json | None:
        """Call the gateway over a network that loses things."""
        if self.happens("lost_request"):
            return None
        answer = self._real_post(route, body)
        if answer is not None and self.happens("lost_answer"):
            self.in_doubt |= {sms["id"] for sms in answer.get("sms_list", ())}
            return None
        return answer

    # Radio
    def submit(self, sms: Json, done: Callable[[str | None], None], owner: App) -> None:
        """Hand a message to Android: it goes even if the app has died. `done` gets None, or why it did not leave."""
        parts = count_parts(sms["message"])
        error = self.chance.choice(_REASONS) if self.happens("radio_error") else None
        is_silent = error is None and self.happens("radio_silence")
        if is_silent:
            self.in_doubt.add(sms["id"])
        leaves = error is None and not (is_silent and self.chance.random() < 0.5)

        def result() -> None:
            if leaves:
                self.air.append(Flown(sms["id"], sms["phone_number"], sms["message"], parts))
            if not is_silent:
                self.after(0, lambda: done(error), owner)

        self.after(self.chance.uniform(0.3, 3), result)

    # Inbound
    def receive(self, sender: str, text: str) -> None:
        """A message comes in: a lasting job, the service and the screen all report it, at the same moment."""
        self.inbox.append((time.monotonic(), sender, text))
        body = {"from_number": sender, "message": text, "to_number": ""}
        self._jobs += 1
        self.after(0, lambda: self._report_inbound(body))

    def _report_inbound(self, body: Json) -> None:
        reporters = 1 if self.app is None else 3
        done = [self._pool.submit(self.post, "inbound", body) for _ in range(reporters)]
        worker, *_ = [one.result() for one in done]
        self._end_job(worker, body, WORKER_BACKOFF_S)

    def _end_job(self, answer: Json | None, body: Json, backoff_s: float) -> None:
        if answer is not None:
            self._jobs -= 1
            return
        following_s = min(backoff_s * 2, LONGEST_BACKOFF_S)
        self.after(backoff_s, lambda: self._end_job(self.post("inbound", body), body, following_s))

    def is_at_rest(self) -> bool:
        """Whether the app has told all that it knows."""
        app = self.app
        waits = app is None or app.unfinished() or any(not row.synced for row in self.rows.copy().values())
        return not waits and not self._jobs
