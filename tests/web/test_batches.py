"""Batches over the API, and their page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from host_controller.messaging.batches import BatchDraft
from host_controller.messaging.submit import Accepted, Draft
from host_controller.rules.classes import MessageClass
from host_controller.rules.sticky import SimMode
from host_controller.store.models import SimRecord

ANNA, PETR = "+420777123456", "+420603111222"
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
BASE = "http://127.0.0.1"


def call(api, method, path, body=None):
    answer = api.open(f"/api/v1{path}", method=method, json=body, base_url=BASE)
    return answer.status_code, answer.json


def test_one_message_names_its_batch(api):
    body = {
        "number": ANNA, "text": "Sleva", "class": "marketing", "batch": "xmas",
        "not_before": "2026-11-25T14:00:00+01:00", "not_after": "2026-11-26T12:00:00Z",
    }  # fmt: skip
    assert call(api, "POST", "/messages", body)[0] == 202
    message = call(api, "GET", "/messages/1")[1]
    assert (message["class"], message["batch"], message["expires_at"]) == (
        "marketing", "xmas", "2026-11-26T12:00:00.000Z",
    )  # fmt: skip
    assert (message["waiting_for"], message["waiting_until"]) == ("not_before", "2026-11-25T13:00:00.000Z")
    assert call(api, "GET", "/batches/xmas") == (
        200,
        {
            "id": 1, "name": "xmas", "not_before": "2026-11-25T13:00:00.000Z", "not_after": "2026-11-26T12:00:00.000Z",
            "sim_mode": "auto", "created_at": "2026-11-25T12:00:00.000Z", "actor": "cli", "class": "marketing",
            "sims": [], "total": 1,
            "counts": {
                "queued": 1, "submitting": 0, "sent": 0, "failed": 0, "unknown": 0, "cancelled": 0, "expired": 0,
            },
        },
    )  # fmt: skip
    status, refused = call(api, "POST", "/messages", {"number": ANNA, "text": "x", "batch": "xmas", "class": "otp"})
    assert (status, refused["error"]["code"]) == (409, "batch_conflict")


def test_a_message_without_them_is_transactional_and_lives_a_day(api):
    call(api, "POST", "/messages", {"number": ANNA, "text": "x"})
    message = call(api, "GET", "/messages/1")[1]
    assert (message["class"], message["batch"]) == ("transactional", None)
    assert message["expires_at"] == "2026-11-26T12:00:00.000Z"


def test_what_a_message_does_not_say_its_call_says(api):
    bodies = [
        {"number": ANNA, "text": "1"},
        {"number": ANNA, "text": "2", "ttl_s": 60, "batch": "codes", "class": "otp"},
        {"number": ANNA, "text": "3", "batch": "codes"},
    ]
    results = call(api, "POST", "/messages", {"messages": bodies, "class": "marketing", "batch": "xmas", "ttl_s": 3600})
    assert [result.get("id") for result in results[1]["results"]] == [1, 2, None]
    assert results[1]["results"][2]["error"]["code"] == "batch_conflict"
    second, first = call(api, "GET", "/messages")[1]["messages"]
    assert (first["batch"], first["class"], first["expires_at"]) == ("xmas", "marketing", "2026-11-25T13:00:00.000Z")
    assert (second["batch"], second["class"], second["expires_at"]) == ("codes", "otp", "2026-11-25T12:01:00.000Z")
    assert [m["id"] for m in call(api, "GET", "/messages?batch=codes")[1]["messages"]] == [2]
    assert call(api, "GET", "/messages?batch=nothing")[1]["messages"] == []
    assert [b["name"] for b in call(api, "GET", "/batches")[1]["batches"]] == ["codes", "xmas"]
    assert [b["name"] for b in call(api, "GET", "/batches?limit=1&before=2")[1]["batches"]] == ["xmas"]


@pytest.mark.parametrize(
    ("values", "status", "code", "words"),
    [
        ({"class": "promo"}, 400, "bad_request", "class"),
        ({"clas": "otp"}, 400, "bad_request", "did you mean 'class'"),
        ({"not_before": "tomorrow"}, 400, "bad_request", "2026-12-01T09:00:00+01:00"),
        ({"not_before": "2026-11-25T14:00:00"}, 400, "bad_request", "with its zone"),
        ({"not_before": 1764072000}, 400, "bad_request", "with its zone"),
        ({"not_after": "9999-12-31T23:59:59-14:00"}, 400, "bad_request", "with its zone"),
        ({"not_after": "0001-01-01T00:00:00+14:00"}, 400, "bad_request", "with its zone"),
        ({"ttl_s": 0}, 400, "bad_request", "ttl_s"),
        ({"ttl_s": 1e300}, 400, "bad_request", "ttl_s"),
        ({"ttl_s": "60"}, 400, "bad_request", "ttl_s"),
        ({"batch": ""}, 400, "bad_request", "batch"),
        ({"batch": "a/b"}, 422, "invalid_batch", "without slashes"),
        ({"not_after": "2026-11-25T12:00:00Z"}, 422, "too_late", "2026-11-25 12:00:00 UTC"),
        (
            {"not_before": "2026-11-27T12:00:00Z", "not_after": "2026-11-26T12:00:00Z"},
            422, "invalid_window", "end after",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_explained(api, values, status, code, words):
    got, body = call(api, "POST", "/messages", {"number": ANNA, "text": "x", **values})
    assert (got, body["error"]["code"]) == (status, code)
    assert words in body["error"]["message"]
    if status == 400:
        assert call(api, "POST", "/messages", {"messages": [], **values})[0] == 400


@pytest.mark.parametrize("number", ["112", "158", "+420112", "1188", "90210", "9001234", "12"])
def test_short_and_emergency_numbers_are_refused_by_name(api, number):
    status, body = call(api, "POST", "/messages", {"number": number, "text": "x"})
    assert (status, body["error"]["code"]) == (422, "destination_refused")
    assert "emergency" in body["error"]["message"] or "short code" in body["error"]["message"]


def test_a_batch_is_made_moved_and_cancelled(api, services):
    body = {"name": "akce 50%", "class": "marketing", "sim_mode": "single", "sims": ["A1:1"]}
    status, made = call(api, "POST", "/batches", body)
    assert (status, made["sims"], made["sim_mode"], made["total"]) == (201, [1], "single", 0)
    assert call(api, "POST", "/batches", body)[0] == 409
    messages = [{"number": ANNA, "text": str(n)} for n in range(3)]
    call(api, "POST", "/messages", {"messages": messages, "batch": "akce 50%"})
    bell = services.bells.hang()
    window = {"not_before": "2026-12-01T00:00:00Z", "not_after": "2026-12-02T00:00:00Z"}
    assert call(api, "PATCH", "/batches/akce%2050%25", window)[1]["not_after"] == "2026-12-02T00:00:00.000Z"
    assert bell.is_set()
    assert call(api, "GET", "/messages/1")[1]["waiting_for"] == "not_before"
    changed = call(api, "PATCH", "/batches/akce%2050%25", {"not_before": None})[1]
    assert (changed["not_before"], changed["not_after"]) == (None, "2026-12-02T00:00:00.000Z")
    assert call(api, "POST", "/batches/akce%2050%25/cancel", {"reason": "wrong price"}) == (200, {"messages": 3})
    message = call(api, "GET", "/messages/1")[1]
    assert (message["state"], message["failure_code"], message["error_message"]) == (
        "cancelled", "withdrawn", "wrong price",
    )  # fmt: skip
    assert message["events"][-1]["actor"] == "cli"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/batches/none", None, 404, "not_found"),
        ("PATCH", "/batches/none", {"not_before": None}, 404, "not_found"),
        ("POST", "/batches/none/cancel", {"reason": "x"}, 404, "not_found"),
        ("POST", "/batches/none/cancel", {}, 400, "bad_request"),
        ("POST", "/batches", {"name": "a", "sim_mode": "split"}, 422, "invalid_batch"),
        ("POST", "/batches", {"name": "a", "sims": ["9"], "sim_mode": "single"}, 422, "config"),
        ("POST", "/batches", {"name": "."}, 422, "invalid_batch"),
        ("GET", "/batches?limit=0", None, 400, "bad_request"),
    ],
)
def test_errors_about_batches(api, method, path, body, status, code):
    got, answer = call(api, method, path, body)
    assert (got, answer["error"]["code"]) == (status, code)


def test_the_page_lists_batches(site, services):
    assert "No message has named a batch yet" in site.get("/batches").text
    services.submit(
        [
            Draft(ANNA, "x", batch="xmas <b>", message_class=MessageClass.MARKETING, not_before=NOW + timedelta(1)),
            Draft(PETR, "x", batch="xmas <b>"),
        ],
        "test",
    )
    page = site.get("/batches").text
    assert "xmas &lt;b&gt;" in page
    assert "xmas <b>" not in page
    assert "marketing" in page
    assert "2 queued" in page
    assert "26 Nov 13:00" in page
    assert "style=" not in page
    assert 'href="/batches"' in site.get("/").text


def test_the_live_part_of_the_page_is_sent_only_when_it_changed(site, services):
    first = site.get("/live/batches")
    assert site.get("/live/batches", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    services.submit([Draft(ANNA, "x", batch="xmas")], "test")
    assert "xmas" in site.get("/live/batches", headers={"If-None-Match": first.headers["ETag"]}).text


def test_the_page_of_a_message_names_class_batch_and_expiry(site, services):
    services.submit([Draft(ANNA, "x", batch="xmas", message_class=MessageClass.OTP)], "test")
    page = site.get("/messages/1").text
    assert "otp" in page
    assert "xmas" in page
    assert "expires 13:15:00" in page


def test_a_message_of_a_batch_for_any_sim_does_not_ring_the_whole_rack(services):
    def rung(**more):
        before = services.bells.counts
        (outcome,) = services.submit([Draft("+420777123456", "Ahoj", **more)], "test")
        assert isinstance(outcome, Accepted)
        after = services.bells.counts
        return after.changes - before.changes, after.arrivals - before.arrivals

    with services.store.reading() as session:
        sim_id, phone_id = session.execute(select(SimRecord.id, SimRecord.phone_id)).first()
    services.make_batch(BatchDraft("bound", sim_mode=SimMode.SINGLE, sim_ids=(sim_id,)), "test")
    assert rung(batch="spring") == (0, 1)
    assert rung(batch="spring", ref="r") == (0, 1)
    assert rung(batch="spring", ref="r") == (0, 1)  # nobody may have heard of it the first time
    assert rung(batch="bound") == (1, 0)
    assert rung(batch="spring", only_phone_id=phone_id) == (1, 0)
    assert rung(only_sim_id=sim_id, ref="s") == (1, 0)
    assert rung(only_sim_id=sim_id, ref="s") == (1, 0)
