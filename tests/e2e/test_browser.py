"""The page in a real browser: it renders, runs its script under its own content policy, and updates itself."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import closing

import flask
import pytest

from host_controller.events import Bells
from host_controller.messaging.submit import Draft
from host_controller.settings import load_settings
from host_controller.store.store import Store
from host_controller.wiring import utc_now
from tests.serving import serve
from web import Services, create_app, make_pages

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=9000",
]  # fmt: skip


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_page_updates_itself(tmp_path):
    with closing(Store(tmp_path / "smsrack.db")) as store:
        services = Services(store, None, Bells(), load_settings(None), utc_now)
        app = create_app([make_pages(services)], secret="s" * 64, allowed_hosts=["127.0.0.1"])
        asked = []

        @app.before_request
        def something_happens_while_the_page_is_open():
            if flask.request.path == "/live":
                if not asked:
                    services.submit([Draft("+420777123456", "přišlo <b>později</b>")], "test")
                asked.append(flask.request.headers.get("If-None-Match"))

        server = serve(app)
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
        result = subprocess.run(
            [*command, f"{server.url}/"],
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
        server.stop()
    assert "přišlo &lt;b&gt;později&lt;/b&gt;" in result.stdout
    assert "Refused to" not in result.stderr
    assert len(asked) >= 2
    assert asked[0] is None
    assert asked[1] is not None
