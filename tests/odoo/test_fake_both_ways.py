"""What the fake Odoo answers about contacts, blacklist and traces has the shape and meaning of recorded answers."""

from __future__ import annotations

import pytest

from odoo_sync.fake.orders import FakeOrders
from tests.odoo.test_fake import Replay, exchanges, shape


@pytest.fixture
def replay():
    made = Replay()
    made.renamed["odoo18w"] = "odoo18"  # the database of some of the recordings
    return made


def ask(replay, name):
    """Replay a recorded call; give what the fake says and what Odoo said."""
    (exchange,) = exchanges(name)
    return replay.ask(exchange), exchange["response"]


def test_the_blacklist_as_recorded(replay):
    answer, recorded = ask(replay, "blacklist_create_batch")
    assert shape(answer) == shape(recorded)
    first, second = answer["result"]
    assert replay.odoo.blacklist.active() == {"+420777123001", "+420777123002"}
    answer, recorded = ask(replay, "blacklist_create_existing")
    assert (answer["result"], shape(answer)) == (first, shape(recorded))
    replay.odoo.blacklist.add(number="+420777123003")
    answer, recorded = ask(replay, "blacklist_remove")
    assert shape(answer) == shape(recorded)
    assert replay.odoo.blacklist.active() == {"+420777123001", "+420777123002"}
    answer, recorded = ask(replay, "blacklist_search_read")
    assert shape(answer) == shape(recorded)
    assert {row["id"] for row in answer["result"]} == {first, second}  # archived ones are not shown


@pytest.mark.parametrize(
    "name",
    [
        "err_blacklist_bad_number",
        "err_message_post_missing",
        "err_message_post_two_records",
        "err_message_post_bogus_kw",
    ],
)
def test_recorded_refusals(replay, name):
    row = replay.odoo.partners.add(name="Test", phone="+420777123001")
    replay.renamed |= {12: row["id"], 13: row["id"] + 1}
    answer, recorded = ask(replay, name)
    assert (answer["error"]["data"]["name"], shape(answer)) == (recorded["error"]["data"]["name"], shape(recorded))
    if name in ("err_blacklist_bad_number", "err_message_post_missing"):
        first_line = recorded["error"]["data"]["message"].split("\n")[0]
        assert answer["error"]["data"]["message"].split("\n")[0] == first_line


def test_a_missing_right(replay):
    replay.odoo.blacklist.refused.add("create")
    answer, recorded = ask(replay, "err_access_blacklist_create")
    assert (answer["error"]["data"]["name"], shape(answer)) == (recorded["error"]["data"]["name"], shape(recorded))


@pytest.mark.parametrize("name", ["message_post_plain", "message_post_html"])
def test_a_note(replay, name):
    row = replay.odoo.partners.add(name="Test", phone="+420777123001")
    replay.renamed[12] = row["id"]
    answer, recorded = ask(replay, name)
    assert shape(answer) == shape(recorded)
    assert len(replay.odoo.partners.chatter(row)) == 1


def test_contacts_are_searched_as_recorded(replay):
    mobile = replay.odoo.partners.add(name="Dup", mobile="+420 608 111 222")
    phone = replay.odoo.partners.add(name="PhoneOnly", phone="+420 608 111 222")
    replay.odoo.partners.add(name="Other", phone="+420 608 111 223")
    answer, recorded = ask(replay, "partner_phone_mobile_search")
    assert shape(answer)["result"][0].keys() == shape(recorded)["result"][0].keys()
    assert {row["id"]: row["phone_sanitized"] for row in answer["result"]} == {
        row["id"]: "+420608111222" for row in (mobile, phone)
    }


def test_a_mark_is_answered_with_a_string(replay):
    (row,) = replay.odoo.add_mailing([("+420777123001", "Sleva")])
    trace = replay.odoo.traces[row.uuid]
    replay.renamed |= {28: trace.id, "set_sent": "set_replied"}
    answer, recorded = ask(replay, "mailing_trace_set_sent")
    assert (shape(answer), trace.trace_status) == (shape(recorded), "reply")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("res.partner", "fields_get_res_partner"),
        ("mailing.trace", "fields_get_mailing_trace"),
        ("phone.blacklist", "fields_get_phone_blacklist"),
        ("mail.message", "fields_get_mail_message"),
    ],
)
def test_the_fake_has_no_field_that_odoo_has_not(replay, model, name):
    (exchange,) = exchanges(name)
    fields = set(exchange["response"]["result"])
    assert replay.odoo.tables[model].fields - fields <= {"id", "create_date", "write_date", "write_uid"}


@pytest.mark.parametrize(
    "name",
    ["mail_message_search_by_message_id", "mailing_trace_search_by_number", "blacklist_changes", "partner_changes"],
)
def test_what_is_read_both_ways_as_recorded(replay, name):
    person = replay.odoo.partners.add(name="Anna", phone="+420770951052")
    replay.odoo.partners.message_post(
        [person["id"]], message_id="<c0e2c467cca92f4edd56d059d2c2ac9a19765a60@sms.smsrack>"
    )
    replay.odoo.add_mailing([("+420770951052", "Sleva")])
    replay.odoo.blacklist.add(number="+420770951052")
    answer, recorded = ask(replay, name)
    assert [set(row) for row in answer["result"]] == [set(recorded["result"][0])]


def test_who_is_of_the_staff_as_recorded(replay):
    answer, recorded = ask(replay, "res_users_share")
    assert sorted(map(str, answer["result"])) == sorted(map(str, recorded["result"]))


@pytest.mark.parametrize("name", ["sale_order_changes", "sale_order_no_right"])
def test_orders_as_recorded(replay, name):
    table = FakeOrders("sale.order")
    replay.odoo.install(table)
    row = table.add(name="S1", partner_id=[60, "Anna"], date_order="2026-11-26 12:19:09", amount_total=575.0)
    row |= {"currency_id": [1, "USD"], "state": "draft"}
    table.refused = {"read"} if name == "sale_order_no_right" else set()
    answer, recorded = ask(replay, name)
    assert shape(answer) == shape(recorded)


def test_a_report_after_the_mark_takes_it_back(replay):
    """As tried by hand on Odoo 18: `sent` after `reply` gives `pending`."""
    (row,) = replay.odoo.add_mailing([("+420777123001", "Sleva")])
    trace = replay.odoo.traces[row.uuid]
    replay.odoo.tables["mailing.trace"].set_replied([trace.id])
    replay.odoo.report([{"sms_status": "sent", "uuids": [row.uuid]}])
    assert trace.trace_status == "pending"
