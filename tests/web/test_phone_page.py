"""The page of one phone: its check list in order of urgency, its SIMs, and the buttons that fit its state."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from device_drivers.base import Check, EnrolOptions, Verdict
from host_controller.fleet.phone import PhoneView, RackSim
from host_controller.store.models import PhoneEvent, PhoneRecord

from .conftest import ENROLLED, NOW, READY, SIM

BASE = "http://localhost:8765"
CHECKS = (
    Check("shell", Verdict.PASS, "fine"),
    Check("rcs", Verdict.WARN, "chats <b>", "switch it off"),
    Check("read_sms", Verdict.FAIL, "cannot read", "`smsrack phones enrol SERIAL --send-only`"),
)


@pytest.fixture
def page(site, rack):
    def get(view: PhoneView = READY, status: int = 200) -> str:
        rack.views[:] = [view]
        rack.handles["A1"]._view = view
        answer = site.get("/phones/A1", base_url=BASE)
        assert answer.status_code == status
        return answer.text

    return get


@pytest.fixture
def press(site, page):
    def post(action: str, view: PhoneView = READY, **fields: str):
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page(view))[1]
        headers = {"Referer": f"{BASE}/phones/A1", "Origin": BASE}
        data = {"csrf_token": token, "action": action, **fields}
        return site.post("/phones/A1", data=data, base_url=BASE, headers=headers)

    return post


def test_failures_come_first_and_words_are_escaped(page):
    text = page(replace(READY, checks=CHECKS))
    assert text.index("FAIL") < text.index("WARN") < text.index("PASS")
    assert "chats &lt;b&gt;" in text
    assert "`smsrack phones enrol A1 --send-only`" in text
    assert "Model &lt;b&gt;7&lt;/b&gt;" in text
    assert "Accept as send-only" in text


def test_a_failure_that_nobody_may_overrule(page):
    text = page(replace(READY, checks=(*CHECKS, Check("isms", Verdict.FAIL, "strange"))))
    assert "Accept as send-only" not in text


def test_a_stopped_sim_can_be_confirmed(page):
    stopped = replace(ENROLLED, sims=(RackSim(1, SIM, 20, 500, stopped="another SIM is in the slot"),))
    text = page(replace(READY, enrolled=stopped))
    assert "stopped: another SIM is in the slot" in text
    assert 'value="confirm"' in text
    assert 'value="confirm"' not in page()


def test_a_held_phone_can_be_released(press, page, rack):
    held = replace(READY, hold="a dialog")
    assert 'value="release"' in page(held)
    answer = press("release", held)
    assert (answer.status_code, rack.handles["A1"].done) == (302, ["release"])


@pytest.mark.parametrize(
    ("action", "options"), [("enrol", EnrolOptions()), ("send_only", EnrolOptions(send_only=True))]
)
def test_enrol(press, rack, action, options):
    assert press(action).status_code == 302
    assert rack.handles["A1"].done == [("invite", options)]


def test_confirm_says_how_many(press, site, store):
    store.write(lambda session: setattr(session.get(PhoneRecord, 1).sims[0], "stopped", "moved"))
    assert press("confirm").status_code == 302
    assert "1 SIMs may send again." in site.get("/", base_url=BASE).text


def test_history(page, store):
    event = {"phone_id": 1, "at": NOW, "kind": "os_changed", "words": "its Android <i>", "actor": "lane A1"}
    store.write(lambda session: session.add(PhoneEvent(**event)))
    text = page()
    assert "os changed" in text
    assert "its Android &lt;i&gt;" in text


def test_nobody_and_nonsense(site, press):
    assert site.get("/phones/nobody", base_url=BASE).status_code == 404
    assert press("explode").status_code == 400
    assert press("enrol", csrf_token="").status_code == 400
