"""Why messages wait, through the API and on the pages; and the recipient filters of phones."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from host_controller.messaging.holds import HoldKind, Scope
from host_controller.messaging.submit import Draft
from host_controller.messaging.why_queue import groups_of
from host_controller.rule_settings import HoursSettings, QuietHoursSettings
from host_controller.rules.classes import MessageClass
from host_controller.rules.ledger import Spent
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.store.models import MessageRecord, PhoneEvent, PhoneRecord

from .conftest import NOW, READY

BASE, API = "http://localhost:8765", "http://127.0.0.1"
ANNA, BEA = "+420777123456", "+420603111222"
SOON = NOW + timedelta(seconds=3)


@pytest.fixture
def get(api):
    return lambda path: api.get(f"/api/v1{path}", base_url=API).json


@pytest.fixture
def a_lane(rack):
    """The phone's lane answers: its SIM pauses for three seconds."""
    wait = Wait(SOON, WaitReason.PACE)
    rack.views[:] = [replace(READY, spent=lambda now: {1: Spent(day=(0, 5, 0))}, next_allowed=lambda *asked: wait)]
    return rack


def send(services, *numbers: str, **values: object) -> None:
    services.submit([Draft(number, "Ahoj", **values) for number in numbers], "test")


def test_one_that_waits_for_its_pace(get, services, a_lane):
    send(services, BEA, ANNA)
    found = get("/messages/2/why")
    words = "it pauses after each message, for 20 parts a minute"
    line = {
        "sim_id": 1,
        "phone": "A1",
        "slot_index": 0,
        "reason": "pace",
        "until": "2026-11-25T12:00:03.000Z",
        "words": words,
    }
    assert found == {
        "message_id": 2,
        "state": "queued",
        "running": True,
        "reason": "pace",
        "until": "2026-11-25T12:00:03.000Z",
        "words": f"SIM 1 of A1: {words}",
        "sims": [line],
        "ahead": 1,
        "expected_at": found["expected_at"],
    }
    message = get("/messages/2")
    assert (message["waiting_for"], message["waiting_until"]) == ("pace", found["until"])


def test_nobody(api):
    assert api.get("/api/v1/messages/7/why", base_url=API).status_code == 404


def test_the_list_says_what_the_rows_say(get, services):
    services.control.hold(Scope.BATCH, *_batch(services), HoldKind.PAUSED, "the client calls back", "eva")
    services.store.write(lambda session: _park(session, 1, "batch_paused", None))
    assert get("/messages")["messages"][0]["waiting_for"] == "batch_paused"
    assert get("/messages/1")["waiting_for"] == "batch_paused"
    assert get("/messages/1/why")["words"] == "its batch autumn is paused by eva: the client calls back"


def _batch(services) -> tuple[str]:
    send(services, ANNA, batch="autumn")
    return ("autumn",)


def _park(session, message_id, reason, until):
    message = session.get_one(MessageRecord, message_id)
    message.waiting_for, message.not_before = reason, until


def test_the_whole_queue(get, services, a_lane, site):
    send(services, ANNA, BEA)
    send(services, ANNA, BEA, ANNA, message_class=MessageClass.MARKETING)
    for message_id, hours in ((3, 2), (4, 1)):
        services.store.write(lambda s, id_=message_id, h=hours: _park(s, id_, "quiet_hours", NOW + timedelta(hours=h)))
    found = get("/why")
    assert (found["running"], found["messages"], found["parts"]) == (True, 5, 5)
    assert found["empty_at"] is not None
    pace, quiet = found["groups"]
    assert (pace["reason"], pace["messages"], pace["until"]) == ("pace", 3, "2026-11-25T12:00:03.000Z")
    assert (quiet["reason"], quiet["messages"], quiet["until"]) == ("quiet_hours", 2, "2026-11-25T13:00:00.000Z")
    assert quiet["words"].startswith("marketing may reach CZ from 08:00 to 20:00 on Mon Tue")
    page = site.get("/", base_url=BASE).text
    assert "Why the queue waits" in page
    assert "marketing may reach CZ" in page


def test_each_batch_and_country_is_told_by_itself(get, services, a_lane):
    night = HoursSettings(opens="01:00", closes="02:00")
    messages = services.settings.messages.model_copy(update={"allowed_regions": ("CZ", "SK")})
    changes = {"quiet_hours": QuietHoursSettings(marketing={"SK": night}), "messages": messages}
    services = replace(services, settings=services.settings.model_copy(update=changes))
    kind = MessageClass.MARKETING
    services.submit([Draft(ANNA, "x", message_class=kind, batch="spring"), Draft(ANNA, "y", batch="spring")], "test")
    services.submit([Draft(ANNA, "x", message_class=kind), Draft("+421905000111", "x", message_class=kind)], "test")
    services.control.hold(Scope.BATCH, "spring", HoldKind.PAUSED, "a typo", "test")
    with services.store.reading() as session:
        groups = groups_of(services.why, session)
    assert {group.reason: group.messages for group in groups} == {
        WaitReason.BATCH_PAUSED: 2,
        WaitReason.PACE: 1,
        WaitReason.QUIET_HOURS: 1,
    }
    assert next(group.words for group in groups if group.reason is WaitReason.QUIET_HOURS).startswith("marketing may")


def test_an_empty_queue(get, site):
    found = get("/why")
    assert (found["messages"], found["groups"], found["empty_at"]) == (0, [], None)
    assert "Why the queue waits" not in site.get("/", base_url=BASE).text


def test_the_page_of_a_message(site, services, a_lane):
    send(services, BEA, ANNA)
    page = site.get("/messages/2", base_url=BASE).text
    assert "It waits: <b>pace</b> until 13:00:03. SIM 1 of A1: it pauses after each message" in page
    assert "after 1 others" in page


FILTER = [["country", "=", "CZ"]]


def test_a_filter(api, get, services, site):
    answer = api.put("/api/v1/phones/A1/filter", json={"filter": FILTER}, base_url=API)
    assert (answer.status_code, answer.json) == (200, {"serial": "A1", "filter": FILTER})
    assert get("/phones/A1")["phone"]["recipient_filter"] == '[["country", "=", "CZ"]]'
    page = site.get("/phones/A1", base_url=BASE).text
    assert "Writes only to <code>[[&#34;country&#34;, &#34;=&#34;, &#34;CZ&#34;]]</code>" in page
    assert services.rack.handles["A1"].done == [{"enrolled": None}]
    assert api.delete("/api/v1/phones/A1/filter", base_url=API).json == {"serial": "A1", "filter": None}
    with services.store.reading() as session:
        assert session.get_one(PhoneRecord, 1).recipient_filter is None
        kinds = [(event.kind, event.words) for event in session.query(PhoneEvent)]
    assert kinds == [("filter", 'may write only to [["country", "=", "CZ"]]'), ("filter", "may write to everybody")]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ([["town", "=", "Brno"]], "there is no field 'town'; there are class, country, number, parts"),
        ([["country", "child_of", "CZ"]], "item 1: 'child_of' needs Odoo's tree of records"),
        (["|", ["country", "=", "CZ"]], "item 1, '|', needs 2 term(s) after it and has 1"),
    ],
)
def test_a_filter_that_cannot_be_read(api, wanted, words):
    answer = api.put("/api/v1/phones/A1/filter", json={"filter": wanted}, base_url=API)
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "invalid_filter")
    assert words in answer.json["error"]["message"]


def test_a_filter_of_nobody(api):
    assert api.put("/api/v1/phones/X9/filter", json={"filter": FILTER}, base_url=API).status_code == 404
    assert api.put("/api/v1/phones/A1/filter", json={"filter": "x"}, base_url=API).status_code == 400


def test_what_no_phone_could_take_is_refused(api):
    api.put("/api/v1/phones/A1/filter", json={"filter": [["class", "=", "otp"]]}, base_url=API)
    answer = api.post("/api/v1/messages", json={"number": ANNA, "text": "x"}, base_url=API)
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "no_match")
