"""Web servers of waitress in the tests' own process."""

from __future__ import annotations

import contextlib


def run_until_closed(server) -> None:
    """Serve; that the server's sockets are closed under its loop by another thread is its end, not an error."""
    with contextlib.suppress(OSError, RuntimeError):
        server.run()
