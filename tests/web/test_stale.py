"""What an outage has made stale, through the API and on its page: seen, released, cancelled, with who and why."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select, update

from host_controller.messaging.submit import Draft
from host_controller.store.models import MessageEvent, MessageRecord

BASE, API = "http://localhost:8765", "http://127.0.0.1"
TEXT = "Ahoj <b>Anno</b>"


@pytest.fixture(autouse=True)
def held(services, store):
    """Two messages of a batch and one of none, all of them held."""
    drafts = [Draft("+420777123456", TEXT, batch="autumn"), Draft("+420777123457", TEXT, batch="autumn")]
    services.submit([*drafts, Draft("+420777123458", TEXT)], "test")
    store.write(lambda session: session.execute(update(MessageRecord).values(waiting_for="stale")))


@pytest.fixture
def post(api):
    def call(path: str, **body: object):
        answer = api.post(f"/api/v1/stale/{path}", json=body, base_url=API)
        return answer.status_code, answer.json

    return call


@pytest.fixture
def press(site):
    def send(action: str, **fields: str):
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', site.get("/stale", base_url=BASE).text)[1]
        data = {"csrf_token": token, "action": action, **fields}
        return site.post("/stale", data=data, base_url=BASE, headers={"Referer": f"{BASE}/stale", "Origin": BASE})

    return send


@pytest.fixture
def left(store):
    """Give what is still held, and the last word on a message."""

    def get() -> tuple[int, tuple[str, str, str]]:
        with store.reading() as session:
            is_held = (MessageRecord.waiting_for == "stale", MessageRecord.state == "queued")
            count = len(session.scalars(select(MessageRecord.id).where(*is_held)).all())
            event = session.scalars(select(MessageEvent).order_by(MessageEvent.id.desc())).first()
            return count, (event.new_state, event.actor, event.reason)

    return get


def test_the_list_by_the_api(api):
    oldest_at = "2026-11-25T12:00:00.000Z"
    assert api.get("/api/v1/stale", base_url=API).json == {
        "messages": 3,
        "groups": [
            {"batch": "autumn", "messages": 2, "oldest_at": oldest_at},
            {"batch": None, "messages": 1, "oldest_at": oldest_at},
        ],
    }


def test_a_release_rings_at_once(post, services, left):
    bell = services.bells.hang()
    assert post("release", batch="autumn", reason="still true", by="anna") == (200, {"messages": 2})
    assert bell.is_set()
    assert left() == (1, ("queued", "cli anna", "released: still true"))
    assert post("release", reason="all of it") == (200, {"messages": 1})
    assert left()[0] == 0


def test_a_cancelling(post, store, left):
    assert post("cancel", reason="too late", by="anna") == (200, {"messages": 3})
    with store.reading() as session:
        assert set(session.scalars(select(MessageRecord.state))) == {"cancelled"}
    assert left()[1] == ("cancelled", "cli anna", "too late")


@pytest.mark.parametrize("verb", ["release", "cancel"])
def test_refused(post, left, verb):
    assert post(verb)[0] == 400
    assert post(verb, reason="")[0] == 400
    assert post(verb, reason="why", batch="spring")[0] == 404
    assert left()[0] == 3


def test_the_overview_leads_to_the_page_and_shows_no_text(site):
    overview = site.get("/", base_url=BASE).text
    assert "3 messages are stale and held" in overview
    assert 'href="/stale"' in overview
    page = site.get("/stale", base_url=BASE).text
    assert "late by more than 24 hours" in page
    assert re.findall(r'<option value="(\w*)">([^<]*)<', page) == [("", "all 3"), ("autumn", "2 of batch autumn")]
    assert "Anno" not in page
    assert "777123" not in page


def test_the_page_releases_and_cancels(press, site, left):
    assert press("release", batch="autumn", reason="still true", by="anna").status_code == 302
    assert left() == (1, ("queued", "page anna", "released: still true"))
    press("cancel", batch="", reason="too late")
    assert left() == (0, ("cancelled", "page", "too late"))
    assert "Nothing is stale." in site.get("/stale", base_url=BASE).text


def test_the_page_wants_a_reason_and_a_known_batch(press, site, left):
    press("release", batch="", reason=" ")
    assert "write down why" in site.get("/stale", base_url=BASE).text
    press("release", batch="spring", reason="why")
    assert "there is no batch" in site.get("/stale", base_url=BASE).text
    assert press("burn", batch="", reason="why").status_code == 400
    assert left()[0] == 3
