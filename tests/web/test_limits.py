"""Limits of a SIM on the pages and in the API: changed, and what is spent and left of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from device_drivers.base import Sim
from host_controller.fleet.phone import RackSim
from host_controller.messaging.holds import HoldKind, Scope
from host_controller.messaging.submit import Draft
from host_controller.rules.ledger import Spent
from host_controller.store.models import AttemptRecord, MessageRecord, SimRecord

ANNA, BORIS = "+420777000001", "+420777000002"
LIMITS = {
    "parts_per_minute": 30,
    "parts_per_hour": 100,
    "parts_per_day": 400,
    "parts_per_month": 5000,
    "recipients_per_month": 200,
    "month_reset_day": 17,
    "jitter_percent": 20,
    "zone": "America/Havana",
}

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def patch(api, changes, sim=1):
    return api.patch(f"/api/v1/sims/{sim}", json=changes, base_url="http://127.0.0.1")


def get(api, path):
    return api.get(f"/api/v1{path}", base_url="http://127.0.0.1").json


def limits_on_record(services):
    with services.store.reading() as session:
        record = session.get_one(SimRecord, 1)
        return {name: getattr(record, name) for name in LIMITS}


def test_every_limit_is_changed_and_taken_away(api, services):
    assert patch(api, LIMITS).json == {"id": 1, **LIMITS}
    assert limits_on_record(services) == LIMITS
    gone = {name: None for name in LIMITS if name.startswith(("parts_per_", "recip")) and "minute" not in name}
    assert patch(api, {**gone, "zone": None}).status_code == 200
    assert limits_on_record(services) == {
        **dict.fromkeys(LIMITS), "parts_per_minute": 30, "month_reset_day": 17, "jitter_percent": 20,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parts_per_hour": 9}, "'parts_per_hour': must be 10 or more: a message of the longest kind has to fit in"),
        ({"parts_per_month": 1}, "must be 10 or more"),
        ({"recipients_per_month": 0}, "'recipients_per_month'"),
        ({"month_reset_day": 32}, "'month_reset_day'"),
        ({"jitter_percent": -1}, "'jitter_percent'"),
        ({"parts_per_minute": None}, "'parts_per_minute'"),
        ({"zone": "Prague"}, "'zone': is not a time zone; write one like Europe/Prague"),
        ({"parts_per_weak": 100}, "did you mean"),
    ],
)
def test_a_wrong_limit_is_named_and_nothing_is_changed(api, services, changes, words):
    before = limits_on_record(services)
    answer = patch(api, {"parts_per_day": 77, **changes})
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "bad_request")
    assert words in answer.json["error"]["message"]
    assert limits_on_record(services) == before


def put_on_record(services, *uses):
    def work(session):
        for number, (at, parts, message_class, msisdn) in enumerate(uses, 1):
            session.add(
                MessageRecord(
                    id=number,
                    uid=number,
                    msisdn=msisdn,
                    text="Ahoj",
                    part_count=parts,
                    state="sent",
                    sim_id=1,
                    message_class=message_class,
                    created_at=at,
                    changed_at=at,
                )
            )
            session.add(
                AttemptRecord(
                    message_id=number,
                    n=1,
                    wire_id=number,
                    phone_id=1,
                    sim_id=1,
                    part_count=parts,
                    state="sent",
                    intent_at=at,
                    phone_clock_ms=0,
                )
            )

    services.store.write(work)


def test_an_absent_phone_says_what_the_database_knows(api, services, rack):
    rack.views.clear()
    patch(api, {"parts_per_hour": 20, "parts_per_month": 1000, "recipients_per_month": 10})
    now = services.clock()
    put_on_record(
        services,
        (now - timedelta(hours=1), 1, "otp", ANNA),
        (now - timedelta(minutes=59), 2, "marketing", ANNA),
        (now - timedelta(hours=14), 4, "marketing", BORIS),
        (now - timedelta(days=30), 8, "marketing", BORIS),
    )
    (phone,) = get(api, "/phones")["phones"]
    quotas = phone["sims"][0]["quotas"]
    assert {name: (quota["spent"], quota["limit"]) for name, quota in quotas.items()} == {
        "hour": (2, 20), "day": (3, 500), "month": (7, 1000), "recipients": (2, 10),
    }  # fmt: skip
    assert quotas["month"]["left"] == {"otp": 993, "transactional": 984, "marketing": 984}
    assert phone["sims"][0]["sent_parts_today"] == 3


def test_a_phone_in_sight_is_not_asked_about_in_the_database(api, rack, site, services):
    (view,) = rack.views
    sim = replace(view.enrolled.sims[0], parts_per_hour=60, parts_per_month=900)
    spent = Spent(hour=(1, 2, 0), day=(1, 2, 40), month=(1, 2, 800))
    asked = []

    def tell(now: datetime):
        asked.append(now)
        return {1: spent}

    rack.views[:] = [replace(view, enrolled=replace(view.enrolled, sims=(sim,)), spent=tell)]
    (card,) = get(api, "/phones")["phones"][0]["sims"]
    assert (card["sent_parts_today"], card["quotas"]["hour"]["spent"]) == (43, 3)
    assert card["quotas"]["month"]["left"] == {"otp": 97, "transactional": 89, "marketing": 89}
    assert asked == [services.clock()]
    page = site.get("/").text
    assert "hour 3 <i>/ 60</i> · month 803 <i>/ 900</i>" in page
    assert "803 / 900" in site.get("/phones/A1").text


def queue(services, count):
    services.submit([Draft(f"+4207770{n:05}", "Ahoj") for n in range(count)], "test")


def test_the_outlook(api, rack, site, services):
    assert get(api, "/status")["queue_parts"] == 0
    queue(services, 40)
    (view,) = rack.views
    fast = RackSim(1, Sim(0, 11, None, None), 20, None)
    rack.views[:] = [
        replace(view, enrolled=replace(view.enrolled, sims=(fast,)), spent=lambda now: {1: Spent()}),
    ]
    status = get(api, "/status")
    assert status["queue_parts"] == 40
    # One at once, then one each three seconds, under a guard of 25 in 65 s.
    assert "2026-11-25T12:01:50" < status["queue_empty_at"] < "2026-11-25T12:02:10"
    assert "40 parts wait; they will have gone about 13:0" in site.get("/").text


def test_the_outlook_leaves_out_what_waits_for_a_person(api, rack, site, services, store):
    queue(services, 40)
    services.submit([Draft("+420777000001", "Ahoj", not_before=NOW + timedelta(days=3), ttl_s=864_000)], "test")
    later = NOW + timedelta(days=3)

    def hold(session):
        session.execute(update(MessageRecord).where(MessageRecord.id <= 30).values(waiting_for="stale"))

    store.write(hold)
    (view,) = rack.views
    rack.views[:] = [replace(view, spent=lambda now: {1: Spent()})]
    status = get(api, "/status")
    assert (status["queue_parts"], status["queue_held_parts"]) == (41, 30)
    # The last of the others goes when it is due.
    assert datetime.fromisoformat(status["queue_empty_at"]) == later
    assert "41 parts wait, 30 of them for a person; the others will have gone about" in site.get("/").text
    services.control.hold(Scope.RACK, None, HoldKind.PAUSED, "wait", "test")
    services.forecast._kept = None
    status = get(api, "/status")
    assert (status["queue_held_parts"], status["queue_empty_at"]) == (41, None)
    assert "41 parts wait for a person" in site.get("/").text


def test_no_outlook_without_a_phone(api, rack, site, services):
    queue(services, 2)
    rack.views.clear()
    assert get(api, "/status")["queue_empty_at"] is None
    assert "2 parts wait for a phone." in site.get("/").text


def test_an_outlook_of_more_than_a_year_says_so(api, rack, site, services):
    queue(services, 200)
    (view,) = rack.views
    slow = RackSim(1, Sim(0, 11, None, None), 20, None, parts_per_month=10)
    rack.views[:] = [replace(view, enrolled=replace(view.enrolled, sims=(slow,)), spent=lambda now: {1: Spent()})]
    assert get(api, "/status")["queue_empty_at"] is None
    assert "200 parts wait; by the limits of the SIMs they will not have gone within a year." in site.get("/").text


def test_a_new_limit_is_in_force_at_once(api, rack, services):
    patch(api, {"parts_per_hour": 50})
    assert rack.handles["A1"].done[-1] == {"enrolled": None}
    with services.store.reading() as session:
        assert session.scalar(select(SimRecord.parts_per_hour)) == 50
