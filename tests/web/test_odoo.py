"""How far each thing is in step with each Odoo, by the API and on its page."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from host_controller.settings import OdooSettings
from host_controller.store.models import OdooOutboxRecord
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


def outbox_row(now, kind, record, **values):
    created = {"database": "shop", "kind": kind, "record": record, "created_at": now - timedelta(hours=2)}
    return OdooOutboxRecord(**{**created, **values})


@pytest.fixture
def behind(services, store, troubled):
    """Two notes wait, a mark was given up; what was told counts nowhere."""
    now = services.clock()
    given_up = {"tries": 40, "error": "no e-mail <address>", "done_at": now, "outcome": "gave_up"}
    rows = [
        outbox_row(now, "chatter", "+420777123456"),
        outbox_row(now, "chatter", "+420603111222", created_at=now, next_at=now),
        outbox_row(now, "chatter", "+420603111222", done_at=now, outcome="told"),
        outbox_row(now, "reply", "+420777123456", **given_up),
    ]
    store.write(lambda session: session.add_all(rows))


def test_what_waits_to_be_told(api, behind):
    gone, shop = api.get("/api/v1/odoo", base_url=API).json["connections"]
    assert gone["outbox"] == []
    assert shop["outbox"] == [
        {"object": "notes", "waiting": 2, "oldest_at": "2026-11-25T10:00:00.000Z", "gave_up": 0},
        {"object": "answered messages", "waiting": 0, "oldest_at": None, "gave_up": 1},
    ]


def test_what_was_given_up_is_listed_and_tried_again(api, behind):
    (row,) = api.get("/api/v1/odoo/shop/given-up", base_url=API).json["given_up"]
    assert set(row) == {"id", "object", "record", "created_at", "tries", "error", "done_at"}
    assert (row["object"], row["record"], row["tries"]) == ("answered messages", "+420777123456", 40)
    assert (row["error"], row["done_at"]) == ("no e-mail <address>", "2026-11-25T12:00:00.000Z")
    assert api.post("/api/v1/odoo/shop/retry", base_url=API).json == {"retried": 1}
    assert api.get("/api/v1/odoo/shop/given-up", base_url=API).json == {"given_up": []}
    shop = api.get("/api/v1/odoo", base_url=API).json["connections"][1]
    assert [(row["waiting"], row["gave_up"]) for row in shop["outbox"]] == [(2, 0), (1, 0)]
    assert api.post("/api/v1/odoo/shop/retry", base_url=API).json == {"retried": 0}
    for answer in (api.post("/api/v1/odoo/no/retry", base_url=API), api.get("/api/v1/odoo/no/given-up", base_url=API)):
        assert (answer.status_code, answer.json["error"]["code"]) == (404, "not_found")
        assert "known: gone, shop" in answer.json["error"]["message"]


def test_what_was_given_up_is_tried_again_by_the_page(site, behind, store):
    page = site.get("/odoo", base_url=BASE).text
    assert "Oldest since" in page
    assert "smsrack odoo retry shop --list" in page
    token = re.search(r'name="csrf_token" type="hidden" value="([^"]+)"', page)[1]
    assert site.post("/odoo/shop/retry", base_url=BASE).status_code == 400
    page = site.post("/odoo/shop/retry", data={"csrf_token": token}, base_url=BASE, follow_redirects=True).text
    assert "1 wait again." in page
    assert "Try it again" not in page
