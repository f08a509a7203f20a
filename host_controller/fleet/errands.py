"""Errands: what a person asks of one phone. They run in the phone's own lane, between its other work."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any, TypeVar

from device_drivers.base import PhoneDriver
from host_controller.errors import PhoneBusyError

T = TypeVar("T")


class Errands:
    """The errands of one phone. Thread-safe."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[Callable[[PhoneDriver], Any], Future[Any]]] = queue.SimpleQueue()

    def ask(self, work: Callable[[PhoneDriver], T], wake: Callable[[], None], limit_s: float) -> T:
        """Have the lane do this, and wait for it. Raises what `work` raises, and PhoneBusyError after the limit."""
        done: Future[T] = Future()
        self._waiting.put((work, done))
        wake()
        try:
            return done.result(limit_s)
        except TimeoutError as error:
            if done.cancel():
                raise PhoneBusyError("the phone is busy or out of reach; try again") from error
            raise PhoneBusyError("the phone takes longer than usual; look at it again in a minute") from error

    def run_next(self, driver: PhoneDriver) -> bool:
        """Do the oldest errand, if there is one; tell whether there was. For the lane."""
        try:
            work, done = self._waiting.get_nowait()
        except queue.Empty:
            return False
        if not done.set_running_or_notify_cancel():
            return True
        try:
            result = work(driver)
        except Exception as error:
            failure = error
            self._end(lambda: done.set_exception(failure))
        else:
            self._end(lambda: done.set_result(result))
        return True

    @staticmethod
    def _end(settle: Callable[[], None]) -> None:
        try:
            settle()
        except InvalidStateError:
            return
