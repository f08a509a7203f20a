"""A rack's database and a fake Odoo, for what goes both ways between them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from host_controller.consent.opt_outs import OptOutSource, Origin, in_force
from host_controller.messaging.opting_out import opt_out
from host_controller.store.models import InboundRecord, MessageRecord, OdooOutboxRecord, OdooSmsRecord, PhoneRecord
from odoo_sync.blacklist import Blacklist
from odoo_sync.chatter import Chatter
from odoo_sync.forwarding import Forwarding
from odoo_sync.outbox import Outbox
from odoo_sync.partners import Partners
from odoo_sync.pause import Pause
from odoo_sync.reply_marks import ReplyMarks
from odoo_sync.sync import OdooSync, Step

ANNA, PETR, EVA = "+420777123456", "+420603111222", "+420724200302"
NAME = "shop"


class Scene:
    """One connection; the time is what the test says, there and here."""

    def __init__(self, served, store, *, name=NAME, brand=None, peers=(NAME,)):
        self.served, self.store, self.odoo = served, store, served.odoo
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.name, self.brand, self.peers = name, brand, peers
        for table in self.odoo.tables.values():
            table.now = self.odoo_now
        self.restart()

    def restart(self):
        """As after a start of the daemon."""
        client = self.served.client(name=self.name)
        self.outbox = Outbox(self.name, self.store, self.clock, jitter=lambda: 0.0)
        self.blacklist = Blacklist(client, self.store, self.outbox, self.clock, "CZ", self.brand, self.peers)
        self.forwarding = Forwarding(self.outbox, self.store, self.clock, self.peers)
        self.chatter = Chatter(client, self.store, self.outbox, Partners(client, "CZ"), self.clock)
        self.marks = ReplyMarks(client, self.store, self.outbox, self.clock)
        steps = [
            Step("refused numbers", self.blacklist.run),
            Step("replies", self.forwarding.run),
            Step("notes", self.chatter.run),
            Step("answered messages", self.marks.run),
        ]
        self.both = OdooSync(self.name, steps, self.store, self.clock, lambda: Pause(0, 0))

    def clock(self):
        return self.now

    def odoo_now(self):
        return self.now.strftime("%Y-%m-%d %H:%M:%S")

    def wait(self, **span):
        self.now += timedelta(**span)

    def run(self):
        self.both.run()

    def refuse(self, number, source=OptOutSource.INBOUND, brand=""):
        self.store.write(lambda s: opt_out(s, number, Origin(source, "test"), now=self.now, brand=brand))

    def sources(self, number):
        with self.store.reading() as session:
            return [record.source for record in in_force(session, number)]

    def phone(self):
        def work(session):
            found = session.scalar(select(PhoneRecord.id))
            if found:
                return found
            phone = PhoneRecord(
                hardware_serial="R58M1",
                adb_serial="R58M1",
                manufacturer="m",
                model="m",
                android_release="14",
                api_level=34,
                build_fingerprint="f",
                send_only=False,
                send_way="isms",
                capabilities={},
                guard_max_parts=30,
                guard_interval_s=1800,
                enrolled_at=self.now,
                inbox_date_ms=0,
            )
            session.add(phone)
            session.flush()
            return phone.id

        return self.store.write(work)

    def receive(self, sender, text, *, may_forward=True, at=None, stop="none"):
        """Store a message that came in; give its id."""
        phone_id = self.phone()

        def work(session):
            row_id = len(session.scalars(select(InboundRecord.id)).all()) + 1
            record = InboundRecord(
                phone_id=phone_id,
                row_id=row_id,
                row_date_ms=row_id * 1000,
                body_sha256=hashlib.sha256(f"{sender}\0{text}".encode()).hexdigest(),
                sender=sender,
                msisdn=sender if sender.startswith("+") else None,
                peer=sender,
                text=text,
                received_at=at or self.now,
                stored_at=self.now,
                stop=stop,
                may_forward=may_forward,
            )
            session.add(record)
            session.flush()
            return record.id

        return self.store.write(work)

    def sent(self, number, uuid, *, name=NAME, reported_at=None):
        """A message of an Odoo's that has been sent, and perhaps reported."""

        def work(session):
            message = MessageRecord(
                uid=int(uuid[:7], 16),
                ref=f"odoo/{name}/{uuid}",
                msisdn=number,
                text="x",
                part_count=1,
                state="sent",
                created_at=self.now,
                changed_at=self.now,
            )
            session.add(message)
            session.flush()
            session.add(
                OdooSmsRecord(
                    database=name,
                    sms_id=1,
                    uuid=uuid,
                    message_id=message.id,
                    reported="sent" if reported_at else None,
                    reported_at=reported_at,
                )
            )

        self.store.write(work)

    def outcomes(self, kind):
        """(record, outcome) of all rows of a kind, in order."""
        with self.store.reading() as session:
            rows = session.scalars(
                select(OdooOutboxRecord)
                .where(OdooOutboxRecord.kind == kind, OdooOutboxRecord.database == self.name)
                .order_by(OdooOutboxRecord.id)
            )
            return [(row.record, row.outcome) for row in rows]
