"""One table says how the versions of Odoo differ."""

from __future__ import annotations

import pytest

from odoo_sync.errors import OdooRejectedError
from odoo_sync.versions import capabilities_of


@pytest.mark.parametrize(
    ("words", "version", "fields", "lists"),
    [
        ("17.0-20240115", 17, ("mobile", "phone"), False),
        ("18.0-20250421", 18, ("mobile", "phone"), False),
        ("saas~18.2+e", 18, ("mobile", "phone"), False),
        ("19.0", 19, ("phone",), True),
    ],
)
def test_versions_that_we_know(words, version, fields, lists):
    found = capabilities_of(words)
    assert (found.version, found.partner_number_fields, found.gives_id_lists) == (version, fields, lists)


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
