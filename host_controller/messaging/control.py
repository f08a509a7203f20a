"""What an operator does to stop the sending and to let it go on: of the rack, a phone, a SIM or a batch."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.errors import ControllerError, UnknownTargetError
from host_controller.events import Bells
from host_controller.fleet.care import PhoneCare
from host_controller.messaging import holds
from host_controller.messaging.freeing import free_batch
from host_controller.messaging.held import list_held
from host_controller.messaging.holds import HoldKind, Holds, HoldView, Scope
from host_controller.store.models import BatchRecord
from host_controller.store.store import Store

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Control:
    """The operator's hand on what may send."""

    def __init__(
        self, store: Store, lanes_see: Holds | None, care: PhoneCare, bells: Bells, clock: Callable[[], datetime]
    ) -> None:
        """`lanes_see` is None where no lanes run."""
        self._store = store
        self._lanes_see = lanes_see
        self._care = care
        self._bells = bells
        self._clock = clock

    def hold(self, scope: Scope, name: str | None, kind: HoldKind, reason: str, actor: str) -> HoldView:
        """Let what is named send nothing until it is released; in force when this returns.

        A phone is named by its serial, a SIM as `PhoneCare.find_sim` does, a batch by its name, the rack by None.
        Raises UnknownPhoneError, UnknownTargetError or ConfigError.
        """
        target_id = self._find(scope, name)
        view = self._change(lambda session: holds.hold(session, scope, target_id, kind, reason, self._clock(), actor))
        urgent = kind is HoldKind.STOPPED
        _log.log(logging.ERROR if urgent else logging.INFO, "%s is %s by %s", _words(scope, target_id), kind, actor)
        return view

    def release(self, scope: Scope, name: str | None, actor: str) -> int:
        """Let what is named go on; give how many holds that ended. Raises as `hold` does."""
        target_id = self._find_held(scope, name)
        count = self._change(lambda session: holds.release(session, scope, target_id, self._clock(), actor))
        if count:
            _log.info("%s is resumed by %s", _words(scope, target_id), actor)
        if scope is Scope.BATCH and target_id is not None:
            try:
                free_batch(self._store, target_id)
            finally:
                self._bells.ring()  # also what was freed before it broke off
        return count

    def _change(self, work: Callable[[Session], T]) -> T:
        try:
            return self._lanes_see.change(work) if self._lanes_see else self._store.write(work)
        finally:
            # Also where it was not written: a lane may have seen it in between, and sleep since.
            self._bells.ring()

    def _find(self, scope: Scope, name: str | None) -> int | None:
        if scope is Scope.RACK:
            if name is not None:
                raise UnknownTargetError("there is one rack; name nothing in it")
            return None
        if not name:
            raise UnknownTargetError(f"name the {scope}")
        if scope is Scope.PHONE:
            return self._care.find_phone(name)
        if scope is Scope.SIM:
            return self._care.find_sim(name)
        with self._store.reading() as session:
            found = session.scalar(select(BatchRecord.id).where(BatchRecord.name == name))
        if found is None:
            raise UnknownTargetError(f"there is no batch {name!r}")
        return found

    def _find_held(self, scope: Scope, name: str | None) -> int | None:
        """Also what has left the rack meanwhile can be released, by the name that it is listed with."""
        try:
            return self._find(scope, name)
        except ControllerError:
            with self._store.reading() as session:
                for held in list_held(session):
                    if held.scope is scope and name is not None and held.target == name:
                        return held.target_id
            raise


def _words(scope: Scope, target_id: int | None) -> str:
    return "the rack" if target_id is None else f"{scope} {target_id}"
