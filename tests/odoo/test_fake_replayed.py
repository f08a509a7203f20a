"""Recorded calls replayed on the fake with other ids and values: whole answers, not only the pull."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from odoo_sync.fake import GatewayModule
from odoo_sync.fake.administration import ADMIN_ID
from odoo_sync.fake.orders import FakeOrders
from tests.odoo.test_fake import PASSWORD, TRANSCRIPTS, Replay, exchanges, shape

ANNA = "+420777123001"
# Replayed to our endpoint (test_push.py); with fields that nothing of ours asks for; of the trial in the module.
NOT_ASKED = {"iap_send_push", "partner_search_read", "trial_mailing_module"}


@pytest.fixture
def replay():
    made = Replay()
    made.renamed["odoo18w"] = "odoo18"  # the database of some of the recordings
    return made


def ask(replay, name):
    (exchange,) = exchanges(name)
    return replay.ask(exchange), exchange["response"]


@pytest.mark.parametrize("name", ["err_unique_violation", "err_unknown_field_read", "err_validation_selection"])
def test_recorded_refusals(replay, name):
    answer, recorded = ask(replay, name)
    assert shape(answer) == shape(recorded)
    assert [answer["error"]["data"][key] for key in ("name", "message")] == [
        recorded["error"]["data"][key] for key in ("name", "message")
    ]


def test_the_queue_as_recorded(replay):
    before = len(replay.odoo.sms)
    answer, recorded = ask(replay, "sms_create_batch")
    assert shape(answer) == shape(recorded)
    assert [replay.odoo.sms[made].state for made in answer["result"]] == ["outgoing"] * 2
    answer, recorded = ask(replay, "sms_search_count")
    assert (answer["result"], shape(answer)) == (before + 2, shape(recorded))
    person = replay.odoo.partners.add(name="Anna", phone=ANNA)
    replay.odoo.mail_contacts([person], "Sleva", 27)
    answer, recorded = ask(replay, "sms_pull_search_read")
    assert shape(answer["result"][-1]) == shape(recorded["result"][0])
    assert [row["id"] for row in answer["result"]] == sorted(replay.odoo.sms)


def test_reports_without_a_login(replay):
    (row,) = replay.odoo.add_mailing([(ANNA, "Sleva")])
    for exchange in exchanges("e2e_push_webhook_no_login"):
        for status in exchange["request"]["params"]["message_statuses"]:
            replay.renamed |= dict.fromkeys(status["uuids"], row.uuid)
        assert replay.ask(exchange)["result"] == exchange["response"]["result"]
    assert replay.odoo.traces[row.uuid].trace_status in ("pending", "sent")


def test_a_mark_and_a_note_with_an_id_of_ours(replay):
    person = replay.odoo.partners.add(name="Anna", phone=ANNA)
    (row,) = replay.odoo.mail_contacts([person], "Sleva")
    trace = replay.odoo.traces[row.uuid]
    replay.renamed |= {49: trace.id, 60: person["id"]}
    answer, _ = ask(replay, "mailing_trace_set_replied")
    assert (answer["result"], trace.trace_status) == (f"mailing.trace({trace.id},)", "reply")
    answer, recorded = ask(replay, "partner_message_post_own_id")
    assert shape(answer) == shape(recorded)
    assert replay.odoo.messages.rows[answer["result"]]["message_id"] == "<0123456789@sms.smsrack>"


def test_till_orders_as_recorded(replay):
    table = FakeOrders("pos.order")
    replay.odoo.install(table)
    answer, recorded = ask(replay, "pos_order_changes")
    assert answer["result"] == recorded["result"] == []


def test_the_module_as_setup_sees_it():
    replay = Replay()
    phone = GatewayModule(replay.odoo).add_phone("Phone A", "+420700000001")
    replay.renamed |= {"odoo18gw": "odoo18", 12: phone.id, "***": "admin", "***user": PASSWORD}
    for exchange in exchanges("setup_module"):
        is_admin = exchange["request"]["params"]["args"][2] == "***"
        answer = replay.ask(exchange, ADMIN_ID if is_admin else None)
        recorded = exchange["response"]
        if "error" in recorded:
            assert answer["error"]["data"]["name"] == recorded["error"]["data"]["name"]
        else:
            assert without_ids(answer["result"]) == without_ids(recorded["result"])
    assert phone.daily_limit == 0


def without_ids(result):
    if not isinstance(result, list):
        return result
    return sorted(sorted({**row, "id": 0}.items()) for row in result)


def test_the_fake_sms_has_no_field_that_odoo_has_not():
    (exchange,) = exchanges("fields_get_sms_sms")
    assert set(vars(next(iter(Replay().odoo.sms.values())))) <= set(exchange["response"]["result"]) | {"id"}


def test_every_transcript_is_replayed():
    used = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        used |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    recorded = {path.stem for path in TRANSCRIPTS.glob("*.json")}
    assert recorded <= used
