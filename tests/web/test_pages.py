"""The status page: what it shows, what it refuses, how it stays current."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from host_controller.fleet.phone import PhoneView
from host_controller.messaging.submit import Draft
from host_controller.store.models import InboundRecord
from host_controller.store.queries import count_by_state, list_messages

ANNA = "+420777123456"
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def token(site):
    return re.search(r'name="csrf_token"[^>]* value="([^"]+)"', site.get("/").text)[1]


def test_an_empty_rack_says_what_to_do(site, rack, services):
    rack.views.clear()
    page = site.get("/").text
    assert "Nothing has been sent yet" in page
    assert "No reply yet" in page
    assert "not in sight" in page


def test_the_page_shows_phones_messages_and_replies(site, services, rack):
    services.submit([Draft(ANNA, "Ahoj <script>alert(1)</script>\n'x'")], "test")
    add_inbound(services, "+420603111222", "STOP <b>", "certain")
    rack.views.append(PhoneView("B2", "unauthorized"))
    page = site.get("/").text
    assert "Ahoj &lt;script&gt;" in page
    assert "<script>alert" not in page
    assert "STOP &lt;b&gt;" in page
    assert "badge stop" in page
    assert "Model &lt;b&gt;7&lt;/b&gt;" in page
    assert "accept this computer&#39;s key" in page
    assert "-93 dBm" in page
    assert re.search(r"0 <i>/ 500</i>", page)


def add_inbound(services, sender, text, stop):
    record = InboundRecord(
        phone_id=1, sim_id=1, row_id=1, row_date_ms=1, body_sha256="0", sender=sender, peer=sender, text=text,
        received_at=NOW, stored_at=NOW, stop=stop,
    )  # fmt: skip
    services.store.write(lambda session: session.add(record))


def test_the_live_part_is_sent_only_when_it_changed(site, services):
    first = site.get("/live")
    assert site.get("/live", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    services.submit([Draft(ANNA, "Ahoj")], "test")
    changed = site.get("/live", headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    assert "Ahoj" in changed.text


def test_the_queue_says_why_it_waits(site, services, waiting_rack):
    services.submit([Draft(ANNA, "Ahoj")], "test")
    assert "The queue waits: <b>guard</b> until 13:01:00" in site.get("/live").text


def test_the_form_sends_one_message(site, services):
    form = {"number": "777 123 456", "text": "řádek 1\r\nřádek 2", "csrf_token": token(site)}
    answer = site.post("/messages", data=form)
    assert answer.status_code == 302
    assert "Message 1 is queued (1 SMS)." in site.get("/").text
    with services.store.reading() as session:
        (message,) = list_messages(session)
    assert (message.number, message.text) == (ANNA, "řádek 1\nřádek 2")


def test_the_form_explains_a_refusal_and_keeps_what_was_written(site):
    answer = site.post("/messages", data={"number": "12", "text": "Ahoj", "csrf_token": token(site)})
    assert answer.status_code == 422
    assert "Not accepted: the number is a short code, which may cost extra, or only part of a number" in answer.text
    assert re.search(r">\s*Ahoj</textarea>", answer.text)
    empty = site.post("/messages", data={"number": "", "text": "", "csrf_token": token(site)})
    assert (empty.status_code, "write a number" in empty.text) == (400, True)


def test_no_token_no_message(site, services):
    assert site.post("/messages", data={"number": ANNA, "text": "x"}).status_code == 400
    assert site.post("/messages", data={"number": ANNA, "text": "x", "csrf_token": "wrong"}).status_code == 400
    with services.store.reading() as session:
        assert sum(count_by_state(session).values()) == 0


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_another_site_may_not_post_whatever_token_it_has(site, headers):
    form = {"number": ANNA, "text": "x", "csrf_token": token(site)}
    assert site.post("/messages", data=form, headers=headers).status_code == 403


def test_a_foreign_host_is_refused(site):
    assert site.get("/", base_url="http://evil.example").status_code == 400
    assert site.get("/", base_url="http://localhost:8765").status_code == 200


def test_the_headers_allow_nothing_from_elsewhere(site):
    headers = site.get("/").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    page = site.get("/").text
    assert not re.search(r"(src|href)=\"https?://", page)
    assert "style=" not in page


def test_the_api_is_not_on_the_site(site):
    assert site.get("/api/v1/status").status_code == 404


@pytest.mark.parametrize("name", ["style.css", "live.js", "icon.svg"])
def test_static_files(site, name):
    with site.get(f"/static/{name}") as answer:
        assert answer.status_code == 200
