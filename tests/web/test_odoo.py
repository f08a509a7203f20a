"""How far each thing is in step with each Odoo, by the API and on its page."""

from __future__ import annotations

from datetime import timedelta

import pytest

from host_controller.settings import OdooSettings
from host_controller.store.odoo_objects import note_failure, note_success

BASE, API = "http://localhost:8765", "http://127.0.0.1"
ERROR = "Odoo at <http://shop> does not answer"


@pytest.fixture
def troubled(services, store):
    services.settings.odoo["shop"] = OdooSettings(url="http://shop")
    now = services.clock()

    def work(session):
        note_success(session, "shop", "results", now=now - timedelta(minutes=7))
        for _ in range(3):
            note_failure(session, "shop", "results", now=now, error=ERROR, next_at=now + timedelta(seconds=40))
        note_success(session, "gone", "sends", now=now, cursor="3da7")

    store.write(work)
    yield
    services.settings.odoo.clear()


def test_by_the_api(api, troubled):
    gone, shop = api.get("/api/v1/odoo", base_url=API).json["connections"]
    assert (gone["name"], gone["mode"], gone["objects"][0]["cursor"]) == ("gone", None, "3da7")
    (row,) = shop["objects"]
    assert (shop["mode"], row["object"], row["failures"], row["lag_s"]) == ("pull", "results", 3, 420.0)
    assert (row["error"], row["succeeded_at"]) == (ERROR, "2026-11-25T11:53:00.000Z")


def test_on_the_page(site, troubled):
    page = site.get("/odoo", base_url=BASE).text
    assert "Odoo shop (pull)" in page
    assert "7 min" in page
    assert "&lt;http://shop&gt;" in page
    assert "Not in the settings any more" in page


def test_without_any(site, api):
    assert "No Odoo is in the settings" in site.get("/odoo", base_url=BASE).text
    assert api.get("/api/v1/odoo", base_url=API).json == {"connections": []}
