"""Operators edit the STOP words, choose what may leave the host, and how a STOP is answered."""

from __future__ import annotations

import pytest

from tests.web.test_consent import ANNA, API, BASE, PETR, page, post, receive

__all__ = ["post", "receive"]


def inbound(api):
    return {row["text"]: row for row in api.get(f"{API}/inbox").json["inbound"]}


def test_a_word_that_is_added_counts_from_the_next_message_on(api, receive):
    receive(ANNA, "Zhasni!")
    made = api.post(f"{API}/stop-words", json={"list": "stop", "word": "Zhasni!"})
    assert made.status_code == 201
    receive(PETR, "zhasni prosím")
    assert [row["number"] for row in api.get(f"{API}/optouts").json["optouts"]] == [PETR]
    (edit,) = api.get(f"{API}/stop-words").json["edits"]
    assert (edit["listed_in"], edit["word"], edit["is_added"]) == ("stop", "zhasni", True)
    assert api.delete(f"{API}/stop-words/{made.json['id']}").json == {}
    assert api.delete(f"{API}/stop-words/{made.json['id']}").status_code == 404
    assert api.post(f"{API}/stop-words/try", json={"text": "zhasni"}).json["stop"] == "none"


def test_a_shipped_word_is_taken_out_and_comes_back(api):
    assert api.post(f"{API}/stop-words/try", json={"text": "KONEC"}).json["stop"] == "certain"
    made = api.post(f"{API}/stop-words", json={"list": "soft", "word": "Konec", "as": "drop"}).json
    assert api.post(f"{API}/stop-words/try", json={"text": "KONEC"}).json["stop"] == "none"
    assert "konec" not in api.get(f"{API}/stop-words").json["lists"]["soft"]
    api.delete(f"{API}/stop-words/{made['id']}")
    assert api.post(f"{API}/stop-words/try", json={"text": "KONEC"}).json["stop"] == "certain"


@pytest.mark.parametrize(
    "body",
    [
        {"list": "stop", "word": "!?"},
        {"list": "stop", "word": "x" * 65},
        {"list": "stop", "word": "Stop"},
        {"list": "stop", "word": "zhasni", "as": "drop"},
        {"list": "nothing", "word": "zhasni"},
    ],
    ids=["nothing to compare", "too long", "there already", "not there", "no such list"],
)
def test_a_word_that_cannot_stand_there_is_refused(api, body):
    answer = api.post(f"{API}/stop-words", json=body)
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "invalid_stop_word")


@pytest.mark.parametrize(
    ("policy", "leave"),
    [
        (
            "all",
            {
                "Kód 123456",
                "Ano, přijdu",
                "STOP",
                "rekl jsem ze kdyz to neprestane tak reknu stop",
                "Kód 654321. Pro odhlášení odpovězte STOP",
            },
        ),
        ("known", {"Ano, přijdu", "STOP", "rekl jsem ze kdyz to neprestane tak reknu stop"}),
        ("stop", {"STOP", "rekl jsem ze kdyz to neprestane tak reknu stop"}),
    ],
)
def test_what_may_leave_this_host(api, receive, policy, leave):
    """The codes of banks and private texts of strangers stay, unless somebody chooses otherwise."""
    assert api.get(f"{API}/inbox/policy").json == {"forward": "known", "stop_answer": None, "bars": "all"}
    api.patch(f"{API}/inbox/policy", json={"forward": policy})
    api.post(f"{API}/messages", json={"number": ANNA, "text": "Přijdete?"})
    receive("Banka", "Kód 123456")
    receive(ANNA, "Ano, přijdu")
    receive(PETR, "STOP")
    receive(ANNA, "rekl jsem ze kdyz to neprestane tak reknu stop")
    receive("+420605333444", "Kód 654321. Pro odhlášení odpovězte STOP")
    assert {text for text, row in inbound(api).items() if row["may_forward"]} == leave
    may_leave = api.get(f"{API}/inbox?may_forward=true").json["inbound"]
    assert {row["text"] for row in may_leave} == leave


def test_what_a_stranger_says_leaves_once_a_person_has_found_it_a_stop(api, receive):
    receive(PETR, "dejte mi s tim prosim vas uz konecne stop lidi")
    (row,) = inbound(api).values()
    assert (row["stop"], row["may_forward"]) == ("suspected", False)
    api.post(f"{API}/inbox/{row['id']}/decision", json={"as": "stop"})
    (row,) = inbound(api).values()
    assert row["may_forward"]


def test_the_answer_to_a_stop_is_chosen_and_taken_back(api):
    chosen = api.patch(f"{API}/inbox/policy", json={"stop_answer": "Odhlášeno."}).json
    assert chosen == {"forward": "known", "stop_answer": "Odhlášeno.", "bars": "all"}
    assert api.patch(f"{API}/inbox/policy", json={"stop_answer": "x" * 500}).status_code == 422
    assert api.patch(f"{API}/inbox/policy", json={"forward": "all"}).json["stop_answer"] == "Odhlášeno."
    assert api.patch(f"{API}/inbox/policy", json={"stop_answer": None}).json["stop_answer"] is None


def test_the_page_does_the_same(site, api, post):
    assert post("/consent/words", list="stop", word="Zhasni", action="add").status_code == 302
    shown = page(site)
    assert "<bdi>zhasni</bdi>" in shown
    post("/consent/words/1")
    assert "<bdi>zhasni</bdi>" not in page(site)
    post("/consent/policy", forward="stop", stop_answer="Odhlášeno. <b>", bars="marketing")
    assert api.get(f"{API}/inbox/policy").json == {
        "forward": "stop",
        "stop_answer": "Odhlášeno. <b>",
        "bars": "marketing",
    }
    assert 'value="Odhlášeno. &lt;b&gt;"' in page(site)
    assert post("/consent/policy", forward="nobody").status_code == 400
    assert site.post("/consent/policy", data={}, base_url=BASE).status_code in (400, 403)


@pytest.mark.parametrize(
    ("bars", "left"), [("all", []), ("marketing", [f"{c} {n}" for n in range(3) for c in ("transactional", "otp")])]
)
def test_what_a_stop_cancels_and_what_is_refused_from_then_on(api, receive, bars, left):
    api.patch(f"{API}/inbox/policy", json={"bars": bars})
    for n in range(3):
        for c in ("marketing", "transactional", "otp"):
            body = {"number": ANNA, "text": f"{c} {n}", "class": c}
            assert api.post(f"{API}/messages", json=body).status_code == 202
    receive(ANNA, "STOP")
    queued = api.get(f"{API}/messages?state=queued").json["messages"]
    assert sorted(message["text"] for message in queued) == sorted(left)
    for c, status in (("marketing", 451), ("transactional", 202 if left else 451), ("otp", 202 if left else 451)):
        body = {"number": ANNA, "text": f"{c} later", "class": c}
        assert api.post(f"{API}/messages", json=body).status_code == status
