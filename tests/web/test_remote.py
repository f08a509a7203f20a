"""Remote phones and their keys through the API and the pages that operators use."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from host_controller.access.device_keys import list_keys
from host_controller.access.pairing import PairingCode
from host_controller.errors import CannotPairError
from host_controller.events import Bells
from host_controller.fleet.remote import find_remote
from host_controller.settings import GatewaySettings, Settings
from host_controller.store.models import DeviceKeyRecord, MessageRecord
from host_controller.wiring import make_api_app
from web import Services, create_app, make_pages

BASE, URL = "http://localhost:8765", "https://sms.example.com"
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
API = "http://127.0.0.1/api/v1"
ANNA, OWN, SECOND = "+420777123456", "+420602000001", "+420602000002"


@pytest.fixture
def add(api):
    def call(name="Remote-1", **values):
        return api.post(f"{API}/remote-phones", json={"name": name, "numbers": [OWN], **values})

    return call


def test_a_phone_is_added_with_its_first_key_and_shown_without_it(api, add):
    added = add(numbers=[OWN, SECOND], parts_per_day=50, parts_per_month=None, reissues=True)
    assert added.status_code == 201
    assert set(added.json) == {"name", "id", "sims", "key", "key_id", "prefix"}
    assert len(added.json["key"]) == 43
    (shown,) = api.get(f"{API}/remote-phones").json["remote_phones"]
    assert added.json["key"] not in str(shown)
    assert (shown["name"], shown["numbers"], shown["state"]) == ("Remote-1", [OWN, SECOND], "offline")
    assert [sim["id"] for sim in shown["sims"]] == added.json["sims"]
    assert {sim["parts_per_day"] for sim in shown["sims"]} == {50}
    (key,) = shown["keys"]
    assert (key["id"], key["prefix"], key["in_force"]) == (added.json["key_id"], added.json["prefix"], True)
    assert api.get(f"{API}/remote-phones/Remote-1").json == shown


def test_messages_are_bound_to_a_sim_or_a_phone(api, add, services):
    sims = add(numbers=[OWN, SECOND]).json["sims"]
    first = {"number": ANNA, "text": "Ahoj", "sim": SECOND}
    assert api.post(f"{API}/messages", json=first).status_code == 202
    call = {"messages": [{"number": ANNA, "text": "A"}, {"number": ANNA, "text": "B", "sim": "nobody"}]}
    results = api.post(f"{API}/messages", json={**call, "phone": "Remote-1"}).json["results"]
    assert "id" in results[0]
    assert results[1]["error"]["code"] == "no_such_sim"
    with services.store.reading() as session:
        rows = session.execute(select(MessageRecord.only_sim_id, MessageRecord.only_phone_id)).all()
    assert [tuple(row) for row in rows] == [(sims[1], None), (None, 2)]
    unknown = api.post(f"{API}/messages", json={"number": ANNA, "text": "Ahoj", "phone": "nobody"})
    assert (unknown.status_code, unknown.json["error"]["code"]) == (422, "no_such_phone")


@pytest.fixture
def settings():
    return Settings(gateway=GatewaySettings(public_url=URL, port=8766))


@pytest.fixture
def reached():
    return []


@pytest.fixture
def services(store, rack, settings, reached):
    return Services(store, rack, Bells(), settings, lambda: NOW, check_reach=reached.append)


def test_a_change_an_end_and_a_return(api, add, services):
    add()
    changed = api.patch(f"{API}/remote-phones/Remote-1", json={"heartbeat_limit_minutes": 7, "reissues": True})
    assert (changed.json["heartbeat_limit_minutes"], changed.json["reissues"]) == (7, True)
    assert api.delete(f"{API}/remote-phones/Remote-1").json == {"name": "Remote-1"}
    assert api.get(f"{API}/remote-phones").json == {"remote_phones": []}
    (archived,) = api.get(f"{API}/remote-phones?archived=true").json["remote_phones"]
    assert (archived["state"], archived["archived"]) == ("archived", True)
    assert api.delete(f"{API}/remote-phones/Remote-1").status_code == 404
    assert api.post(f"{API}/remote-phones/Remote-1/bring-back").json["state"] == "offline"
    events = api.get(f"{API}/phones/Remote-1").json["events"]
    assert {event["kind"] for event in events} >= {"added", "key_made", "changed", "archived", "brought_back"}


def test_keys_are_made_rotated_and_revoked(api, add):
    first = add().json
    made = api.post(f"{API}/remote-phones/Remote-1/keys", json={"label": "shop", "parts_per_day": 30})
    assert made.status_code == 201
    assert made.json["key"].startswith(made.json["prefix"])
    again = api.post(f"{API}/remote-phones/Remote-1/keys", json={"replaces": made.json["id"], "overlap_minutes": 5})
    keys = {key["id"]: key for key in api.get(f"{API}/keys").json["keys"]}
    assert keys[made.json["id"]]["expires_at"] == "2026-11-25T12:05:00.000Z"
    rotated = keys[again.json["id"]]
    assert (rotated["label"], rotated["parts_per_day"], rotated["expires_at"]) == ("shop", 30, None)
    assert api.delete(f"{API}/keys/{first['key_id']}").json == {"id": first["key_id"]}
    keys = {key["id"]: key for key in api.get(f"{API}/keys").json["keys"]}
    assert [keys[id_]["in_force"] for id_ in (first["key_id"], made.json["id"], again.json["id"])] == [
        False,
        True,
        True,
    ]
    listed = str(keys)
    assert not any(secret in listed for secret in (first["key"], made.json["key"], again.json["key"]))
    assert "digest" not in listed
    assert api.delete(f"{API}/keys/99").json["error"]["code"] == "unknown_key"
    assert api.delete(f"{API}/keys/99").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/remote-phones", {"name": "R", "numbers": []}, 422),
        ("/remote-phones", {"name": "R", "numbers": ["12"]}, 422),
        ("/remote-phones", {"name": "R", "numbers": [OWN], "parts_per_day": 5}, 400),
        ("/remote-phones", {"name": "R", "numbers": [OWN], "parts_per_minute": None}, 400),
        ("/remote-phones", {"name": "R", "numbers": [OWN], "heartbeat_limit_minutes": 0}, 400),
        ("/remote-phones", {"name": "Remote-1", "numbers": [SECOND]}, 409),
        ("/remote-phones", {"name": "R", "numbers": [OWN]}, 409),
        ("/remote-phones", {"name": "R", "numbers": [SECOND], "secret": "x"}, 400),
        ("/remote-phones/nobody/keys", {}, 404),
        ("/remote-phones/nobody/pairing", {}, 404),
        ("/remote-phones/nobody/bring-back", {}, 404),
        ("/remote-phones/Remote-1/keys", {"replaces": 99}, 404),
        ("/remote-phones/Remote-1/keys", {"expires_at": "2020-01-01T00:00:00Z"}, 422),
        ("/remote-phones/Remote-1/keys", {"expires_at": "2027-01-01"}, 400),
        ("/remote-phones/Remote-1/keys", {"calls_per_minute": 0}, 400),
        ("/remote-phones/Remote-1/keys", {"overlap_minutes": float("nan")}, 400),
    ],
)
def test_what_is_wrong_is_said(api, add, path, body, status):
    add()
    answer = api.post(f"{API}{path}", json=body)
    assert answer.status_code == status, answer.json
    assert answer.json["error"]["message"]


def test_pairing_looks_first_and_gives_the_code_in_every_form(api, add, reached):
    add()
    paired = api.post(f"{API}/remote-phones/Remote-1/pairing", json={"label": "shop"})
    assert paired.status_code == 201
    assert reached == [URL]
    payload = paired.json["payload"]
    assert list(payload) == ["type", "url", "api_key"]
    assert (payload["type"], payload["url"]) == ("sms_gateway", URL)
    code = PairingCode(URL, payload["api_key"])
    assert paired.json["svg"] == code.svg()
    assert base64.b64decode(paired.json["png_base64"]) == code.png()
    api.post(f"{API}/remote-phones/Remote-1/pairing", json={"check": False})
    assert reached == [URL]


def test_without_an_address_there_is_no_code_and_no_key(api, add, services):
    add()
    api = make_api_app(replace(services, settings=Settings())).test_client()
    refused = api.post(f"{API}/remote-phones/Remote-1/pairing")
    assert (refused.status_code, refused.json["error"]["code"]) == (422, "cannot_pair")
    assert "gateway.public_url" in refused.json["error"]["message"]
    assert len(api.get(f"{API}/keys").json["keys"]) == 1


def beat(services, key_id, at=NOW):
    def work(session):
        session.get_one(DeviceKeyRecord, key_id).used_at = at
        find_remote(session, "Remote-1").remote.heartbeat_at = at

    services.store.write(work)


def test_a_phone_is_online_for_as_long_as_its_heartbeat_is_young_enough(api, add, services):
    key_id = add().json["key_id"]
    for age_s, state in ((0, "online"), (300, "online"), (301, "offline")):
        beat(services, key_id, NOW - timedelta(seconds=age_s))
        assert api.get(f"{API}/remote-phones/Remote-1").json["state"] == state


def test_nobody_is_told_to_look_after_its_cable(api, add):
    add()
    (card,) = [phone for phone in api.get(f"{API}/phones").json["phones"] if phone["serial"] == "Remote-1"]
    assert (card["send_way"], card["status"]) == ("remote", "offline")
    assert "cable" not in card["advice"]


# The pages.


def page(site, path="/remote-phones"):
    return site.get(path, base_url=BASE).text


@pytest.fixture
def post(site):
    def send(path, token_from="/remote-phones", **data):
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page(site, token_from))[1]
        headers = {"Referer": f"{BASE}/remote-phones", "Origin": BASE}
        return site.post(path, data={"csrf_token": token, **data}, base_url=BASE, headers=headers)

    return send


def test_a_phone_is_added_paired_heard_and_archived_on_the_pages(site, post, services):
    added = post("/remote-phones", name="Remote-1", number=OWN, second="", heartbeat_limit_minutes="5")
    assert added.location.endswith("/remote-phones/Remote-1/pairing")
    assert "Remote-1 is added" in page(site, added.location)
    assert "no key in force" in page(site)

    paired = post("/remote-phones/Remote-1/pairing", label="<i>shop</i>", replaces="0", check="y")
    assert paired.status_code == 200
    assert paired.headers["Cache-Control"] == "no-store"
    with services.store.reading() as session:
        (key,) = list_keys(session)
    secret = re.search(r"<code>([\w-]{43})</code>", paired.text)[1]
    assert secret[:8] == key.prefix
    assert PairingCode(URL, secret).svg() in paired.text
    assert f"<code>{URL}</code>" in paired.text
    assert "Waiting for the first heartbeat" in paired.text
    assert not re.search(r"<style|style=|<script(?! src=)|\bon\w+=", paired.text)

    live = f"/live/keys/{key.id}"
    assert live in paired.text
    first = site.get(live, base_url=BASE)
    assert site.get(live, base_url=BASE, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    beat(services, key.id)
    assert "The phone is there" in page(site, live)

    shown = page(site)
    assert secret not in shown
    assert "online" in shown
    assert "&lt;i&gt;shop&lt;/i&gt;" in shown
    assert page(site, "/live/remote-phones").strip() in shown

    assert "never opens anything again" in page(site, f"/keys/{key.id}/revoke")
    post(f"/keys/{key.id}/revoke")
    assert "no key in force" in page(site)
    assert "opens nothing any more" in page(site, live)
    assert "out of the rack?" in page(site, "/remote-phones/Remote-1/archive")
    post("/remote-phones/Remote-1/archive")
    assert "Bring back" in page(site)
    post("/remote-phones/Remote-1/bring-back")
    assert "Bring back" not in page(site)


def test_the_live_part_changes_with_a_heartbeat_only(site, api, add, services):
    key_id = add().json["key_id"]
    first = site.get("/live/remote-phones", base_url=BASE)
    same = {"If-None-Match": first.headers["ETag"]}
    assert site.get("/live/remote-phones", base_url=BASE, headers=same).status_code == 304
    beat(services, key_id)
    assert site.get("/live/remote-phones", base_url=BASE, headers=same).status_code == 200


def test_the_pages_say_why_not(site, post, services, add):
    assert "write a name" in post("/remote-phones", name="", number=OWN).text
    refused = post("/remote-phones", name="R 1", number=OWN, heartbeat_limit_minutes="5")
    assert (refused.status_code, "letters, digits" in refused.text) == (422, True)
    add()

    def no_way(_url):
        raise CannotPairError("no phone would get there")

    closed = replace(services, check_reach=no_way)
    app = create_app([make_pages(closed)], secret="s" * 64, allowed_hosts=["localhost"])
    client = app.test_client()
    path = "/remote-phones/Remote-1/pairing"
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page(client, path))[1]
    headers = {"Referer": f"{BASE}{path}", "Origin": BASE}
    data = {"csrf_token": token, "replaces": "0", "check": "y"}
    assert client.post(path, data=data, base_url=BASE, headers=headers).status_code == 302
    assert "no phone would get there" in page(client, path)
    with services.store.reading() as session:
        assert len(list_keys(session)) == 1


@pytest.mark.parametrize(
    "path",
    ["/remote-phones", "/remote-phones/Remote-1/pairing", "/remote-phones/Remote-1/archive",
     "/remote-phones/Remote-1/bring-back", "/keys/1/revoke"],
)  # fmt: skip
def test_no_form_is_taken_without_its_token_or_from_another_site(site, add, services, path):
    add()
    headers = {"Referer": f"{BASE}{path}", "Origin": BASE}
    assert site.post(path, data={"name": "R-2", "number": SECOND}, base_url=BASE, headers=headers).status_code == 400
    assert site.post(path, base_url=BASE, headers={"Origin": "http://evil"}).status_code in (400, 403)
    with services.store.reading() as session:
        assert [key.revoked_at for key in list_keys(session)] == [None]
        assert find_remote(session, "Remote-1")


@pytest.mark.parametrize(
    "path", ["/remote-phones/x/pairing", "/remote-phones/x/archive", "/keys/9/revoke", "/live/keys/9"]
)
def test_what_is_not_there_is_404(site, path):
    assert site.get(path, base_url=BASE).status_code == 404
