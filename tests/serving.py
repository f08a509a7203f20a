"""Web servers of waitress in the tests' own process."""

from __future__ import annotations

import contextlib
import threading

import waitress

# A loop sees that its sockets are gone when it next wakes: by itself once a second, for which each test would wait.
_WAKES_EVERY_S = 0.05


class Serving:
    """A server that runs until it is stopped."""

    def __init__(self, server) -> None:
        self._server = server
        server.adj.asyncore_loop_timeout = _WAKES_EVERY_S
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.effective_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def change(self, app) -> None:
        """Serve another application."""
        self._server.application = app

    def stop(self) -> None:
        """Answer no more, and free the port: while the loop still looks at its socket, that is taken."""
        self._server.close()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        # Sockets that are closed under the loop by another thread are its end, not an error.
        with contextlib.suppress(OSError, RuntimeError):
            self._server.run()


def serve(app, port: int = 0) -> Serving:
    """Serve an application on a port of the loopback; 0: a free one."""
    return Serving(waitress.create_server(app, host="127.0.0.1", port=port))
