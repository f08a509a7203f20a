"""What the API has a phone do, or asks of an Odoo: driver and comparison are made up, the rest is real."""

from __future__ import annotations

from dataclasses import replace

import pytest

from device_drivers.base import Check, EnrolOptions, MessageRows, SendGuard, SendWay, Verdict
from device_drivers.errors import PhoneOfflineError
from host_controller.errors import ConfigError
from host_controller.store.models import OdooSmsRecord, SimRecord
from odoo_sync.api import make_odoo_api
from odoo_sync.errors import OdooUnavailableError
from odoo_sync.reconcile import Disagreement, Reconciled
from tests.web.conftest import READY
from web import create_app, make_api

API = "http://127.0.0.1/api/v1"
CHECKS = (Check("shell", Verdict.PASS, "fine"), Check("rcs", Verdict.WARN, "chats", "switch it off"))
GUARD = {"max_parts": 100, "interval_s": 60}


class Driver:
    def __init__(self):
        self.guards = []
        self.is_gone = False

    def set_guard(self, guard):
        if self.is_gone:
            raise PhoneOfflineError("A1", "it is gone")
        self.guards.append(guard)

    def read_report(self):
        return {"radio": "fine"}

    def read_clock_ms(self):
        return 1_700_000_000_000

    def read_messages(self, query):
        return MessageRows(self.read_clock_ms(), (), ())


class AtOnce:
    """Errands without a lane."""

    def __init__(self, driver):
        self._driver = driver

    def ask(self, work, wake, limit_s):
        return work(self._driver)


@pytest.fixture
def driver(rack):
    made = Driver()
    rack.views[:] = [replace(READY, checks=CHECKS)]
    rack.handles["A1"]._view = rack.views[0]
    rack.handles["A1"].errands = AtOnce(made)
    return made


def test_the_guard_is_written_and_as_before(api, driver):
    assert api.put(f"{API}/phones/A1/guard", json=GUARD).json == {"serial": "A1", **GUARD}
    assert api.delete(f"{API}/phones/A1/guard").json == {"serial": "A1"}
    assert driver.guards == [SendGuard(100, 60.0), SendGuard(30, 60)]
    driver.is_gone = True
    refused = api.put(f"{API}/phones/A1/guard", json=GUARD)
    assert (refused.status_code, refused.json["error"]["code"]) == (422, "config")


def test_a_report_says_what_phone_and_check_list_say(api, driver):
    report = api.get(f"{API}/phones/A1/report").json
    assert (report["identity"]["serial"], report["status"]) == ("•••", "ready")
    assert report["phone_says"] == {"radio": "fine"}
    assert [check["verdict"] for check in report["checks"]] == ["pass", "warn"]


def test_another_way_a_confirmation_and_an_end(api, rack, driver):
    assert api.post(f"{API}/phones/A1/way", json={"way": "app"}).json == {"serial": "A1"}
    assert ("invite", EnrolOptions(send_way=SendWay.APP)) in rack.handles["A1"].done
    assert api.post(f"{API}/phones/A1/confirm").json == {"serial": "A1", "sims": 0}
    assert api.delete(f"{API}/phones/A1").json == {"serial": "A1"}
    gone = api.delete(f"{API}/phones/A1")
    assert (gone.status_code, gone.json["error"]["code"]) == (404, "not_found")


def test_inboxes_are_read_again(api, driver):
    answer = api.post(f"{API}/inbox/rescan", json={"days": 7})
    assert answer.json == {"phones": [{"serial": "A1", "read": 0, "new": 0, "error": None}]}


def test_a_canary(api, store):
    def another(session):
        sim = SimRecord(phone_id=1, slot_index=1, subscription_id=12, active=True, parts_per_minute=20)
        sim.msisdn = "+420602000001"
        session.add(sim)

    store.write(another)
    sent = api.post(f"{API}/canaries", json={"from_sim": "A1:1", "to_sim": "A1:2"})
    assert sent.status_code == 202
    assert api.get(f"{API}/canaries/{sent.json['id']}").json == {
        "message_id": sent.json["id"], "state": "queued", "sent_after_s": None, "received_after_s": None,
    }  # fmt: skip
    assert api.get(f"{API}/canaries/99").status_code == 404


class Comparison:
    def run(self, *, everything):
        if not everything:
            raise OdooUnavailableError("Odoo at http://shop does not answer")
        listed = [Disagreement("0" * 32, "is_gone", 1, "sent", None, None)]
        return Reconciled(checked=3, agreed=1, repaired=1, sees_traces=True, listed=listed)


@pytest.fixture
def odoo(services):
    def compare(name):
        if name != "shop":
            raise ConfigError(f"there is no odoo.{name} in the settings")
        return Comparison()

    parts = [make_api(services), make_odoo_api(services.store, compare)]
    return create_app(parts, secret="", allowed_hosts=["127.0.0.1"], csrf=False).test_client()


def test_a_comparison_with_odoo(odoo):
    found = odoo.post(f"{API}/odoo/shop/reconcile", json={"everything": True}).json
    assert (found["checked"], found["listed"][0]["reason"]) == (3, "is_gone")
    silent = odoo.post(f"{API}/odoo/shop/reconcile")
    assert (silent.status_code, silent.json["error"]["code"]) == (502, "odoo_unavailable")
    unknown = odoo.post(f"{API}/odoo/none/reconcile", json={})
    assert (unknown.status_code, unknown.json["error"]["code"]) == (404, "config")


@pytest.mark.parametrize("body", ['{"every": true}', '{"everything": "yes"}', "[]", "{", "null"])
def test_a_comparison_that_is_asked_for_wrongly(odoo, body):
    answer = odoo.post(f"{API}/odoo/shop/reconcile", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "bad_request")


def test_what_is_here_of_an_sms_of_odoo(odoo, store):
    row = OdooSmsRecord(database="shop", uuid="1" * 32, refusal="opted_out", reported="not_allowed")
    store.write(lambda session: session.add(row))
    assert odoo.get(f"{API}/odoo/shop/messages/{'1' * 32}").json == {
        "message_id": None, "refusal": "opted_out", "reported": "not_allowed",
    }  # fmt: skip
    assert odoo.get(f"{API}/odoo/shop/messages/{'2' * 32}").status_code == 404
