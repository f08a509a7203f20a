"""Pause, drain, stop and resume through the API and on the pages: always with who and why."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from sqlalchemy import select

from host_controller.messaging.holds import HoldKind, Holds, Scope
from host_controller.messaging.submit import Draft
from host_controller.store.models import BatchRecord, HoldRecord
from host_controller.store.store import Store

from .conftest import NOW, READY

BASE, API = "http://localhost:8765", "http://127.0.0.1"
WHY = "a wrong text"
RACK = {"scope": "rack", "kind": "paused", "reason": WHY}


@pytest.fixture
def services(services, store):
    """As in a daemon: lanes look at the holds in memory."""
    return replace(services, holds=Holds(store))


@pytest.fixture
def post(api):
    def call(path: str, **body: object):
        answer = api.post(f"/api/v1{path}", json=body, base_url=API)
        return answer.status_code, answer.json

    return call


@pytest.fixture
def get(api):
    return lambda path: api.get(f"/api/v1{path}", base_url=API).json


@pytest.fixture
def press(site):
    def send(path: str, action: str, page: str | None = None, **fields: str):
        page = page or path.removesuffix("/holds") or "/"
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', site.get(page, base_url=BASE).text)[1]
        data = {"csrf_token": token, "action": action, **fields}
        return site.post(path, data=data, base_url=BASE, headers={"Referer": f"{BASE}{page}", "Origin": BASE})

    return send


def records(store: Store) -> list[tuple]:
    with store.reading() as session:
        query = select(HoldRecord).order_by(HoldRecord.id)
        return [(r.scope, r.target_id, r.kind, r.reason, r.actor, r.released_by) for r in session.scalars(query)]


def test_a_pause_of_the_rack_by_the_api(post, get, services, store):
    bell = services.bells.hang()
    status, held = post("/holds", **RACK, by="anna")
    assert status == 201
    assert bell.is_set()
    assert services.holds.rack().reason == WHY
    assert held == {
        "scope": "rack", "target_id": None, "kind": "paused", "reason": WHY, "actor": "cli anna",
        "at": "2026-11-25T12:00:00.000Z", "target": None, "released_at": None, "released_by": None, "unproven": 0,
    }  # fmt: skip
    assert post("/holds", **RACK, by="petr") == (201, held)
    assert get("/holds") == {"holds": [held], "released": []}
    assert get("/status")["holds"] == [held]
    bell.clear()
    assert post("/holds/release", scope="rack", by="petr") == (200, {"released": 1, "holds": []})
    assert bell.is_set()
    assert services.holds.rack() is None
    assert [(past["actor"], past["released_by"]) for past in get("/holds")["released"]] == [("cli anna", "cli petr")]
    assert get("/holds?limit=0") == {"holds": [], "released": []}
    assert post("/holds/release", scope="rack")[1]["released"] == 0


@pytest.mark.parametrize(
    ("scope", "names", "target"),
    [("phone", ["A1", "HW1"], "A1"), ("sim", ["1", "A1:1", "HW1:1"], "A1:1"), ("batch", ["autumn"], "autumn")],
)
def test_every_name_of_a_target(post, get, store, scope, names, target):
    store.write(
        lambda session: session.add(BatchRecord(name="autumn", message_class="otp", created_at=NOW, actor="test"))
    )
    for name in names:
        status, held = post("/holds", scope=scope, target=name, kind="drained", reason=WHY)
        assert (status, held["scope"], held["target"], held["kind"]) == (201, scope, target, "drained")
    assert len(get("/holds")["holds"]) == 1
    assert post("/holds/release", scope=scope, target=names[-1])[1]["released"] == 1


def test_what_still_holds_is_told(post):
    post("/holds", **RACK)
    post("/holds", scope="phone", target="A1", kind="paused", reason="a cable")
    answer = post("/holds/release", scope="phone", target="A1")[1]
    assert [held["scope"] for held in answer["holds"]] == ["rack"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({**RACK, "reason": ""}, 400, "bad_request"),
        ({**RACK, "reason": "  "}, 422, "config"),
        ({**RACK, "kind": "fuse"}, 400, "bad_request"),
        ({**RACK, "scope": "shelf"}, 400, "bad_request"),
        ({**RACK, "reasons": "x"}, 400, "bad_request"),
        ({**RACK, "target": "A1"}, 404, "not_found"),
        ({**RACK, "scope": "phone"}, 404, "not_found"),
        ({**RACK, "scope": "phone", "target": "B7"}, 404, "not_found"),
        ({**RACK, "scope": "batch", "target": "autumn"}, 404, "not_found"),
        ({**RACK, "scope": "sim", "target": "7"}, 422, "config"),
    ],
)
def test_what_cannot_be_held(post, store, body, status, code):
    answered, answer = post("/holds", **body)
    assert (answered, answer["error"]["code"]) == (status, code)
    assert records(store) == []


def test_phones_say_that_they_are_held(post, get):
    post("/holds", scope="phone", target="A1", kind="drained", reason=WHY)
    post("/holds", scope="sim", target="A1:1", kind="paused", reason="no credit")
    phone = get("/phones/A1")["phone"]
    assert (phone["hold"]["kind"], phone["hold"]["reason"]) == ("drained", WHY)
    assert (phone["sims"][0]["hold"]["kind"], phone["sims"][0]["hold"]["reason"]) == ("paused", "no credit")
    assert [event["kind"] for event in get("/phones/A1")["events"]] == ["paused", "drained"]


def test_the_banner_says_who_when_and_why(site, press, store):
    page = site.get("/", base_url=BASE).text
    assert "The whole rack is" not in page
    assert press("/holds", "stop", reason="to <b>everybody</b>", by="anna").status_code == 302
    page = site.get("/", base_url=BASE).text
    assert "It is stopped" in page
    assert re.search(r"The whole rack is stopped by page anna since 13:00:00: <bdi>to &lt;b&gt;everybody", page)
    assert records(store) == [("rack", None, "stopped", "to <b>everybody</b>", "page anna", None)]
    first = site.get("/live", base_url=BASE)
    same = site.get("/live", base_url=BASE, headers={"If-None-Match": first.headers["ETag"]})
    assert same.status_code == 304
    press("/holds", "resume")
    assert "The whole rack is" not in site.get("/", base_url=BASE).text
    assert records(store)[0][-1] == "page"
    press("/holds", "resume")
    assert "It was not held." in site.get("/", base_url=BASE).text


@pytest.mark.parametrize(("action", "kind"), [("pause", "paused"), ("drain", "drained")])
@pytest.mark.parametrize(("slot", "scope"), [("", "phone"), ("1", "sim")])
def test_a_phone_and_its_sims_on_its_page(press, site, store, action, kind, slot, scope):
    assert press("/phones/A1/holds", action, slot=slot, reason=WHY).status_code == 302
    assert records(store) == [(scope, 1, kind, WHY, "page", None)]
    page = site.get("/phones/A1", base_url=BASE).text
    assert re.search(rf"{kind} by page since 13:00:00: <bdi>{WHY}</bdi>", page)
    assert "nothing in its hands" in page
    card = site.get("/", base_url=BASE).text
    assert re.search(rf"(Held|SIM 1 {kind}) by page since 13:00:00: <bdi>{WHY}</bdi>", card)
    press("/phones/A1/holds", "resume", slot=slot)
    assert records(store)[0][-1] == "page"


def test_a_batch_on_the_page_of_batches(press, site, store):
    assert "/batches/holds" not in site.get("/batches", base_url=BASE).text
    for name in ("autumn", "<b>"):
        record = BatchRecord(name=name, message_class="marketing", created_at=NOW, actor="test")
        store.write(lambda session, record=record: session.add(record))
    assert press("/batches/holds", "pause", "/batches", batch="<b>", reason=WHY, by="anna").status_code == 302
    assert records(store) == [("batch", 2, "paused", WHY, "page anna", None)]
    page = site.get("/batches", base_url=BASE).text
    assert re.search(rf"paused</span> <i>by page anna since 13:00:00: <bdi>{WHY}</bdi>", page)
    assert "&lt;b&gt; (paused)</option>" in page
    press("/batches/holds", "resume", "/batches", batch="<b>")
    assert records(store)[0][-1] == "page"
    press("/batches/holds", "pause", "/batches", batch="winter", reason=WHY)
    assert "winter" in site.get("/batches", base_url=BASE).text
    assert len(records(store)) == 1


def test_a_form_needs_a_reason_a_token_and_a_known_word(press, site, store):
    press("/holds", "pause", reason="  ")
    assert "say why" in site.get("/", base_url=BASE).text
    press("/holds", "pause", reason="x" * 501)
    assert "longer than 500" in site.get("/", base_url=BASE).text
    assert press("/holds", "explode", reason=WHY).status_code == 400
    assert press("/holds", "pause", reason=WHY, csrf_token="").status_code == 400
    foreign = {"Origin": "http://evil.example"}
    assert site.post("/holds", data={"action": "pause"}, base_url=BASE, headers=foreign).status_code in (400, 403)
    press("/phones/A1/holds", "pause", slot="9", reason=WHY)
    assert "no SIM is" in site.get("/", base_url=BASE).text
    assert records(store) == []


def test_nobodys_page_has_no_form(site, rack):
    rack.views[:] = [replace(READY, enrolled=None, identity=None)]
    assert "/phones/A1/holds" not in site.get("/phones/A1", base_url=BASE).text


def test_a_paused_queue_gives_no_time(services, rack, get):
    rack.views[:] = [replace(READY, waiting_for="paused", waiting_until=NOW)]
    services.submit([Draft("+420777123456", "Ahoj")], "test")
    message = get("/messages")["messages"][0]
    assert (message["waiting_for"], message["waiting_until"]) == ("paused", None)


def test_services_without_lanes_hold_too(services, store):
    alone = replace(services, holds=None)
    alone.control.hold(Scope.RACK, None, HoldKind.PAUSED, WHY, "test")
    assert Holds(store).rack().reason == WHY
