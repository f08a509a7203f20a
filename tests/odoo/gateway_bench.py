"""A fake Odoo with the module over HTTP, and our side of it on a real store."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from host_controller.events import Bells
from host_controller.messaging.transitions import change_state
from host_controller.settings import Settings
from host_controller.store.models import MessageRecord, PhoneRecord, SimRecord
from host_controller.store.store import Store
from odoo_sync.fake import FakeOdoo, GatewayModule, make_app, mount
from odoo_sync.gateway_sync import GatewaySync
from tests.serving import serve

START = datetime(2026, 11, 26, 12, tzinfo=UTC)
NUMBER, NUMBER_2 = "+420700000001", "+420700000002"


class ServedModule:
    """A fake module that can be switched off and on again."""

    def __init__(self, clock) -> None:
        self.odoo = FakeOdoo("odoo18")
        self.module = GatewayModule(self.odoo, clock)
        self.phone = self.module.add_phone("Phone A", NUMBER, NUMBER_2)
        self.app = make_app(self.odoo)
        mount(self.app, self.module)
        self.faults, self.calls = self.app.config["FAULTS"], self.app.config["CALLS"]
        self.port = 0
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._server = serve(self.app, self.port)
        self.port = self._server.port

    def stop(self) -> None:
        self._server.stop()


class GatewayBench:
    """Our side, the module, and a clock that a test moves."""

    def __init__(self, directory, database=None) -> None:
        self.now = START
        self.served = ServedModule(lambda: self.now)
        self.module, self.odoo, self.phone = self.served.module, self.served.odoo, self.served.phone
        self.store = Store(database or directory / "smsrack.db")
        self.pairings = directory / "pairings"
        self.pair(self.phone)
        self.views = []
        self.sync = self.make_sync()

    def pair(self, *phones, **extras) -> None:
        codes = [
            {"url": self.served.url, "api_key": phone.api_key, "type": "sms_gateway", **extras} for phone in phones
        ]
        self.pairings.write_text("".join(f"{json.dumps(code)}\n" for code in codes))

    def make_sync(self, **odoo) -> GatewaySync:
        """Our side as a daemon starts it."""
        values = {"mode": "gateway", "url": self.served.url, "pairing_file": self.pairings, "call_limit_s": 20, **odoo}
        settings = Settings.model_validate({"odoo": {"shop": values}})
        return GatewaySync("shop", settings, self.store, lambda: self.now, Bells(), lambda: self.views)

    def online(self) -> None:
        """A first round, after which Odoo gives us messages."""
        self.sync.run()
        self.served.calls.clear()

    def queue(self, *recipients, phone=None, sim_number=""):
        return self.module.add_mailing(phone or self.phone, recipients, sim_number)

    def messages(self):
        with self.store.reading() as session:
            return session.execute(select(MessageRecord.text, MessageRecord.state).order_by(MessageRecord.id)).all()

    def finish(self, text, *path, failure=None) -> None:
        """Let the newest message with this text go through states."""

        def work(session):
            query = select(MessageRecord).where(MessageRecord.text == text).order_by(MessageRecord.id.desc())
            message = session.scalars(query).first()
            for state in path:
                change_state(session, message, state, now=self.now, actor="test", reason="test", failure=failure)

        self.store.write(work)

    def ends(self):
        """body -> (state, trace status, what was told)."""
        return {
            row.body: (row.state, self.odoo.traces[row.uuid].trace_status, self.module.queue[row.id].told)
            for row in self.odoo.sms.values()
            if row.id in self.module.queue
        }

    def later(self, **step) -> None:
        self.now += timedelta(**step)

    def add_sim(self, serial, msisdn=None) -> int:
        """Put a phone with one SIM on record; give the SIM's id."""

        def work(session):
            phone = PhoneRecord(
                hardware_serial=serial,
                adb_serial=serial,
                manufacturer="Test",
                model="Test",
                android_release="14",
                api_level=34,
                build_fingerprint="test",
                send_only=False,
                send_way="isms",
                capabilities={},
                guard_max_parts=1000,
                guard_interval_s=60.0,
                enrolled_at=self.now,
                inbox_date_ms=0,
            )
            sim = SimRecord(
                phone=phone, slot_index=0, subscription_id=1, active=True, parts_per_minute=20, msisdn=msisdn
            )
            session.add(sim)
            session.flush()
            return sim.id

        return self.store.write(work)

    def close(self) -> None:
        self.served.stop()
        self.store.close()
