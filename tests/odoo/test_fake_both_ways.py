"""What the fake Odoo answers about contacts, blacklist and traces has the shape and meaning of recorded answers."""

from __future__ import annotations

import pytest

from tests.odoo.test_fake import Replay, exchanges, shape


@pytest.fixture
def replay():
    return Replay()


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
