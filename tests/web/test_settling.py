"""A person settles what is unknown: on the message's page and through the API, always with a reason."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select, update

from host_controller.messaging.submit import Draft
from host_controller.rules.states import MessageState
from host_controller.store.models import MessageEvent, MessageRecord

BASE, API = "http://localhost:8765", "http://127.0.0.1"
WHY = "she says it arrived"


@pytest.fixture
def message_id(services, store):
    (outcome,) = services.submit([Draft("+420777123456", "Ahoj <b>Anno</b>")], "test")
    store.write(lambda session: session.execute(update(MessageRecord).values(state=MessageState.UNKNOWN)))
    return outcome.message_id


@pytest.fixture
def last_event(store):
    def get() -> tuple[str, str, str]:
        with store.reading() as session:
            event = session.scalars(select(MessageEvent).order_by(MessageEvent.id.desc())).first()
            return event.new_state, event.actor, event.reason

    return get


@pytest.fixture
def press(site, message_id):
    def post(way: str, reason: str):
        page = site.get(f"/messages/{message_id}", base_url=BASE).text
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)[1]
        data = {"csrf_token": token, "as": way, "reason": reason}
        headers = {"Referer": f"{BASE}/messages/{message_id}", "Origin": BASE}
        return site.post(f"/messages/{message_id}", data=data, base_url=BASE, headers=headers)

    return post


def test_the_page_says_what_unknown_means_and_offers_three_ways(site, message_id):
    page = site.get(f"/messages/{message_id}", base_url=BASE).text
    assert "It may have been sent, or not" in page
    assert "Ahoj &lt;b&gt;Anno&lt;/b&gt;" in page
    assert re.findall(r'name="as" value="(\w+)"', page) == ["sent", "failed", "resend"]
    assert site.get("/messages/99", base_url=BASE).status_code == 404


@pytest.mark.parametrize(("way", "state"), [("sent", "sent"), ("failed", "failed"), ("resend", "queued")])
def test_each_way_is_on_record_with_its_reason(press, last_event, way, state):
    assert press(way, WHY).status_code == 302
    assert last_event() == (state, "page", WHY)


def test_without_a_reason_nothing_changes(press, last_event, site):
    press("sent", "")
    assert "write down why" in site.get("/", base_url=BASE).text
    assert last_event()[0] == "queued"


def test_an_unknown_way_and_a_second_time_are_refused(press, last_event, site, message_id):
    assert press("lost", WHY).status_code == 400
    press("sent", WHY)
    assert "It may have been sent" not in site.get(f"/messages/{message_id}", base_url=BASE).text


def test_by_the_api(api, message_id, last_event):
    body = {"messages": [message_id], "as": "sent", "reason": WHY}
    assert api.post("/api/v1/messages/settle", json={**body, "reason": ""}, base_url=API).status_code == 400
    assert (
        api.post("/api/v1/messages/settle", json={**body, "messages": [message_id, 99]}, base_url=API).status_code
        == 404
    )
    assert last_event()[0] == "queued"
    assert api.post("/api/v1/messages/settle", json=body, base_url=API).json == {"messages": 1}
    assert last_event() == ("sent", "cli", WHY)
    again = api.post("/api/v1/messages/settle", json=body, base_url=API)
    assert (again.status_code, again.json["error"]["code"]) == (409, "not_unknown")


def test_messages_from_a_backup_say_why_they_wait_and_can_be_let_go(api, site, services, store, last_event):
    services.submit([Draft("+420777123456", "Ahoj")], "test")
    store.write(lambda session: session.execute(update(MessageRecord).values(restored=True)))
    assert api.get("/api/v1/messages", base_url=API).json["messages"][0]["waiting_for"] == "restored"
    assert "restored" in site.get("/", base_url=BASE).text
    assert api.post("/api/v1/restored/release", json={"reason": "that phone is gone"}, base_url=API).json == {
        "messages": 1
    }
    assert api.get("/api/v1/messages", base_url=API).json["messages"][0]["waiting_for"] is None
    assert last_event() == ("queued", "cli", "that phone is gone")
