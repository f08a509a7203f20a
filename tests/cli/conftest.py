"""The command line of a test: on a data directory of its own, without a daemon and with one's socket."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

import pytest
import waitress
from click.testing import CliRunner

from host_controller.cli import cli
from host_controller.events import Bells
from host_controller.settings import load_settings
from host_controller.store.data_dir import DataDirectory
from host_controller.store.store import Store
from host_controller.wiring import make_api_app, utc_now
from tests.serving import Serving
from web import Services


@pytest.fixture
def data_dir():
    with tempfile.TemporaryDirectory(prefix="sr") as directory:
        yield Path(directory) / "d"


@pytest.fixture
def offline(data_dir):
    def run(*arguments, stdin=None):
        return CliRunner().invoke(cli, [*arguments, "--data-dir", str(data_dir)], input=stdin)

    return run


@pytest.fixture
def online_store(data_dir):
    """The database that a daemon has open."""
    with DataDirectory(data_dir).locked() as data, closing(Store(data.database)) as store:
        yield store


@pytest.fixture
def daemon_settings():
    return load_settings(None)


@pytest.fixture
def online(data_dir, offline, online_store, daemon_settings, eventually):
    """The same, with the API on its socket as a daemon has it."""
    services = Services(online_store, None, Bells(), daemon_settings, utc_now)
    path = str(DataDirectory(data_dir).socket)
    server = waitress.create_server(make_api_app(services), unix_socket=path, unix_socket_perms="600")
    serving = Serving(server)
    yield offline
    # Closed under a request, its loop would stumble over a file descriptor that is gone.
    eventually(lambda: not server.active_channels, what="the end of the last request")
    serving.stop()


@pytest.fixture(params=["offline", "online"])
def smsrack(request):
    return request.getfixturevalue(request.param)
