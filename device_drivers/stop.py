"""A request to end that reaches a thread at once, also one that waits on a socket. Imports nothing of ours."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Stop:
    """Made once and set once, from any thread.

    An event alone would have to be looked at again and again by who waits for a phone that says nothing for hours.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None

    @property
    def is_set(self) -> bool:
        """Whether the end was asked for."""
        return self._event.is_set()

    def set(self) -> None:
        """Ask for the end: whoever waits is woken, a socket in use is shut down."""
        with self._lock:
            self._event.set()
            _shut_down(self._sock)

    def wait(self, limit_s: float) -> bool:
        """Wait for the request; tell whether it has come."""
        return self._event.wait(limit_s)

    @contextmanager
    def reaching(self, sock: socket.socket) -> Iterator[None]:
        """Shut this socket down when, or if, the end is asked for within the block: who reads from it sees its end."""
        with self._lock:
            self._sock = sock
            if self._event.is_set():
                _shut_down(sock)
        try:
            yield
        finally:
            with self._lock:
                self._sock = None


def _shut_down(sock: socket.socket | None) -> None:
    if sock is not None:
        with suppress(OSError):  # it has ended by itself
            sock.shutdown(socket.SHUT_RDWR)
