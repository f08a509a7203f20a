"""The API: every route, its answers and its errors."""

from __future__ import annotations

import pytest

from device_drivers.base import EnrolOptions
from host_controller.errors import StoreBrokenError, StoreBusyError, StoreCommitLostError, StoreFullError
from host_controller.events import Bells
from host_controller.settings import load_settings
from host_controller.store.store import Store
from host_controller.wiring import make_api_app, utc_now
from web import Services

ANNA = "+420777123456"


def post(api, path, body):
    answer = api.post(f"/api/v1{path}", json=body, base_url="http://127.0.0.1")
    return answer.status_code, answer.json


def get(api, path):
    answer = api.get(f"/api/v1{path}", base_url="http://127.0.0.1")
    return answer.status_code, answer.json


def test_one_message_is_accepted(api, services):
    bell = services.bells.hang()
    services.bells.rest(bell, services.bells.counts)
    assert post(api, "/messages", {"number": "777 123 456", "text": "Ahoj"}) == (
        202,
        {"id": 1, "state": "queued", "parts": 1, "repeated": False},
    )
    assert bell.is_set()
    status, message = get(api, "/messages/1")
    assert status == 200
    assert (message["number"], message["text"], message["state"]) == (ANNA, "Ahoj", "queued")
    assert message["created_at"] == "2026-11-25T12:00:00.000Z"
    assert [event["new_state"] for event in message["events"]] == ["queued"]


@pytest.mark.parametrize(
    ("number", "text", "status", "code"),
    [
        ("abc", "x", 422, "invalid_msisdn"),
        ("+421905123456", "x", 422, "destination_refused"),
        (ANNA, " ", 422, "invalid_text"),
        (ANNA, "a\0b", 422, "invalid_text"),
        (ANNA, "x" * 1531, 422, "too_many_parts"),
    ],
)
def test_refusals_have_a_code_and_words(api, number, text, status, code):
    got, body = post(api, "/messages", {"number": number, "text": text})
    assert (got, body["error"]["code"]) == (status, code)
    assert body["error"]["message"]


def test_a_ref_is_one_message(api):
    first = post(api, "/messages", {"number": ANNA, "text": "Ahoj", "ref": "order 7"})[1]
    again = post(api, "/messages", {"number": ANNA, "text": "Ahoj", "ref": "order 7"})[1]
    assert (again["id"], again["repeated"]) == (first["id"], True)
    assert post(api, "/messages", {"number": ANNA, "text": "Jiný", "ref": "order 7"})[0] == 409
    both = post(api, "/messages", {"messages": [{"number": ANNA, "text": "x", "ref": "a"}] * 2})[1]["results"]
    assert both[0]["id"] == both[1]["id"]


def test_many_messages_are_judged_one_by_one(api):
    bodies = [{"number": ANNA, "text": "1"}, {"number": "x", "text": "2"}, {"number": ANNA, "text": "1"}]
    status, body = post(api, "/messages", {"messages": bodies})
    assert status == 200
    assert [result.get("id") for result in body["results"]] == [1, None, 2]
    assert body["results"][1]["error"]["code"] == "invalid_msisdn"


def test_an_opt_out_cancels_and_refuses(api):
    post(api, "/messages", {"messages": [{"number": ANNA, "text": str(n)} for n in range(3)]})
    assert post(api, "/optouts", {"number": "777123456"}) == (201, {"cancelled": 3})
    assert post(api, "/optouts", {"number": ANNA}) == (201, {"cancelled": 0})
    assert post(api, "/messages", {"number": ANNA, "text": "x"})[0] == 451
    assert [row["number"] for row in get(api, "/optouts")[1]["optouts"]] == [ANNA]
    assert {m["failure_code"] for m in get(api, "/messages?state=cancelled")[1]["messages"]} == {"opted_out"}
    assert post(api, "/optouts", {"number": "nobody"})[0] == 422


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"number": ANNA, "txt": "x"}, "did you mean 'text'"),
        ({"number": ANNA}, "'text'"),
        ({"number": 777123456, "text": "x"}, "'number'"),
        ({"messages": [{"number": ANNA, "text": "x", "reff": "1"}]}, "did you mean 'ref'"),
        ({"messages": [{"number": ANNA, "text": "x"}] * 1001}, "1000"),
        ([], "JSON object"),
    ],
)
def test_a_wrong_body_is_explained(api, body, words):
    status, answer = post(api, "/messages", body)
    assert (status, answer["error"]["code"]) == (400, "bad_request")
    assert words in answer["error"]["message"]


def test_a_body_that_is_too_long(api):
    status, answer = post(api, "/messages", {"number": ANNA, "text": "x" * (8 << 20)})
    assert (status, answer["error"]["code"]) == (413, "request_entity_too_large")


def test_a_queued_message_says_why_it_waits(api, rack, waiting_rack):
    post(api, "/messages", {"number": ANNA, "text": "x"})
    message = get(api, "/messages")[1]["messages"][0]
    assert (message["waiting_for"], message["waiting_until"]) == ("guard", "2026-11-25T12:01:00.000Z")
    rack.views.clear()
    assert get(api, "/messages")[1]["messages"][0]["waiting_for"] == "no_phone"


def test_the_list_can_be_paged_and_filtered(api):
    post(api, "/messages", {"messages": [{"number": ANNA, "text": str(n)} for n in range(5)]})
    assert [m["id"] for m in get(api, "/messages?limit=2")[1]["messages"]] == [5, 4]
    assert [m["id"] for m in get(api, "/messages?limit=2&before=4")[1]["messages"]] == [3, 2]
    assert get(api, "/messages?state=sent")[1]["messages"] == []
    assert get(api, "/messages?state=bogus")[0] == 400
    assert get(api, "/messages?limit=0")[0] == 400


def test_status_and_phones(api, rack):
    status = get(api, "/status")[1]
    assert (status["running"], status["totals"]["accepted"], status["trouble"]) == (True, 0, None)
    (phone,) = get(api, "/phones")[1]["phones"]
    assert (phone["serial"], phone["status"], phone["battery_percent"]) == ("A1", "ready", 81)
    assert phone["sims"][0] == {
        "id": 1, "slot_index": 0, "subscription_id": 11, "operator": "T-Mobile CZ", "in_service": True,
        "number": None, "stopped": None, "network": None, "roaming": None,
        "signal_dbm": -93, "sent_parts_today": 0, "parts_per_day": 500, "parts_per_minute": 20, "hold": None,
        "jitter_percent": 0, "month_reset_day": 1, "zone": "Europe/Prague",
        "quotas": {"day": {"limit": 500, "spent": 0, "left": {"otp": 500, "transactional": 495, "marketing": 495}}},
    }  # fmt: skip
    rack.views.clear()
    (absent,) = get(api, "/phones")[1]["phones"]
    assert (absent["status"], absent["sims"][0]["id"]) == ("offline", 1)


def test_an_operator_enrols_releases_and_limits(api, rack):
    assert post(api, "/phones/A1/enrol", None)[0] == 200
    assert post(api, "/phones/A1/release", None)[0] == 200
    assert rack.handles["A1"].done == [("invite", EnrolOptions()), "release"]
    assert post(api, "/phones/B2/enrol", None)[0] == 404
    answer = api.patch("/api/v1/sims/1", json={"parts_per_day": None}, base_url="http://127.0.0.1")
    assert answer.json == {"id": 1, "parts_per_day": None}
    assert rack.handles["A1"].done[-1] == {"enrolled": None}
    wrong = api.patch("/api/v1/sims/9", json={"parts_per_minute": 5}, base_url="http://127.0.0.1")
    assert wrong.status_code == 422
    assert api.patch("/api/v1/sims/1", json={"parts_per_day": 3}, base_url="http://127.0.0.1").status_code == 400


def test_errors_have_one_shape(api):
    status, body = get(api, "/nothing")
    assert (status, body.keys(), body["error"].keys()) == (404, {"error"}, {"code", "message"})
    assert get(api, "/messages/99")[0] == 404
    assert post(api, "/status", {})[0] == 405
    foreign = api.get("/api/v1/status", base_url="http://evil.example")
    assert foreign.status_code == 400
    assert "error" in foreign.json


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StoreBusyError("held"), 503, "store_busy"),
        (StoreFullError("full"), 507, "store_full"),
        (StoreBrokenError("damaged"), 503, "store_broken"),
        (StoreCommitLostError("lost"), 503, "store_commit_lost"),
    ],
)
def test_trouble_with_the_database_has_its_own_status(api, store, monkeypatch, error, status, code):
    def write(_):
        raise error

    monkeypatch.setattr(store, "write", write)
    answer = api.post("/api/v1/messages", json={"number": "+420777123456", "text": "Ahoj"}, base_url="http://127.0.0.1")
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert int(answer.headers["Retry-After"]) > 0


@pytest.fixture(params=["sqlite", "postgresql"])
def api_of_any_store(request, fresh_database):
    store = Store(fresh_database(request.param))
    yield make_api_app(Services(store, None, Bells(), load_settings(None), utc_now)).test_client()
    store.close()


def test_a_nul_that_postgresql_does_not_hold(api_of_any_store):
    api = api_of_any_store
    assert post(api, "/messages", {"number": ANNA, "text": "x", "ref": "a\0b"})[0] in (202, 400)
    assert post(api, "/optouts", {"number": ANNA, "note": "a\0b"})[0] in (201, 400)
    assert get(api, "/batches/%00")[0] in (400, 404)
    assert get(api, "/conversations?search=%00")[0] in (200, 400)
    assert get(api, "/odoo/%00/messages/%00")[0] in (400, 404)
    assert post(api, "/messages", {"number": "+420777123457", "text": "x"})[0] == 202


def test_an_id_that_no_database_has(api_of_any_store):
    api = api_of_any_store
    for digits in (str(2**31), str(2**63), "9" * 5000):
        for path in ("/messages/{}", "/messages/{}/why", "/canaries/{}"):
            assert get(api, path.format(digits))[0] == 404, path
        for path in ("/messages", "/batches", "/inbox", "/conversations"):
            status, answer = get(api, f"{path}?before={digits}")
            assert (status, answer["error"]["code"]) == (400, "bad_request"), path
        assert post(api, f"/inbox/{digits}/decision", {"as": "stop"})[0] == 404
        for path in (f"/stop-words/{digits}", f"/keys/{digits}"):
            assert api.delete(f"/api/v1{path}", base_url="http://127.0.0.1").status_code == 404, path
    for number in (2**31, 2**63):
        assert post(api, "/messages/settle", {"messages": [number], "as": "sent", "reason": "x"})[0] == 400
        assert post(api, "/conversations/read", {"peer": ANNA, "up_to": number})[0] == 400
    assert post(api, "/messages/settle", {"messages": [2**31 - 1], "as": "sent", "reason": "x"})[0] == 404
