"""One table says how the versions of Odoo differ."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path
from urllib.error import HTTPError

import pytest

import odoo_sync
from odoo_sync.errors import OdooRejectedError
from odoo_sync.versions import Capabilities, capabilities_of


@pytest.mark.parametrize(
    ("words", "fields", "groups", "view", "has_services"),
    [
        ("17.0-20240115", ("mobile", "phone"), "groups_id", "tree", False),
        ("18.0-20250421", ("mobile", "phone"), "groups_id", "list", True),
        ("saas~18.2+e", ("mobile", "phone"), "groups_id", "list", True),
        ("19.0", ("phone",), "group_ids", "list", True),
    ],
)
def test_versions_that_we_know(words, fields, groups, view, has_services):
    found = capabilities_of(words)
    assert (found.partner_number_fields, found.group_field, found.list_view) == (fields, groups, view)
    assert (found.has_iap_services, found.leaves_rpc) == (has_services, words == "19.0")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("16.0-20230101", "in another way"),
        ("8.0", "in another way"),
        ("20.0", "nobody has looked"),
        ("master", "nobody has looked"),
    ],
)
def test_versions_that_are_refused_with_a_sentence(words, why):
    with pytest.raises(OdooRejectedError, match=why):
        capabilities_of(words)


def test_nothing_is_taken_from_an_odoo_that_we_do_not_know(served, sync, monkeypatch):
    monkeypatch.setattr("odoo_sync.client.OdooClient.server_version", lambda _: "16.0")
    served.odoo.add_mailing([("+420777123456", "one")])
    with pytest.raises(OdooRejectedError, match="Odoo 17 to 19"):
        sync.run()
    assert served.states()["one"][0] == "outgoing"


def test_every_difference_is_looked_at_somewhere():
    names = {field.name for field in dataclasses.fields(Capabilities)}
    read = set()
    for path in Path(odoo_sync.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        read |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert names <= read


@pytest.mark.parametrize("codes", [[400], [404, 400]])
def test_odoo_19_refuses_a_report_by_an_http_status(served, monkeypatch, codes):
    client = served.client()

    def refuse(path, params):
        code = codes.pop(0)
        raise HTTPError(path, code, "", None, None)

    monkeypatch.setattr(client._odoo, "json", refuse)
    with pytest.raises(OdooRejectedError, match="HTTP 400"):
        client.report([("sent", ["0" * 32])])
    assert codes == []
