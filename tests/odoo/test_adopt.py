"""What Odoo could not hand to its own provider goes from here, when a person or a setting says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from host_controller.store.models import MessageRecord
from odoo_sync.adopt import adopt, count_stuck

ANNA, PETR, EVA = "+420777123456", "+420603111222", "+420724200302"


@pytest.fixture
def stuck(served):
    """Give rows that ended as Odoo ends them within a request, and some that are none of ours to take."""
    rows = served.odoo.add_mailing(
        [(ANNA, "server"), (PETR, "account"), (EVA, "credit"), (ANNA, "number"), (PETR, "settled"), (EVA, "old")]
    )
    kinds = ("sms_server", "sms_acc", "sms_credit", "sms_number_format", "sms_server", "sms_server")
    for row, kind in zip(rows, kinds, strict=True):
        row.state, row.failure_type = "error", kind
    rows[4].to_delete = True
    rows[5].create_date = "2026-01-01 12:00:00"
    return rows


def since():
    return datetime.now(UTC) - timedelta(hours=1)


def texts(store):
    with store.reading() as session:
        return list(session.scalars(select(MessageRecord.text).order_by(MessageRecord.id)))


def test_only_what_wants_a_provider_is_adopted(served, stuck, sync, store, monkeypatch):
    monkeypatch.setattr("odoo_sync.adopt._BATCH", 2)
    client = served.client()
    assert count_stuck(client, since()) == 3
    assert adopt(client, since()) == 3
    assert adopt(client, since()) == 0
    sync.run()
    assert texts(store) == ["server", "account", "credit"]
    assert {row.state for row in stuck[3:]} == {"error"}


def test_the_setting_adopts_at_every_round(served, stuck, make_sync, store):
    make_sync().run()
    assert texts(store) == []
    sync = make_sync(adopt_errors_h=1)
    sync.run()
    assert texts(store) == ["server", "account", "credit"]
    stuck[3].failure_type = "sms_server"  # another, later
    sync.run()
    assert texts(store) == ["server", "account", "credit", "number"]


def test_what_failed_here_is_not_adopted(served, make_sync, store):
    served.odoo.add_mailing([("1188", "short")])
    sync = make_sync(adopt_errors_h=1)
    for _ in range(3):
        sync.run()
    assert texts(store) == []
    assert served.states()["short"] == ("error", "bounce", "sms_country_not_supported")
    assert len(served.odoo.reports) == 1
