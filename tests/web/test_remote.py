"""Remote phones and their keys through the API that operators use."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from host_controller.store.models import MessageRecord

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
