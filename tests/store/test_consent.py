"""Opt-outs, word lists, policy and conversations on SQLite and PostgreSQL."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import IntegrityError

from device_drivers.base import InboxRow
from host_controller.consent.opt_outs import Origin, add_opt_out, in_force, lift, opted_out
from host_controller.consent.policy import Bars, ConsentPolicy, ForwardPolicy
from host_controller.consent.rules_care import RulesCare
from host_controller.errors import TooManyPartsError, UnknownConversationError
from host_controller.inbox.conversations import list_conversations, mark_read, read_conversation, reply
from host_controller.inbox.receive import InboundStore
from host_controller.messaging.consent_care import ConsentCare, ImportRow
from host_controller.settings import load_settings
from host_controller.store import inbound_queries
from host_controller.store.models import OptOutRecord, PhoneRecord, SimRecord
from host_controller.store.store import Store

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
NOW_MS = round(NOW.timestamp() * 1000)
ANNA, PETR = "+420777123456", "+420603111222"
SETTINGS = load_settings(None)
BY_HAND = Origin("operator", "test")


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, fresh_database):
    with closing(Store(fresh_database(request.param))) as opened:
        opened.write(_add_phone)
        yield opened


def _add_phone(session):
    phone = PhoneRecord(
        hardware_serial="HW1", adb_serial="A1", manufacturer="Maker", model="Model", android_release="14", api_level=34,
        build_fingerprint="fp", send_only=False, send_way="isms", capabilities={}, guard_max_parts=30,
        guard_interval_s=60, enrolled_at=NOW, inbox_date_ms=0,
    )  # fmt: skip
    phone.sims = [SimRecord(slot_index=0, subscription_id=11, active=True, parts_per_minute=20)]
    session.add(phone)


@pytest.fixture
def receive(store):
    inbound = InboundStore(store, SETTINGS, lambda: NOW)

    def take(*texts: tuple[str, str], first: int = 1):
        rows = [InboxRow(first + n, NOW_MS, NOW_MS, 11, sender, text) for n, (sender, text) in enumerate(texts)]
        return inbound.take(1, rows, NOW_MS).new

    return take


def refused(store, *recipients):
    with store.reading() as session:
        return opted_out(session, recipients)


def test_one_opt_out_of_each_source_is_in_force_at_a_time_and_all_stay_on_record(store):
    for _ in range(3):
        assert store.write(lambda session: add_opt_out(session, ANNA, BY_HAND, now=NOW))
        assert not store.write(lambda session: add_opt_out(session, ANNA, BY_HAND, now=NOW))
        assert refused(store, (ANNA, None)) == {(ANNA, None)}
        store.write(lambda session: lift(in_force(session, ANNA), now=NOW, actor="test", reason="a mistake"))
        assert refused(store, (ANNA, None)) == set()
    with store.reading() as session:
        assert len(session.scalars(select(OptOutRecord)).all()) == 3


def test_the_database_itself_keeps_a_second_one_out(store):
    def twice(session):
        for _ in range(2):
            session.add(OptOutRecord(msisdn=ANNA, brand="", source="operator", actor="test", created_at=NOW))

    with pytest.raises(IntegrityError):
        store.write(twice)


def test_an_opt_out_for_a_brand_holds_for_it_and_for_messages_of_none(store):
    store.write(lambda session: add_opt_out(session, ANNA, BY_HAND, now=NOW, brand="Alfa"))
    recipients = [(ANNA, "Alfa"), (ANNA, "Beta"), (ANNA, None), (PETR, "Alfa")]
    assert refused(store, *recipients) == {(ANNA, "Alfa"), (ANNA, None)}


def test_a_list_is_taken_in_as_a_whole_but_for_what_is_wrong(store):
    care = ConsentCare(store, SETTINGS, lambda: NOW)
    rows = [ImportRow("777 123 456"), ImportRow("12"), ImportRow(PETR, "Alfa", "from a fair", NOW - timedelta(days=9))]
    first, again = care.take_in(rows, "test"), care.take_in(rows, "test")
    assert (first.added, first.known, [line for line, _ in first.errors]) == (2, 0, [2])
    assert (again.added, again.known) == (0, 2)
    (petr,) = care.history(PETR)
    assert (petr.brand, petr.note, petr.created_at) == ("Alfa", "from a fair", NOW - timedelta(days=9))


def test_a_long_list_lets_others_write_in_between(store):
    care, transactions = ConsentCare(store, SETTINGS, lambda: NOW), []
    store.on_begin(lambda: transactions.append(None))
    assert care.take_in([ImportRow(f"+420777{n:06d}") for n in range(1000)], "test").added == 1000
    assert len(transactions) >= 10


def test_a_start_lifts_no_stop_that_came_after_it_whatever_is_read_first(store, receive):
    inbound = InboundStore(store, SETTINGS, lambda: NOW)
    late, early = NOW_MS - 1_000, NOW_MS - 600_000
    inbound.take(1, [InboxRow(1, late, late, 11, ANNA, "STOP")], NOW_MS)
    inbound.take(1, [InboxRow(2, early, early, 11, ANNA, "START")], NOW_MS)
    inbound.take(1, [InboxRow(3, early, early, 11, PETR, "STOP")], NOW_MS)
    inbound.take(1, [InboxRow(4, late, late, 11, PETR, "START")], NOW_MS)
    assert refused(store, (ANNA, None), (PETR, None)) == {(ANNA, None)}


def test_what_is_chosen_and_edited_is_there_after_a_restart(store):
    rules = RulesCare(store, lambda: NOW)
    wanted = ConsentPolicy(ForwardPolicy.STOP, "Odhlaseno.", Bars.MARKETING)
    for policy in (ConsentPolicy(), wanted, wanted):
        rules.change_policy(policy, "test")
    assert RulesCare(store, lambda: NOW).policy() == wanted
    with pytest.raises(TooManyPartsError):
        rules.change_policy(ConsentPolicy(stop_answer="x" * 400), "test")
    edit_id = rules.edit("stop", "Zhasni", "test", is_added=True)
    assert rules.edit("stop", "ZHASNI!", "test", is_added=True) == edit_id
    assert rules.judge("zhasni").verdict == "certain"


def test_conversations_are_grouped_by_number_or_name_and_searched(store, receive):
    assert receive((ANNA, "jedna"), ("777123456", "dvě_"), ("Banka", "kód 100%"), (PETR, "tři")) == 4
    with store.reading() as session:
        assert [(one.peer, one.unread) for one in list_conversations(session)] == [(PETR, 1), ("Banka", 1), (ANNA, 2)]
        assert [one.peer for one in list_conversations(session, search="JEDNA")] == [ANNA]
        assert [one.peer for one in list_conversations(session, search="0%")] == ["Banka"]
        assert [one.peer for one in list_conversations(session, search="_")] == [ANNA]
        assert [said.text for said in read_conversation(session, ANNA)] == ["jedna", "dvě_"]
        with pytest.raises(UnknownConversationError):
            read_conversation(session, "Nobody")
    assert store.write(lambda session: mark_read(session, ANNA, 1, now=NOW)) == 1
    with store.reading() as session:
        assert [one.peer for one in list_conversations(session, unread=True, limit=2)] == [PETR, "Banka"]
        assert sum(one.unread for one in list_conversations(session)) == 3


def test_what_was_taken_in_once_is_not_taken_in_again(store, receive):
    texts = [(ANNA, "Ano"), (ANNA, "Ano")]
    assert receive(*texts) == 2
    assert receive(*texts) == 0
    with store.reading() as session:
        assert len(inbound_queries.list_inbound(session)) == 2


def test_a_text_that_the_database_cannot_hold_keeps_back_none_of_its_page(store, receive):
    assert receive((ANNA, "a\0b"), ("Ba\0nka", "Ano"), (PETR, "STOP"), ("+420605333444", "S\0TOP")) == 4
    assert receive((ANNA, "a\0b"), ("Ba\0nka", "Ano"), (PETR, "STOP"), ("+420605333444", "S\0TOP")) == 0
    assert refused(store, (PETR, None), ("+420605333444", None)) == {(PETR, None), ("+420605333444", None)}
    with store.reading() as session:
        views = inbound_queries.list_inbound(session)
    assert [(view.sender, view.text) for view in reversed(views)][:2] == [(ANNA, "a\ufffdb"), ("Ba\ufffdnka", "Ano")]


def test_the_newest_conversations_are_found_without_looking_at_all_others(store, receive):
    receive(*((f"+420777{n % 300:06d}", f"{n}") for n in range(900)))
    plans = []

    def look(connection, _cursor, statement, parameters, *_):
        if "FROM inbound" in statement:
            explain = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
            cursor = connection.connection.cursor()
            plans.append("\n".join(str(row) for row in cursor.execute(f"{explain} {statement}", parameters).fetchall()))

    with store.reading() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("SET enable_seqscan = off"))
        event.listen(store._engine, "before_cursor_execute", look)
        for wanted in ({}, {"before": 800}, {"unread": True}):
            assert list_conversations(session, **wanted)
        event.remove(store._engine, "before_cursor_execute", look)
    assert len(plans) == 3
    for plan in plans:
        assert "ix_inbound_peer" in plan, plan
        assert "TEMP B-TREE" not in plan, plan


def test_an_answer_leaves_from_any_sim_where_the_one_that_was_written_to_is_gone(store, receive):
    receive((ANNA, "Kdy máte otevřeno?"))
    with store.reading() as session:
        assert reply(session, ANNA, "Od osmi.").only_sim_id is not None
    store.write(lambda session: setattr(session.scalars(select(SimRecord)).one(), "active", False))
    with store.reading() as session:
        assert reply(session, ANNA, "Od osmi.").only_sim_id is None


def test_what_undoes_an_edit_of_the_words_never_undoes_another(store):
    care = RulesCare(store, lambda: NOW)
    first = care.edit("stop", "basta", "test", is_added=True)
    care.take_back(first)
    assert care.edit("stop", "halt", "test", is_added=True) > first
