"""What setup makes for people to see in Odoo is whole, on each version; and the fake means what a real Odoo meant."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from odoo_sync.setup.records import Ref, Reference, XmlId, filled_in
from odoo_sync.setup.shown import INBOUND_FIELDS, PAUSED, PHONE_FIELDS, shown_in_odoo
from odoo_sync.versions import capabilities_of
from tests.odoo.test_fake import Replay, exchanges, shape
from tests.odoo.test_shown import show_in

FIELDS = {
    "x_smsrack_phone": {name for name, *_ in PHONE_FIELDS},
    "x_smsrack_inbound": {name for name, *_ in INBOUND_FIELDS},
    "mailing.mailing": {PAUSED, "sms_subject", "mailing_type"},
}


def records(version="18.0", *, has_mailings=True):
    return shown_in_odoo(capabilities_of(version), Ref("group"), has_mailings=has_mailings)


@pytest.mark.parametrize("version", ["17.0", "18.0", "19.0"])
@pytest.mark.parametrize("has_mailings", [True, False])
def test_each_refers_to_what_was_made_before(version, has_mailings):
    made, odoos = {"group"}, set()

    def id_of(wanted):
        if isinstance(wanted, XmlId):
            odoos.add(wanted.xml_id)
        else:
            assert wanted.name in made, wanted
        return 1

    for record in records(version, has_mailings=has_mailings):
        assert record.name not in made
        assert re.fullmatch(r"\w+", record.name)
        filled_in(record.values, id_of)
        made.add(record.name)
    assert any(name.startswith("mass_mailing") for name in odoos) is has_mailings


@pytest.mark.parametrize(("version", "tag"), [("17.0", "tree"), ("18.0", "list"), ("19.0", "list")])
def test_views_show_fields_that_there_are(version, tag):
    views = [record.values for record in records(version) if record.model == "ir.ui.view"]
    roots = []
    for view in views:
        root = ElementTree.fromstring(view["arch"])
        roots.append(root.tag)
        assert {node.get("name") for node in root.iter("field")} <= FIELDS[view["model"]]
        said = " ".join(value for node in root.iter() for value in node.attrib.values())
        assert set(re.findall(r"\bx_\w+", said)) <= FIELDS[view["model"]]
    assert roots.count(tag) == 2
    windows = [record.values for record in records(version) if record.model == "ir.actions.act_window"]
    assert {window["view_mode"] for window in windows} == {f"{tag},form"}


def test_only_who_sends_mailings_reads_and_only_our_user_writes():
    rights = [record.values for record in records() if record.model == "ir.model.access"]
    for operation, groups in {
        "read": {"mass_mailing.group_mass_mailing_user", "base.group_system", "group"},
        "write": {"group"},
        "create": {"group"},
        "unlink": {"base.group_system"},
    }.items():
        given = [right["group_id"] for right in rights if right[f"perm_{operation}"]]
        assert {getattr(group, "xml_id", None) or group.name for group in given} == groups
    assert all(right["group_id"] for right in rights)  # without a group it would be everybody's


def test_a_reference():
    assert filled_in({"action": Reference("ir.actions.act_window", Ref("a"))}, lambda _: 12) == {
        "action": "ir.actions.act_window,12"
    }


@pytest.mark.parametrize("name", ["shown_phones", "shown_received", "shown_pauses", "shown_absent", "shown_no_right"])
def test_as_recorded(name):
    replay = Replay()
    if name not in ("shown_absent", "shown_no_right"):
        show_in(replay.odoo)
    replay.odoo.mailings[26] = "done"
    for exchange in exchanges(name):
        model, method = exchange["request"]["params"]["args"][3:5]
        answer, recorded = replay.ask(exchange), exchange["response"]
        assert shape(answer) == shape(recorded), (model, method)
        if "error" in recorded:
            for key in ("name", "message"):
                assert answer["error"]["data"][key] == recorded["error"]["data"][key]
        elif method == "create":
            replay.renamed[recorded["result"][0]] = answer["result"][0]
        elif method == "search_read" and recorded["result"]:
            got, wanted = answer["result"][0], recorded["result"][0]
            assert {key: got[key] for key in got if key != "id"} == {key: wanted[key] for key in wanted if key != "id"}


def test_who_may_not_delete():
    replay = Replay()
    show_in(replay.odoo)
    replay.odoo.tables["x_smsrack_inbound"].refused.add("unlink")
    (exchange,) = exchanges("shown_refused")
    answer, recorded = replay.ask(exchange), exchange["response"]
    assert (answer["error"]["data"]["name"], shape(answer)) == (recorded["error"]["data"]["name"], shape(recorded))
