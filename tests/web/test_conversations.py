"""Conversations: both ways, unread marks, search, and an answer from the SIM that was written to."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from host_controller.store.models import MessageRecord
from tests.web.conftest import NOW
from tests.web.test_consent import ANNA, API, BASE, PETR, receive

__all__ = ["receive"]


def conversations(api, **query):
    return api.get(f"{API}/conversations", query_string=query).json["conversations"]


def messages(api, peer, **query):
    return api.get(f"{API}/conversations/messages", query_string={"peer": peer, **query}).json["messages"]


@pytest.fixture
def post(site):
    def send(path: str, peer: str, **data):
        page = site.get("/conversation", query_string={"peer": peer}, base_url=BASE).text
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)[1]
        headers = {"Referer": f"{BASE}/conversation", "Origin": BASE}
        return site.post(path, data={"csrf_token": token, "peer": peer, **data}, base_url=BASE, headers=headers)

    return send


def test_who_wrote_last_comes_first_with_what_is_not_read_yet(api, receive):
    for sender, text in ((ANNA, "jedna"), (PETR, "dvě"), ("Banka", "kód 123"), ("777123456", "tři")):
        receive(sender, text)
    found = conversations(api)
    assert [(one["peer"], one["unread"], one["last_text"]) for one in found] == [
        (ANNA, 2, "tři"),
        ("Banka", 1, "kód 123"),
        (PETR, 1, "dvě"),
    ]
    assert [one["is_number"] for one in found] == [True, False, True]
    assert [one["peer"] for one in conversations(api, limit=1, before=found[0]["last_id"])] == ["Banka"]


def test_a_conversation_has_both_directions_in_their_order(api, services, store, receive):
    receive(ANNA, "Kdy přijedete?")
    assert api.post(f"{API}/conversations/reply", json={"peer": ANNA, "text": "V pět."}).status_code == 202
    said = messages(api, ANNA)
    assert [(one["is_inbound"], one["text"]) for one in said] == [(True, "Kdy přijedete?"), (False, "V pět.")]
    assert said[0]["is_unread"] is False
    with store.reading() as session:
        assert session.get_one(MessageRecord, 1).only_sim_id == 1
    assert conversations(api, unread="true") == []
    assert api.get(f"{API}/conversations/messages?peer=%2B420605999888").status_code == 404
    assert api.post(f"{API}/conversations/reply", json={"peer": PETR, "text": "x"}).status_code == 404
    later = (NOW + timedelta(days=1)).isoformat()
    assert len(messages(api, ANNA, before=later, limit=1)) == 1


def test_what_cannot_be_answered_says_why(api, receive):
    receive("Banka", "kód")
    refused = api.post(f"{API}/conversations/reply", json={"peer": "Banka", "text": "x"})
    assert refused.status_code == 422
    receive(ANNA, "STOP")
    assert api.post(f"{API}/conversations/reply", json={"peer": ANNA, "text": "x"}).status_code == 451
    assert conversations(api, unread="true")[0]["peer"] == ANNA


@pytest.mark.parametrize("written", ["777 123 456", "00420777123456", " 420777123456"])
def test_a_number_is_the_same_however_it_is_written(api, site, receive, written):
    receive(ANNA, "Kdy?")
    assert [one["text"] for one in messages(api, written)] == ["Kdy?"]
    assert site.get("/conversation", query_string={"peer": written}, base_url=BASE).status_code == 200
    assert api.post(f"{API}/conversations/read", json={"peer": written, "up_to": 1}).json == {"messages": 1}
    answer = {"peer": written, "text": "V pět.", "ref": "r"}
    assert api.post(f"{API}/conversations/reply", json=answer).status_code == 202
    assert api.post(f"{API}/conversations/reply", json={**answer, "text": "V šest."}).status_code == 409


def test_reading_marks_what_was_there_and_nothing_later(api, receive):
    receive(ANNA, "jedna")
    receive(ANNA, "dvě")
    body = {"peer": ANNA, "up_to": 1}
    assert api.post(f"{API}/conversations/read", json=body).json == {"messages": 1}
    assert api.post(f"{API}/conversations/read", json=body).json == {"messages": 0}
    assert conversations(api)[0]["unread"] == 1


def test_an_answer_marks_as_read_what_its_writer_has_seen_and_nothing_later(site, api, receive, post):
    receive(ANNA, "jedna")
    shown = site.get("/conversation", query_string={"peer": ANNA}, base_url=BASE).text
    seen = re.findall(r'name="up_to" value="(\d+)"', shown)
    receive(ANNA, "dvě")
    assert seen == ["1", "1"]  # for the answer, and for the button
    assert post("/conversation/reply", ANNA, text="Ano", up_to=seen[0]).status_code == 302
    assert [one["is_unread"] for one in messages(api, ANNA) if one["is_inbound"]] == [False, True]
    receive(ANNA, "tři")
    api.post(f"{API}/conversations/reply", json={"peer": ANNA, "text": "Tak v pět", "up_to": 2})
    assert [one["is_unread"] for one in messages(api, ANNA) if one["is_inbound"]] == [False, False, True]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("777", {ANNA}),
        ("777 123 456", {ANNA}),
        ("+420 (777) 123-456", {ANNA}),
        ("00420777", {ANNA}),
        ("dovolen", {PETR}),
        ("V PĚT", {ANNA}),
        ("MÁM", {PETR}),
        ("100%", {PETR}),
        ("%", {PETR}),
        ("_", set()),
    ],
)
def test_the_search_looks_in_numbers_and_texts_of_both_ways(api, receive, search, found):
    receive(ANNA, "Kdy?")
    receive(PETR, "Mám dovolenou na 100%")
    api.post(f"{API}/conversations/reply", json={"peer": ANNA, "text": "v pět"})
    assert {one["peer"] for one in conversations(api, search=search)} == found


def test_the_pages_show_it_and_escape_what_strangers_write(site, api, receive, post):
    receive(ANNA, "<script>alert(1)</script>")
    listed = site.get("/conversations", base_url=BASE).text
    assert "&lt;script&gt;" in listed
    assert "<b>1</b>" in listed
    assert "Conversations: 1 not read" in listed
    assert post("/conversation/reply", ANNA, text="Nerozumím").status_code == 302
    shown = site.get("/conversation", query_string={"peer": ANNA}, base_url=BASE).text
    assert "Nerozumím" in shown
    assert "Mark as read" not in shown
    receive(ANNA, "Tak nic")
    assert post("/conversation/read", ANNA, up_to=2).status_code == 302
    assert "<b>1</b>" not in site.get("/conversations", base_url=BASE).text
    assert "Nothing found" in site.get("/conversations?unread=1", base_url=BASE).text
    assert site.get("/conversation?peer=nobody", base_url=BASE).status_code == 404
    assert site.post("/conversation/reply", data={"peer": ANNA, "text": "x"}, base_url=BASE).status_code in (302, 400)
    assert len(messages(api, ANNA)) == 3


def test_an_answer_that_is_refused_stays_in_the_form(receive, post):
    receive(ANNA, "Kdy?")
    shown = post("/conversation/reply", ANNA, text="ž" * 1000)
    assert shown.status_code == 200
    assert "shorten it" in shown.text
    assert "ž" * 1000 in shown.text


def test_older_messages_are_one_click_away(site, receive):
    for n in range(101):
        receive(ANNA, f"zpráva {n}", ms_ago=1000 - n)
    newest = site.get("/conversation", query_string={"peer": ANNA}, base_url=BASE).text
    assert "<bdi>zpráva 0</bdi>" not in newest
    older = re.search(r'href="([^"]+)">Older ones', newest)[1].replace("&amp;", "&")
    shown = site.get(older, base_url=BASE).text
    assert "<bdi>zpráva 0</bdi>" in shown
    assert "Older ones" not in shown
    assert site.get("/conversation?peer=x&before=soon", base_url=BASE).status_code == 400


@pytest.mark.parametrize("sender", ["Banka", ""])
def test_a_name_has_no_form_for_an_answer(api, site, receive, sender):
    receive(sender, "kód")
    assert messages(api, sender)[0]["text"] == "kód"
    assert ">Banka<" in (listed := site.get("/conversations", base_url=BASE).text) or ">no sender<" in listed
    shown = site.get("/conversation", query_string={"peer": sender}, base_url=BASE).text
    assert "cannot be answered" in shown
    assert "Mark as read" in shown
    assert "<textarea" not in shown


def test_a_decided_stop_is_shown_as_decided(api, site, receive):
    receive(ANNA, "Na zastávce STOP počkám")
    pages = ("/", f"/conversation?peer={ANNA.replace('+', '%2B')}")
    assert all(
        words in site.get(page, base_url=BASE).text
        for page, words in zip(pages, ("STOP?", "may be a STOP"), strict=True)
    )
    assert api.post(f"{API}/inbox/1/decision", json={"as": "nothing"}).status_code == 200
    assert "STOP?" not in site.get(pages[0], base_url=BASE).text
    assert "decided: not a STOP" in site.get(pages[1], base_url=BASE).text
    assert messages(api, ANNA)[0]["decision"] == "nothing"


def test_what_came_in_leads_to_its_conversation(site, receive):
    receive("777 123 456", "Na zastávce STOP počkám")
    for page in ("/", "/consent"):
        link = re.search(r'href="(/conversation\?peer=[^"]+)"', site.get(page, base_url=BASE).text)[1]
        assert "počkám" in site.get(link, base_url=BASE).text
