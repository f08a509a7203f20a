"""Contacts and orders are copied as they change, and nothing of them is missed or kept for too long."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from host_controller.store.models import OdooOrderRecord, OdooPartnerRecord
from host_controller.store.store import Store
from odoo_sync.changes import BATCH
from odoo_sync.errors import OdooUnavailableError
from odoo_sync.facts import Contacts, ShopOrders, TillOrders
from odoo_sync.fake.orders import FakeOrders
from tests.odoo.both_ways import ANNA, EVA, Scene


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, fresh_database):
    opened = Store(fresh_database(request.param))
    yield opened
    opened.close()


@pytest.fixture
def scene(served, store):
    return Scene(served, store)


@pytest.fixture
def contacts(scene):
    return Contacts(scene.served.client(name=scene.name), scene.store, scene.clock)


def copied(scene, record=OdooPartnerRecord):
    with scene.store.reading() as session:
        return {row.odoo_id: row for row in session.scalars(select(record).order_by(record.id))}


def test_a_contact_is_copied_and_follows_its_changes(scene, contacts):
    row = scene.odoo.partners.add(
        name="Anna", mobile=ANNA, email="a@example.com", lang="cs_CZ", country_code="CZ", city="Brno", category_id=[3]
    )
    scene.odoo.partners.add(name="without a number")
    contacts.run()
    (copy,) = copied(scene).values()
    assert (copy.name, copy.msisdn, copy.email, copy.lang) == ("Anna", ANNA, "a@example.com", "cs_CZ")
    assert (copy.country, copy.city, copy.categories, copy.is_company, copy.is_active) == (
        "CZ",
        "Brno",
        [3],
        False,
        True,
    )
    scene.wait(minutes=6)
    scene.odoo.partners.change(row, city="Praha", active=False)
    contacts.run()
    assert [(copy.city, copy.is_active) for copy in copied(scene).values()] == [("Praha", False)]
    scene.wait(minutes=6)
    scene.odoo.partners.change(row, phone_sanitized=False)
    contacts.run()
    assert copied(scene) == {}


def test_what_is_committed_late_is_not_missed(scene, contacts):
    scene.odoo.partners.add(name="Eva", mobile=EVA)
    scene.wait(minutes=6)
    contacts.run()
    late = scene.odoo.partners.add(name="Anna", mobile=ANNA)
    late["write_date"] = scene.odoo_now()[:-2] + "00"  # when its transaction began
    scene.wait(minutes=6)
    contacts.run()
    assert len(copied(scene)) == 2


def test_a_quiet_database_is_asked_for_nothing_twice(scene, contacts, monkeypatch):
    scene.odoo.partners.add(name="Anna", mobile=ANNA)
    contacts.run()
    scene.wait(minutes=11)
    asked = []
    real = scene.odoo.partners.search_read

    def search_read(domain, *arguments, **options):
        found = real(domain, *arguments, **options)
        asked.append(len(found))
        return found

    monkeypatch.setattr(scene.odoo.partners, "search_read", search_read)
    assert contacts.run() == 0
    assert asked == [0]
    assert contacts.run() == 0
    assert asked == [0]


@pytest.mark.parametrize("count", [BATCH - 1, BATCH, 2 * BATCH + 1])
def test_many_of_one_second(scene, contacts, count):
    for n in range(count):
        scene.odoo.partners.add(name=f"{n}", mobile=f"+42077{n:07d}")
    assert contacts.run() == count
    assert len(copied(scene)) == count


def test_what_was_deleted_goes_within_a_day(scene, contacts):
    anna, eva = (scene.odoo.partners.add(name="x", mobile=number) for number in (ANNA, EVA))
    contacts.run()
    del scene.odoo.partners.rows[anna["id"]]
    scene.wait(hours=25)
    contacts.run()
    assert list(copied(scene)) == [eva["id"]]


def test_a_reading_that_breaks_off_begins_anew(scene, contacts):
    for n in range(BATCH + 1):
        scene.odoo.partners.add(name=f"{n}", mobile=f"+42077{n:07d}")
    scene.served.faults.extend(["none", "none", "none", "lost_answer"])
    with pytest.raises(OdooUnavailableError):
        contacts.run()
    contacts.run()
    assert len(copied(scene)) == BATCH + 1


@pytest.mark.parametrize("kind", [ShopOrders, TillOrders])
def test_orders_where_they_are_installed(scene, kind):
    orders = kind(scene.served.client(name=scene.name), scene.store, scene.clock)
    assert orders.run() == 0
    table = FakeOrders(kind.model)
    table.now = scene.odoo_now
    scene.odoo.install(table)
    row = table.add(
        name="S1", partner_id=[7, "Anna"], date_order="2026-11-20 10:00:00", amount_total=1234.5, state="sale"
    )
    row["currency_id"] = [9, "CZK"]
    table.add(name="S2", date_order="2026-11-20 10:00:00", amount_total=1.0, state="draft")
    scene.wait(minutes=6)
    orders.run()
    (copy,) = copied(scene, OdooOrderRecord).values()
    assert (copy.model, copy.name, copy.partner_id, copy.total_milli) == (kind.model, "S1", 7, 1_234_500)
    assert (copy.currency, copy.state, copy.ordered_at.hour) == ("CZK", "sale", 10)
