"""The page and the API of what may be a STOP, and of the numbers that must not be written to."""

from __future__ import annotations

import re

import pytest

from device_drivers.base import InboxRow
from host_controller.inbox.receive import InboundStore
from host_controller.messaging.submit import Draft
from host_controller.store import queries

BASE, API = "http://localhost:8765", "http://127.0.0.1/api/v1"
ANNA, PETR = "+420777123456", "+420603111222"
NOW_MS = 1_764_072_000_000


@pytest.fixture
def receive(services):
    inbound = InboundStore(services.store, services.settings, services.clock)
    counter = iter(range(1, 1000))

    def take(sender: str, text: str, ms_ago: int = 0) -> None:
        n = next(counter)
        at_ms = NOW_MS + n - ms_ago
        inbound.take(1, [InboxRow(n, at_ms, at_ms, 11, sender, text)], NOW_MS + n)

    return take


@pytest.fixture
def post(site):
    def send(path: str, **data):
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', site.get("/consent", base_url=BASE).text)[1]
        headers = {"Referer": f"{BASE}/consent", "Origin": BASE}
        return site.post(path, data={"csrf_token": token, **data}, base_url=BASE, headers=headers)

    return send


def page(site):
    return site.get("/consent", base_url=BASE).text


def states(services):
    with services.store.reading() as session:
        return [view.state for view in queries.list_messages(session)]


def test_a_suspected_stop_waits_on_the_page_for_one_click(site, services, receive, post):
    services.submit([Draft(ANNA, "Sleva")], "test")
    receive(ANNA, "<img src=x> rekl jsem vam ze kdyz to neprestane tak reknu stop")
    assert "&lt;img src=x&gt;" in page(site)
    assert "1 reply" in site.get("/", base_url=BASE).text
    assert states(services) == ["queued"]
    assert post("/inbox/1/decision", **{"as": "stop"}).status_code == 302
    assert states(services) == ["cancelled"]
    assert "No reply waits for a decision" in page(site)
    assert "decided before" in re.sub(r"\s+", " ", _after(site, post("/inbox/1/decision", **{"as": "nothing"})))


def _after(site, _answer):
    return page(site)


def test_what_is_decided_to_be_nothing_opts_nobody_out(site, services, receive, post):
    services.submit([Draft(ANNA, "Sleva")], "test")
    receive(ANNA, "rekl jsem vam ze kdyz to neprestane tak reknu stop")
    post("/inbox/1/decision", **{"as": "nothing"})
    assert states(services) == ["queued"]
    assert "Opted out: 0" in page(site)


def test_a_number_is_put_on_the_list_and_taken_from_it_with_a_reason(site, services, post):
    services.submit([Draft(ANNA, "Sleva")], "test")
    post("/consent", number="777 123 456", reason="rang us", action="add")
    assert states(services) == ["cancelled"]
    shown = page(site)
    assert ANNA in shown
    assert "rang us" in shown
    post("/consent", number=ANNA, reason="", action="lift")
    assert "write down why" in page(site)
    post("/consent", number=ANNA, reason="a mistake", action="lift")
    shown = page(site)
    assert "Opted out: 0" in shown
    assert "a mistake" in shown


@pytest.mark.parametrize("path", ["/consent", "/inbox/1/decision", "/inbox/rescan"])
def test_no_form_is_taken_without_its_token_or_from_another_site(site, path):
    headers = {"Referer": f"{BASE}/consent", "Origin": BASE}
    assert site.post(path, data={"number": ANNA}, base_url=BASE, headers=headers).status_code in (302, 400)
    assert site.post(path, data={}, base_url=BASE, headers={"Origin": "http://evil"}).status_code in (400, 403)
    assert "Opted out: 0" in page(site)


def test_a_flood_of_stops_is_an_alarm_on_the_page_and_in_the_status(site, api, receive):
    for n in range(21):
        receive(f"+420777{n:06d}", "STOP")
    assert "21 people said STOP" in page(site)
    assert "21 people said STOP" in api.get(f"{API}/status").json["notices"][0]


def test_the_api_tells_the_same(api, services, receive):
    receive(ANNA, "STOP")
    receive(PETR, "rekl jsem vam ze kdyz to neprestane tak reknu stop")
    (opt_out,) = api.get(f"{API}/optouts").json["optouts"]
    assert (opt_out["number"], opt_out["source"], opt_out["word"]) == (ANNA, "inbound", "stop")
    (undecided,) = api.get(f"{API}/inbox?undecided=true").json["inbound"]
    assert (undecided["stop"], undecided["stop_word"]) == ("suspected", "stop")
    assert api.post(f"{API}/inbox/{undecided['id']}/decision", json={"as": "stop"}).json == {"cancelled": 0}
    assert api.post(f"{API}/inbox/{undecided['id']}/decision", json={"as": "stop"}).status_code == 409
    assert api.post(f"{API}/inbox/99/decision", json={"as": "stop"}).status_code == 404
    receive(ANNA, "START")
    receive(PETR, "START")
    assert api.get(f"{API}/optouts").json["optouts"] == []
    (history,) = api.get(f"{API}/optouts/{ANNA}").json["optouts"]
    assert history["lifted_by"] == "inbound 3"


def test_start_lifts_only_what_the_person_has_set(api, receive):
    receive(ANNA, "STOP")
    api.post(f"{API}/optouts", json={"number": ANNA, "note": "rang us"})
    receive(ANNA, "START")
    (left,) = api.get(f"{API}/optouts").json["optouts"]
    assert left["source"] == "operator"
    assert api.post(f"{API}/messages", json={"number": ANNA, "text": "x"}).status_code == 451


def test_an_opt_out_for_one_brand_lets_the_others_through(api):
    assert api.post(f"{API}/optouts", json={"number": ANNA, "brand": "Alfa"}).status_code == 201
    for brand, status in (("Alfa", 451), (None, 451), ("Beta", 202)):
        body = {"number": ANNA, "text": f"{brand}"} | ({"brand": brand} if brand else {})
        assert api.post(f"{API}/messages", json=body).status_code == status


def test_a_list_that_is_longer_than_the_page_says_so(site, api):
    rows = [{"number": f"+420732000{n:03d}"} for n in range(200)]
    assert api.post(f"{API}/optouts/import", json={"optouts": rows[:-1]}).json["added"] == 199
    assert "The newest" not in page(site)
    api.post(f"{API}/optouts/import", json={"optouts": rows})
    assert "The newest 200" in page(site)


def look_up(site, number):
    shown = site.get("/consent", query_string={"number": number}, base_url=BASE).text
    return re.search(r'<section[^>]*"optouts-title">.*?</section>', shown, re.S)[0]


@pytest.mark.parametrize("written", ["777 123 456", "+420 777-123-456", "00420777123456", "420777123456", f" {ANNA} "])
def test_one_number_is_looked_up_however_it_is_written(site, api, written):
    api.post(f"{API}/optouts", json={"number": ANNA, "note": "rang us"})
    api.delete(f"{API}/optouts/{ANNA}", json={"reason": "a mistake"})
    api.post(f"{API}/optouts", json={"number": ANNA, "brand": "Al<b>fa"})
    api.post(f"{API}/optouts", json={"number": PETR, "note": "wrote a letter"})
    shown = look_up(site, written)
    assert shown.index("Al&lt;b&gt;fa") < shown.index("rang us") < shown.index("a mistake")
    assert "is opted out for <bdi>Al&lt;b&gt;fa</bdi>, and for messages that name no brand" in shown
    assert "wrote a letter" not in shown
    assert "wrote a letter" in page(site)
    assert f'value="{ANNA}"' in shown  # to opt out or lift


def test_a_number_says_how_it_stands(site, api):
    assert f'<b class="number">{ANNA}</b> was never opted out.' in look_up(site, ANNA)
    assert api.get(f"{API}/optouts/777123456").json == {"number": ANNA, "optouts": []}
    api.post(f"{API}/optouts", json={"number": ANNA})
    assert f"{ANNA}</b> is opted out." in look_up(site, ANNA)
    api.delete(f"{API}/optouts/{ANNA}", json={"reason": "a mistake"})
    assert f"{ANNA}</b> may be written to: what kept it back was lifted." in look_up(site, ANNA)


@pytest.mark.parametrize(
    ("written", "words"),
    [("12", "the number is too short"), ("<b>Anna", "not a telephone number"), ("1" * 99, "not a telephone number")],
)
def test_a_search_for_what_is_no_number_says_what_is_wrong(site, api, written, words):
    api.post(f"{API}/optouts", json={"number": PETR})
    shown = look_up(site, written)
    assert words in re.search(r'role="alert">(.*?)</p>', shown)[1]
    assert "<b>Anna" not in shown
    assert PETR not in shown


def test_what_was_changed_is_shown_with_its_history(site, post):
    answer = post("/consent", number="777 123 456", reason="rang us", action="add")
    shown = site.get(answer.location, base_url=BASE).text
    assert f"{ANNA}</b> is opted out." in shown
    assert "0 queued messages were cancelled" in shown
