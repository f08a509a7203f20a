"""A reply stands in the chatter of the contact that wrote it, once, and what it answers is marked."""

from __future__ import annotations

from datetime import timedelta

import pytest

from host_controller.store.odoo_outbox import backlogs
from host_controller.store.store import Store
from odoo_sync.errors import OdooRejectedError, OdooUnavailableError
from odoo_sync.fake.contacts import FakeMessages, FakePartners
from tests.odoo.both_ways import ANNA, EVA, PETR, Scene


@pytest.fixture
def store(request, fresh_database):
    opened = Store(fresh_database(getattr(request, "param", "sqlite")))
    yield opened
    opened.close()


@pytest.fixture
def scene(served, store):
    made = Scene(served, store)
    made.run()
    return made


def contact(scene, **values):
    return scene.odoo.partners.add(**{"name": "Contact", **values})


@pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
def test_a_reply_is_posted_once_as_it_was_written(scene):
    anna = contact(scene, mobile="777 123 456")
    scene.receive(ANNA, "Dobrý <b>den</b>\nPřijdu & děkuji")
    for _ in range(3):
        scene.run()
    (body,) = scene.odoo.partners.chatter(anna)
    assert body == f"<p>SMS from {ANNA}</p><p>Dobrý &lt;b&gt;den&lt;/b&gt;<br/>Přijdu &amp; děkuji</p>"
    (message,) = scene.odoo.messages.rows.values()
    assert message["date"] == scene.odoo_now()
    assert message["message_id"].endswith("@sms.smsrack>")


def test_only_what_may_leave_this_host(scene):
    anna = contact(scene, phone=ANNA)
    scene.receive(ANNA, "private", may_forward=False)
    scene.receive("Banka", "Kód 1234")
    scene.run()
    assert scene.odoo.partners.chatter(anna) == []
    assert scene.outcomes("chatter") == []


def test_what_came_before_the_connection_was_set_up_stays_here(served, store):
    scene = Scene(served, store)
    anna = contact(scene, phone=ANNA)
    scene.receive(ANNA, "before")
    scene.wait(minutes=1)
    scene.run()
    scene.receive(ANNA, "after")
    scene.run()
    assert [text.endswith("<p>after</p>") for text in scene.odoo.partners.chatter(anna)] == [True]


def test_what_came_in_while_the_first_round_waited_for_odoo(scene):
    """As on a real Odoo whose blacklist took some seconds: a campaign was answered meanwhile."""
    anna = scene.odoo.partners.add(name="Anna", phone=ANNA)
    scene.forwarding.begin()
    scene.wait(minutes=1)
    scene.receive(ANNA, "meanwhile")
    scene.restart()
    scene.forwarding.begin()
    scene.run()
    assert [text.endswith("<p>meanwhile</p>") for text in scene.odoo.partners.chatter(anna)] == [True]


@pytest.mark.parametrize(
    "written",
    [
        {"mobile": "777 123 456"},
        {"phone": "+420 777 123 456"},
        {"phone": "00420777123456", "mobile": "603 999 888"},
        {"phone": "+420 777-123-456", "mobile": "603 999 888"},
    ],
)
def test_a_contact_is_found_however_its_number_is_written(scene, written):
    found = contact(scene, **written)
    contact(scene, mobile="603 111 000")
    scene.receive(ANNA, "Ano")
    scene.run()
    assert len(scene.odoo.partners.chatter(found)) == 1


def test_odoo_19_has_no_mobile_number(served, store, monkeypatch):
    monkeypatch.setattr("odoo_sync.client.OdooClient.server_version", lambda _: "19.0")
    messages = FakeMessages()
    served.odoo.messages, served.odoo.partners = messages, FakePartners(messages, has_mobile=False)
    served.odoo.install(messages)
    served.odoo.install(served.odoo.partners)
    scene = Scene(served, store)
    scene.run()
    anna = contact(scene, phone=ANNA)
    scene.receive(ANNA, "Ano")
    scene.receive(EVA, "Ne")
    scene.run()
    assert len(scene.odoo.partners.chatter(anna)) == 1
    assert scene.outcomes("chatter") == [(ANNA, "posted"), (EVA, "no_contact")]


def test_of_several_contacts_the_one_that_was_written_to_else_the_oldest(scene):
    first, second = contact(scene, phone=ANNA), contact(scene, phone=ANNA)
    scene.receive(ANNA, "one")
    scene.run()
    assert [len(scene.odoo.partners.chatter(row)) for row in (first, second)] == [1, 0]
    scene.odoo.add_mailing([(ANNA, "Sleva")])
    (trace,) = scene.odoo.traces.values()
    trace.res_id = second["id"]
    scene.receive(ANNA, "two")
    scene.run()
    assert [len(scene.odoo.partners.chatter(row)) for row in (first, second)] == [1, 1]


@pytest.mark.parametrize("fault", ["lost_answer", "serialization", "down", "garbage"])
@pytest.mark.parametrize("call", range(12))
def test_a_call_that_fails_posts_nothing_twice_and_loses_nothing(scene, fault, call):
    people = [contact(scene, phone=number) for number in (ANNA, EVA, PETR)]
    for number in (ANNA, EVA, PETR):
        scene.receive(number, "Ano")
    scene.served.faults.extend(["none"] * call + [fault])
    for _ in range(3):
        try:
            scene.run()
        except OdooUnavailableError:
            scene.restart()
        scene.wait(minutes=3)
    assert [len(scene.odoo.partners.chatter(row)) for row in people] == [1, 1, 1]


def test_a_posting_that_odoo_ends_after_we_gave_up_waiting_is_found(scene, monkeypatch):
    anna = contact(scene, phone=ANNA)
    late = []
    real = scene.odoo.partners.message_post

    def hang(ids, **values):
        late.append(lambda: real(ids, **values))
        from odoo_sync.fake.errors import OdooError

        raise OdooError("psycopg2.OperationalError", "away")

    scene.receive(ANNA, "Ano")
    monkeypatch.setattr(scene.odoo.partners, "message_post", hang)
    with pytest.raises(OdooUnavailableError):
        scene.run()
    monkeypatch.undo()
    scene.restart()
    scene.wait(seconds=100)
    scene.run()  # Odoo may still be at it
    late.pop()()
    scene.wait(seconds=100)
    scene.run()
    assert len(scene.odoo.partners.chatter(anna)) == 1
    assert scene.outcomes("chatter") == [(ANNA, "known")]


def test_replies_of_one_person_keep_their_order(scene):
    anna, eva = contact(scene, phone=ANNA), contact(scene, phone=EVA)
    scene.odoo.partners.user_has_email = False
    scene.receive(ANNA, "one")
    with pytest.raises(OdooRejectedError, match="e-mail address"):
        scene.run()
    scene.odoo.partners.user_has_email = True
    scene.receive(ANNA, "two")
    scene.receive(EVA, "three")
    scene.run()
    assert len(scene.odoo.partners.chatter(anna)) == 0  # the first is to be tried again first
    assert len(scene.odoo.partners.chatter(eva)) == 1
    with scene.store.reading() as session:
        assert [(b.kind, b.waiting, b.gave_up) for b in backlogs(session, "shop")] == [("chatter", 2, 0)]
    scene.wait(minutes=2)
    scene.run()
    assert [text[-10:] for text in scene.odoo.partners.chatter(anna)] == ["<p>one</p>", "<p>two</p>"]


def test_what_odoo_refuses_for_a_week_is_given_up(scene):
    contact(scene, phone=ANNA)
    scene.odoo.partners.user_has_email = False
    scene.receive(ANNA, "one")
    for _ in range(60):
        try:
            scene.run()
        except OdooRejectedError:
            scene.wait(hours=5)
    assert scene.outcomes("chatter") == [(ANNA, "gave_up")]


def test_a_reply_is_of_the_database_that_wrote_last(served, store):
    names = ("shop", "other")
    shop, other = Scene(served, store, peers=names), Scene(served, store, name="other", peers=names)
    shop.run()
    other.run()
    contact(shop, phone=ANNA)
    shop.sent(ANNA, "a" * 32)
    shop.sent(ANNA, "b" * 32, name="other")
    shop.receive(ANNA, "Ano", at=shop.now + timedelta(minutes=1))
    shop.receive(EVA, "of nobody that we wrote to")
    shop.run()
    other.run()
    assert sorted(shop.outcomes("chatter")) == [(EVA, "no_contact"), (ANNA, "elsewhere")]
    assert other.outcomes("chatter") == [(ANNA, "posted"), (EVA, "no_contact")]


def mailed(scene, number, status, sent_ago=None):
    (row,) = scene.odoo.add_mailing([(number, "Sleva")])
    trace = scene.odoo.traces[row.uuid]
    trace.trace_status = status
    if sent_ago is not None:
        trace.sent_datetime = (scene.now - sent_ago).strftime("%Y-%m-%d %H:%M:%S")
    return trace


@pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
def test_what_was_answered_is_marked(scene):
    old, new = (mailed(scene, ANNA, "pending", timedelta(days=days)) for days in (3, 1))
    scene.receive(ANNA, "Ano")
    scene.run()
    assert (old.trace_status, new.trace_status) == ("pending", "reply")
    scene.receive(ANNA, "Ještě něco")
    scene.run()
    assert scene.outcomes("reply") == [(ANNA, "marked"), (ANNA, "marked")]


@pytest.mark.parametrize(
    ("status", "ago"), [("bounce", timedelta(days=1)), ("error", None), ("cancel", None), ("pending", timedelta(40))]
)
def test_what_cannot_have_been_answered_is_not_marked(scene, status, ago):
    trace = mailed(scene, ANNA, status, ago)
    scene.receive(ANNA, "Ano")
    scene.run()
    assert (trace.trace_status, scene.outcomes("reply")) == (status, [(ANNA, "no_trace")])


def test_a_mark_waits_until_no_report_can_take_it_back(scene):
    trace = mailed(scene, ANNA, "process")
    scene.receive(ANNA, "Ano")
    scene.run()
    assert trace.trace_status == "process"
    scene.odoo.report([{"sms_status": "sent", "uuids": [next(iter(scene.odoo.traces))]}])
    trace.sent_datetime = scene.odoo_now()
    scene.sent(ANNA, "c" * 32, reported_at=scene.now)
    scene.wait(minutes=2)
    scene.run()
    assert trace.trace_status == "pending"
    scene.wait(minutes=5)
    scene.run()
    assert trace.trace_status == "reply"


def test_without_mailings_there_is_nothing_to_mark(scene):
    del scene.odoo.tables["mailing.trace"]
    scene.receive(ANNA, "Ano")
    scene.run()
    assert scene.outcomes("reply") == [(ANNA, "no_trace")]
