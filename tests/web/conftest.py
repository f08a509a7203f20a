"""The site and the API over a real store and a rack of made-up phones."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from device_drivers.base import PhoneHealth, PhoneIdentity, SendGuard, Sim, SimHealth
from host_controller.events import Bells
from host_controller.fleet.phone import Enrolled, PhoneView, RackSim
from host_controller.settings import load_settings
from host_controller.store.models import PhoneRecord, SimRecord
from host_controller.store.store import Store
from host_controller.wiring import make_api_app
from web import Services, create_app, make_pages

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
IDENTITY = PhoneIdentity("A1", "HW1", "Maker", "Model <b>7</b>", "14", 34, "fp")
SIM = Sim(0, 11, "89420[****]", "T-Mobile CZ")
ENROLLED = Enrolled(1, IDENTITY, SendGuard(30, 60), (RackSim(1, SIM, 20, 500),))
HEALTH = PhoneHealth(81, 29.5, True, (SimHealth(0, True, -93),), (SIM,))
READY = PhoneView("A1", "device", identity=IDENTITY, enrolled=ENROLLED, health=HEALTH)


class FakePhone:
    def __init__(self, view):
        self.serial = view.serial
        self._view = view
        self.last_wish = None
        self.done = []

    def view(self):
        return self._view

    def invite(self, options):
        self.done.append(("invite", options))

    def release(self):
        self.done.append("release")

    def update(self, **changes):
        self.done.append(changes)


class FakeRack:
    """The part of a rack that the site looks at."""

    trouble = None

    def __init__(self, *views):
        self.views = list(views)
        self.handles = {view.serial: FakePhone(view) for view in views}

    def phones(self):
        return self.views

    def find(self, serial):
        return self.handles.get(serial)


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "smsrack.db")
    opened.write(_add_phone)
    yield opened
    opened.close()


def _add_phone(session):
    phone = PhoneRecord(
        hardware_serial="HW1", adb_serial="A1", manufacturer="Maker", model="Model", android_release="14", api_level=34,
        build_fingerprint="fp", send_only=False, send_way="isms", capabilities={}, guard_max_parts=30,
        guard_interval_s=60, enrolled_at=NOW, inbox_date_ms=0,
    )  # fmt: skip
    phone.sims = [
        SimRecord(
            slot_index=0,
            subscription_id=11,
            operator="T-Mobile CZ",
            active=True,
            parts_per_minute=20,
            parts_per_day=500,
        )
    ]
    session.add(phone)


@pytest.fixture
def rack():
    return FakeRack(READY)


@pytest.fixture
def services(store, rack):
    return Services(store, rack, Bells(), load_settings(None), lambda: NOW)


@pytest.fixture
def api(services):
    return make_api_app(services).test_client()


@pytest.fixture
def site(services):
    app = create_app([make_pages(services)], secret="s" * 64, allowed_hosts=["localhost"])
    return app.test_client()


@pytest.fixture
def waiting_rack(rack):
    rack.views[:] = [replace(READY, waiting_for="guard", waiting_until=NOW + timedelta(minutes=1))]
    return rack
