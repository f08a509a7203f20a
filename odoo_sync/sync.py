"""Rounds with one Odoo, as the clock runs them. Odoo may be away for days: sending never waits for it.

Each thing that is kept in step has a row of its own (see docs/odoo.md). Where Odoo does not answer, the round ends and
the whole connection is left alone for a while; where it refuses one thing, only that is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from host_controller.store.odoo_objects import note_failure, note_success
from host_controller.store.store import Store
from odoo_sync.alarms import Alarms
from odoo_sync.errors import (
    OdooElsewhereError,
    OdooLoginError,
    OdooRejectedError,
    OdooSyncError,
    OdooUnavailableError,
)
from odoo_sync.pause import Pause

_log = logging.getLogger(__name__)
# A row that says the same as before is written that often at most: it costs a wait for the disk.
_NOTE_EVERY = timedelta(seconds=60)


@dataclass(frozen=True)
class Step:
    """One thing that is kept in step."""

    object: str
    """The name of its row."""
    run: Callable[[], int]
    """Does all that is to do; gives how much that was. Raises OdooSyncError."""
    version: Callable[[], Hashable] = lambda: None
    """Of what a person mends it by: once that is another one than at a refusal, the step's pause ends."""


class OdooSync:
    """Keeps one Odoo database in step."""

    def __init__(
        self,
        name: str,
        steps: Sequence[Step],
        store: Store,
        clock: Callable[[], datetime],
        make_pause: Callable[[], Pause],
        alarms: Alarms | None = None,
    ) -> None:
        """`name` is the connection's; the steps run in this order. Several of the same connection share `alarms`."""
        self._name = name
        self._steps = steps
        self._store = store
        self._clock = clock
        self._line = make_pause()
        self._pauses = {step.object: make_pause() for step in steps}
        self._refused_at: dict[str, Hashable] = {}
        """The version of each step that was refused."""
        self._noted_at: dict[str, datetime] = {}
        self._alarms = alarms or Alarms()
        self._elsewhere: set[str] = set()
        """What another smsrack does for this Odoo meanwhile."""

    def run(self) -> None:
        """Do one round, or nothing while a pause is on. Raises OdooSyncError; a later round makes up for it."""
        if self._line.is_on(self._clock()):
            return
        refused: OdooSyncError | None = None
        outages = self._alarms.outages
        for number, step in enumerate(self._steps):
            version = step.version()
            if self._pauses[step.object].is_on(self._clock()) and self._refused_at[step.object] == version:
                continue
            try:
                count = step.run()
            except OdooUnavailableError as error:
                self._note_away(self._steps[number:], error, outages)
                raise
            except OdooElsewhereError as error:
                self._note_elsewhere(step, error)
                refused = error
                continue
            except OdooRejectedError as error:
                self._refused_at[step.object] = version
                self._note_refused(step, error)
                refused = error
                continue
            except Exception as error:
                _log.exception("Odoo %s: %s stumbled", self._name, step.object)
                self._refused_at[step.object] = version
                refused = OdooRejectedError(
                    f"it stumbled over something unexpected ({type(error).__name__}): see the log"
                )
                self._note_refused(step, refused)
                continue
            self._note_success(step, count)
        if self._line.has_failed and self._alarms.note_answer(self):
            _log.info("Odoo %s answers again", self._name)
        self._line.note_success()
        if refused is not None:
            raise refused

    def _note_away(self, left: Sequence[Step], error: OdooSyncError, outages: int) -> None:
        if self._alarms.note_away(self, outages):
            words = "Odoo %s: %s; sending goes on, results are kept for later, and it is asked again until it answers"
            _log.warning(words, self._name, error)
        self._note_failures([step.object for step in left], error, self._line.note_failure(self._clock()))

    def _note_elsewhere(self, step: Step, error: OdooSyncError) -> None:
        """There is no pause: whether the other one is still alive is looked at in every round."""
        if step.object not in self._elsewhere:
            _log.warning("Odoo %s: %s: %s", self._name, step.object, error)
        self._elsewhere.add(step.object)
        self._note_failures([step.object], error, None)

    def _note_refused(self, step: Step, error: OdooSyncError) -> None:
        pause = self._pauses[step.object]
        is_login = isinstance(error, OdooLoginError)
        # A login that does not hold stops more than one thing, but is one thing to mend.
        is_news = self._alarms.note_login(step.object, holds=not is_login) or not is_login
        if not pause.has_failed and is_news:
            _log.error("Odoo %s: %s wait for a person: %s", self._name, step.object, error)
        self._note_failures([step.object], error, pause.note_failure(self._clock()))

    def _note_failures(self, objects: Sequence[str], error: OdooSyncError, next_at: datetime | None) -> None:
        now = self._clock()
        error.is_logged = True
        for name in objects:
            self._noted_at.pop(name, None)

        def work(session: Session) -> None:
            for name in objects:
                note_failure(session, self._name, name, now=now, error=str(error), next_at=next_at)

        self._store.write(work)

    def _note_success(self, step: Step, count: int) -> None:
        now, pause = self._clock(), self._pauses[step.object]
        if pause.has_failed or step.object in self._elsewhere:
            _log.info("Odoo %s: %s go on", self._name, step.object)
        pause.note_success()
        self._elsewhere.discard(step.object)
        self._alarms.note_login(step.object, holds=True)
        if count:
            _log.info("Odoo %s: %s %s", self._name, count, step.object)
        noted_at = self._noted_at.get(step.object)
        if count or noted_at is None or not timedelta(0) <= now - noted_at < _NOTE_EVERY:
            self._store.write(lambda session: note_success(session, self._name, step.object, now=now))
            self._noted_at[step.object] = now
