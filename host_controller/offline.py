"""The API over a data directory that no daemon has: served within this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from host_controller.events import Bells
from host_controller.settings import Settings
from host_controller.store.store import Store
from host_controller.wiring import make_api_app, utc_now
from web import Services


@contextmanager
def local_transport(
    settings: Settings, database: Path | str
) -> Iterator[Callable[[str, str, bytes | None], tuple[int, bytes]]]:
    """Give what makes calls to a database whose data directory the caller has locked. Raises DataDirectoryError."""
    store = Store(database)
    try:
        client = make_api_app(Services(store, None, Bells(), settings, utc_now)).test_client()

        def send(method: str, target: str, body: bytes | None) -> tuple[int, bytes]:
            answer = client.open(
                target,
                method=method,
                data=body,
                content_type="application/json" if body else None,
                base_url="http://127.0.0.1",
            )
            return answer.status_code, answer.data

        yield send
    finally:
        store.close()
