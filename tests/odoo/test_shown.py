"""The rack as people see it inside Odoo: phones and what came in as rows, a campaign paused by a tick."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from device_drivers.base import PhoneHealth, PhoneIdentity, SendGuard, Sim, SimHealth
from host_controller.events import Bells
from host_controller.fleet.phone import Enrolled, PhoneView, RackSim
from host_controller.messaging.batches import find_record
from host_controller.messaging.holds import HoldKind, Holds, Scope, active_holds, hold, release
from host_controller.settings import MessageSettings
from host_controller.store.models import HoldRecord, MessageRecord, PhoneRecord, SimRecord
from odoo_sync.errors import OdooRejectedError, OdooUnavailableError
from odoo_sync.fake.errors import OdooError
from odoo_sync.mailings import batch_of, mailing_of
from odoo_sync.partners import Partners
from odoo_sync.pause import Pause
from odoo_sync.pauses import Pauses
from odoo_sync.phones_shown import PhonesShown
from odoo_sync.pull import Pull
from odoo_sync.received import Received
from odoo_sync.setup.records import Ref
from odoo_sync.setup.shown import shown_in_odoo
from odoo_sync.sync import OdooSync, Step
from odoo_sync.versions import capabilities_of
from tests.odoo.both_ways import ANNA, EVA, NAME, PETR, Scene
from tests.odoo.conftest import Served

PRAGUE = ZoneInfo("Europe/Prague")
BATCH = batch_of(NAME, 14)
ADMIN = [2, "Administrator"]
SHOWN = [
    record
    for record in shown_in_odoo(capabilities_of("18.0"), Ref("group"), has_mailings=True)
    if record.model in ("ir.model", "ir.model.fields")
]


def show_in(odoo):
    """Let a fake Odoo have the models and the tick that setup makes."""
    for record in SHOWN:
        table = odoo.tables[record.model]
        table.user = ADMIN
        table.create(dict(record.values))


def hide_in(odoo):
    for record in SHOWN:
        table = odoo.tables[record.model]
        table.user = ADMIN
        table.unlink(list(table.rows if record.model == "ir.model.fields" else manual(table)))


def manual(models):
    return [row["id"] for row in models.rows.values() if row["model"].startswith("x_")]


class Shown(Scene):
    """One connection with what setup makes for people to see; a rack of made-up phones."""

    def __init__(self, served, store):
        self.views = []
        show_in(served.odoo)
        self.holds = Holds(store)
        super().__init__(served, store)

    def restart(self):
        super().restart()
        client = self.served.client(name=self.name)
        self.pauses = Pauses(client, self.store, self.holds, Bells(), self.clock)
        partners = Partners(client, "CZ")
        self.received = Received(client, self.store, self.outbox, partners, self.clock, self.peers)
        self.phones = PhonesShown(client, self.store, lambda: self.views, self.clock, PRAGUE, "host-a")
        self.pull = Pull(client, self.store, MessageSettings(), self.clock, Bells())
        steps = [
            Step("pauses", self.pauses.run),
            Step("received", self.received.run),
            Step("phones", self.phones.run),
        ]
        self.both = OdooSync(self.name, steps, self.store, self.clock, lambda: Pause(0, 0))

    @property
    def ticked(self):
        """The mailings that are paused in Odoo."""
        return self.odoo.tables["mailing.mailing"].ticks["x_smsrack_paused"]

    def rows(self, model):
        return list(self.odoo.tables[model].rows.values())

    def phone_rows(self):
        return {row["x_key"]: row for row in self.rows("x_smsrack_phone")}

    def enrol(self, serial, *numbers):
        """Put a phone with SIMs on record; give its id."""

        def work(session):
            first = session.get_one(PhoneRecord, first_id)
            record = PhoneRecord(
                **{
                    column.name: getattr(first, column.name)
                    for column in PhoneRecord.__table__.columns
                    if column.name != "id"
                }
            )
            record.hardware_serial = record.adb_serial = serial
            record.model = "Model 7"
            record.sims = [
                SimRecord(
                    slot_index=slot,
                    subscription_id=slot,
                    operator="T-Mobile CZ",
                    msisdn=number,
                    active=True,
                    parts_per_minute=20,
                )
                for slot, number in enumerate(numbers)
            ]
            session.add(record)
            session.flush()
            return record.id, [sim.id for sim in record.sims]

        first_id = self.phone()
        return self.store.write(work)

    def see(self, serial, *, battery=80, signal=-71):
        identity = PhoneIdentity(serial, serial, "Maker", "Model 7", "14", 34, "fp")
        health = PhoneHealth(battery, None, None, (SimHealth(0, True, signal), SimHealth(1, True, None)), ())
        self.views = [view for view in self.views if view.serial != serial]
        self.views.append(PhoneView(serial, "device", identity=identity, health=health))

    def message(self, n, state, **values):
        def work(session):
            session.add(
                MessageRecord(
                    uid=n,
                    msisdn=ANNA,
                    text="x",
                    part_count=1,
                    state=state,
                    created_at=self.now,
                    **{"changed_at": self.now, **values},
                )
            )

        self.store.write(work)

    def held(self):
        """(batch, actor) of all that is paused."""
        with self.store.reading() as session:
            names = {record.id: record.name for record in [find_record(session, BATCH)] if record}
            return [(names.get(view.target_id), view.actor) for view in active_holds(session)]

    def waiting(self):
        with self.store.reading() as session:
            return len(session.scalars(select(MessageRecord.id)).all())


@pytest.fixture(scope="module")
def server():
    made = Served()
    yield made
    made.stop()


@pytest.fixture
def served(server):
    """A new fake Odoo behind the same server: to end one takes a second."""
    server.renew()
    return server


@pytest.fixture
def scene(served, store):
    return Shown(served, store)


def test_phones_are_rows_of_their_own(scene):
    phone_id, (sim_id, _) = scene.enrol("A1", "+420700000001", None)
    scene.enrol("B2", "+420700000002")
    scene.see("A1", battery=63, signal=-93)
    yesterday = scene.now - timedelta(days=2)
    scene.message(1, "sent", sim_id=sim_id)
    scene.message(2, "sent", sim_id=sim_id, changed_at=yesterday)
    scene.message(3, "unknown", sim_id=sim_id)
    scene.message(4, "queued", only_sim_id=sim_id)
    scene.message(5, "queued", only_phone_id=phone_id)
    scene.message(6, "queued")
    scene.run()
    rows = scene.phone_rows()
    first = rows["A1"]
    assert (first["x_name"], first["x_model"], first["x_rack"]) == ("A1", "Maker Model 7", "host-a")
    assert first["x_sims"] == "+420700000001 (T-Mobile CZ), SIM 2 (T-Mobile CZ)"
    assert (first["x_battery_percent"], first["x_signal_dbm"], first["x_state"]) == (63, -93, "enrolling")
    assert (first["x_sent_today"], first["x_failed_today"], first["x_queued"]) == (1, 1, 2)
    assert first["x_seen_at"] == scene.odoo_now()
    absent = rows["B2"]
    assert (absent["x_state"], absent["x_battery_percent"], absent["x_seen_at"]) == ("offline", 0, False)
    assert all(row["x_active"] for row in rows.values())


def calls_of(scene, monkeypatch):
    made = []
    for name in ("create", "write", "search_read"):
        table = scene.odoo.tables["x_smsrack_phone"]
        real = getattr(table, name)
        monkeypatch.setattr(
            table, name, lambda *a, real=real, name=name, **k: (made.append((name, *a[:1])), real(*a, **k))[1]
        )
    return made


def test_only_what_changed_is_written_and_not_more_often_than_every_minute(scene, monkeypatch):
    for serial in ("A1", "B2"):
        scene.see(serial)
    scene.run()
    made = calls_of(scene, monkeypatch)
    scene.see("A1", battery=79)
    scene.wait(seconds=59)
    scene.run()
    assert made == []
    scene.wait(seconds=1)
    scene.run()
    scene.wait(minutes=1)
    scene.run()
    ids = {row["x_key"]: row["id"] for row in scene.rows("x_smsrack_phone")}
    assert [call for call in made if call[0] != "search_read"] == [("write", [ids["A1"]])]
    assert scene.phone_rows()["A1"]["x_battery_percent"] == 79
    scene.wait(minutes=10)  # that they are still there is told now and then
    scene.run()
    assert {row["x_seen_at"] for row in scene.rows("x_smsrack_phone")} == {scene.odoo_now()}


def test_a_phone_that_is_gone_is_archived_and_comes_back_as_the_same_row(scene):
    scene.see("A1")
    scene.see("B2")
    scene.odoo.tables["x_smsrack_phone"].add(x_key="C3", x_rack="host-b", x_state="ready", x_active=True)
    scene.run()
    (gone,) = [view for view in scene.views if view.serial == "A1"]
    scene.views.remove(gone)
    scene.wait(minutes=1)
    scene.run()
    rows = scene.phone_rows()
    assert (rows["A1"]["x_active"], rows["A1"]["x_state"], rows["B2"]["x_active"]) == (False, "taken out", True)
    assert rows["C3"]["x_active"]  # of another host
    scene.views.append(gone)
    scene.see("C3")  # and moved over here
    scene.wait(minutes=1)
    scene.restart()
    scene.run()
    assert len(scene.rows("x_smsrack_phone")) == 3
    assert scene.phone_rows()["A1"]["x_active"]
    assert scene.phone_rows()["C3"]["x_rack"] == "host-a"


def test_a_hold_is_shown_as_what_the_phone_does(scene):
    phone_id, _ = scene.enrol("A1", "+420700000001")
    scene.see("A1")
    scene.views = [ready(view) for view in scene.views]
    scene.run()
    assert scene.phone_rows()["A1"]["x_state"] == "ready"
    scene.store.write(lambda s: hold(s, Scope.PHONE, phone_id, HoldKind.DRAINED, "new battery", scene.now, "petr"))
    scene.wait(minutes=1)
    scene.run()
    row = scene.phone_rows()["A1"]
    assert (row["x_state"], row["x_advice"]) == ("drained", "new battery")


def ready(view):
    sims = (RackSim(1, Sim(0, 0, None, None), 20, None),)
    return replace(view, enrolled=Enrolled(1, view.identity, SendGuard(30, 60), sims))


def test_what_a_lost_answer_made_twice_is_archived(scene):
    scene.see("A1")
    scene.run()
    (row,) = scene.rows("x_smsrack_phone")
    scene.odoo.tables["x_smsrack_phone"].add(**{name: row[name] for name in row if name.startswith("x_")})
    scene.wait(minutes=1)
    scene.run()
    assert [row["x_active"] for row in scene.rows("x_smsrack_phone")] == [True, False]


def test_what_came_in_is_a_row_once(scene):
    anna = scene.odoo.partners.add(name="Anna", phone=ANNA)
    scene.run()
    scene.wait(seconds=5)
    scene.receive(ANNA, "Ano\nděkuji")
    scene.receive("T-Mobile", "Dobijte si kredit")
    scene.receive(EVA, "stays here", may_forward=False)
    scene.run()
    scene.restart()
    scene.run()
    first, second = scene.rows("x_smsrack_inbound")
    assert (first["x_name"], first["x_text"], first["x_partner_id"]) == (ANNA, "Ano\nděkuji", anna["id"])
    assert (first["x_received_at"], first["x_to"], first["x_is_stop"]) == (scene.odoo_now(), "R58M1", False)
    assert (second["x_name"], second["x_partner_id"]) == ("T-Mobile", False)
    assert scene.outcomes("received") == [(ANNA, "shown"), ("T-Mobile", "shown")]


def test_what_came_in_before_is_not_shown(scene):
    scene.receive(ANNA, "before")
    scene.wait(seconds=1)
    scene.run()
    scene.receive(ANNA, "after")
    scene.run()
    assert [row["x_text"] for row in scene.rows("x_smsrack_inbound")] == ["after"]


def test_of_several_databases_the_one_that_wrote_to_the_number(served, store):
    scene = Shown(served, store)
    scene.peers = (NAME, "other")
    scene.restart()
    scene.run()
    scene.sent(ANNA, "b" * 32, name="other")
    scene.wait(seconds=1)
    scene.receive(ANNA, "to the other")
    scene.receive(EVA, "to anybody")
    scene.run()
    assert [row["x_text"] for row in scene.rows("x_smsrack_inbound")] == ["to anybody"]


@pytest.mark.parametrize("fault", ["lost_answer", "serialization", "down", "garbage"])
def test_a_call_that_fails_makes_no_row_twice_and_loses_none(scene, fault):
    scene.run()
    scene.restart()
    expected = []
    for call in range(7):
        scene.wait(minutes=6)
        for number in (ANNA, EVA, PETR):
            scene.receive(number, f"Ano {call}")
            expected.append((number, f"Ano {call}"))
        scene.served.faults.extend(["none"] * call + [fault])
        for _ in range(3):
            try:
                scene.run()
            except OdooUnavailableError:
                scene.restart()
            scene.wait(minutes=3)
        scene.served.faults.clear()
        made = [(row["x_name"], row["x_text"]) for row in scene.rows("x_smsrack_inbound")]
        assert sorted(made) == sorted(expected), call


def test_one_that_odoo_does_not_take_keeps_no_other_out(scene, monkeypatch):
    table = scene.odoo.tables["x_smsrack_inbound"]
    real = table.create

    def create(values):
        if any(row["x_text"] == "bad" for row in values):
            raise OdooError("builtins.ValueError", "A string literal cannot contain NUL (0x00) characters.")
        return real(values)

    monkeypatch.setattr(table, "create", create)
    scene.run()
    for n, text in enumerate(("one", "two", "bad", "four", "five")):
        scene.receive(f"+42070000010{n}", text)
    with pytest.raises(OdooRejectedError, match="1 received messages"):
        scene.run()
    assert [row["x_text"] for row in scene.rows("x_smsrack_inbound")] == ["one", "two", "four", "five"]
    monkeypatch.setattr(table, "create", real)
    scene.wait(minutes=5)
    scene.run()
    assert len(scene.rows("x_smsrack_inbound")) == 5


def test_where_nothing_is_set_up_nothing_is_done_and_nobody_told(scene):
    hide_in(scene.odoo)
    scene.see("A1")
    scene.receive(ANNA, "Ano")
    scene.odoo.mailings[14] = "sending"
    scene.run()
    assert scene.outcomes("received") == []
    show_in(scene.odoo)  # it is seen some minutes later
    scene.run()
    assert scene.rows("x_smsrack_phone") == []
    scene.wait(minutes=5)
    scene.run()
    assert "A1" in scene.phone_rows()


def test_what_is_taken_away_in_the_middle_ends_quietly(scene):
    scene.see("A1")
    scene.run()
    scene.ticked.add(14)
    scene.odoo.add_mailing([(ANNA, "Sleva")])
    scene.run()
    hide_in(scene.odoo)
    scene.receive(ANNA, "Ano")
    scene.wait(minutes=1)
    for _ in range(2):
        scene.run()
        scene.wait(minutes=1)
    assert scene.held() == [(BATCH, "odoo shop")]  # nobody has said that it may go


def test_a_right_that_is_missing_is_told(scene):
    scene.odoo.tables["x_smsrack_phone"].refused.add("create")
    scene.see("A1")
    with pytest.raises(OdooRejectedError, match="lacks a right"):
        scene.run()


@pytest.mark.parametrize("is_early", [True, False], ids=["before it is sent", "while it is sent"])
def test_a_tick_pauses_the_campaign_and_lets_it_go_on(scene, is_early):
    scene.odoo.mailings[14] = "draft"
    if is_early:
        scene.ticked.add(14)
        scene.run()
    scene.odoo.add_mailing([(ANNA, "Sleva"), (EVA, "Sleva")])
    scene.pull.run()
    scene.ticked.add(14)
    scene.run()
    scene.run()
    assert scene.waiting() == 2
    assert scene.held() == [(BATCH, "odoo shop")]
    batch_id = scene.holds.of_batch(1).target_id
    scene.store.write(lambda s: s.execute(MessageRecord.__table__.update().values(waiting_for="batch_paused")))
    scene.ticked.clear()
    scene.run()
    assert (scene.held(), scene.holds.of_batch(batch_id)) == ([], None)
    with scene.store.reading() as session:
        assert session.scalars(select(MessageRecord.waiting_for)).all() == [None, None]
        (record,) = session.scalars(select(HoldRecord))
    assert (record.released_by, record.reason) == ("odoo shop", "paused in Odoo")


def test_each_takes_back_only_its_own_pause(scene):
    scene.odoo.add_mailing([(ANNA, "Sleva")])
    scene.pull.run()
    with scene.store.reading() as session:
        batch_id = find_record(session, BATCH).id
    key = (Scope.BATCH, batch_id)
    scene.holds.change(lambda s: hold(s, *key, HoldKind.PAUSED, "by hand", scene.now, "petr"))
    scene.run()  # not ticked: what an operator here has paused stays
    assert scene.held() == [(BATCH, "petr")]
    scene.ticked.add(14)
    scene.run()
    scene.ticked.clear()
    scene.run()
    assert scene.held() == [(BATCH, "petr")]
    scene.ticked.add(14)
    scene.run()
    scene.holds.change(lambda s: release(s, *key, scene.now, "petr"))
    scene.run()  # ticked in Odoo still
    assert scene.held() == [(BATCH, "odoo shop")]


def test_a_mailing_that_is_deleted_while_it_is_paused_stays_paused(scene):
    scene.odoo.add_mailing([(ANNA, "Sleva")])
    scene.pull.run()
    scene.ticked.add(14)
    scene.run()
    del scene.odoo.mailings[14]
    scene.run()
    assert scene.held() == [(BATCH, "odoo shop")]


def test_a_tick_that_was_forgotten_makes_no_batch(scene):
    scene.odoo.mailings[14] = "done"
    scene.ticked.add(14)
    scene.run()
    assert scene.held() == []


def test_the_batch_of_a_mailing():
    assert mailing_of("shop", batch_of("shop", 14)) == 14
    for other in ("odoo shop mailing", "odoo shop mailing x", "odoo shop2 mailing 14", "summer"):
        assert mailing_of("shop", other) is None
