"""What remote phones tell of: each message once, by three tellers at a time, and a STOP with all that follows."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from host_controller.consent.policy import ConsentPolicy
from host_controller.consent.rules_care import RulesCare
from host_controller.errors import StoreBusyError
from host_controller.fleet.remote import RemoteDraft, add_remote
from host_controller.inbox.app_inbox import JUST_NOW, LAST_DAYS, AppInbox, Told
from host_controller.inbox.intake import Intake
from host_controller.messaging.consent_care import ConsentCare
from host_controller.messaging.submit import Accepted, Draft, submit
from host_controller.settings import NewSimSettings, load_settings
from host_controller.store import inbound_queries, queries
from host_controller.store.app_inbound_queries import find_of_phone, page_of_phone
from host_controller.store.models import InboundRecord
from host_controller.store.store import Store

NOW = datetime(2026, 3, 25, 10, 30, tzinfo=UTC)
ANNA, PETR = "+420999888777", "+420777123999"
SIM_1, SIM_2 = "+420777123456", "+420608987654"
SETTINGS = load_settings(None)


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, fresh_database):
    with closing(Store(fresh_database(request.param))) as opened:
        for draft in (RemoteDraft("two", (SIM_1, SIM_2)), RemoteDraft("one", ("+420777000002",))):
            opened.write(
                lambda session, draft=draft: add_remote(session, draft, NewSimSettings(), "CZ", now=NOW, actor="t").id
            )
        yield opened


@pytest.fixture
def inbox(store, clock):
    return AppInbox(store, SETTINGS, clock, lambda: None)


def count(store):
    with store.reading() as session:
        return session.scalar(select(func.count()).select_from(InboundRecord))


def one(inbox, text, sender=ANNA, phone_id=1, **told):
    (stored,) = inbox.take(phone_id, [Told(sender, text, **told)], JUST_NOW)
    return stored


def many(inbox, *texts, **told):
    return [stored.is_new for stored in inbox.take(1, [Told(ANNA, text, **told) for text in texts], LAST_DAYS)]


def opted_out(store):
    with store.reading() as session:
        return {view.number for view in inbound_queries.list_opt_outs(session)}


@pytest.mark.parametrize("told", [{}, {"received_at": NOW}, {"message_id": "7f"}], ids=["no name", "time", "id"])
def test_three_at_the_same_time_make_one(store, inbox, told):
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: one(inbox, "Dekuji", **told), range(3)))
    assert sorted(stored.is_new for stored in found) == [False, False, True]
    assert len({stored.inbound_id for stored in found}) == 1
    assert count(store) == 1


def test_without_a_name_it_is_the_same_for_ten_minutes(store, inbox, clock):
    assert one(inbox, "Ano").is_new
    clock.now += timedelta(minutes=9)
    assert not one(inbox, "Ano").is_new
    assert one(inbox, "Ne").is_new
    assert one(inbox, "Ano", phone_id=2).is_new
    clock.now += timedelta(minutes=2)
    assert one(inbox, "Ano").is_new


def test_a_list_adds_what_is_missing_and_two_equal_ones_stay_two(store, inbox, clock):
    assert many(inbox, "Ano", "Ano", "Ne") == [True, True, True]
    assert many(inbox, "Ano", "Ano", "Ne") == [False] * 3
    assert many(inbox, "Ano", "Ano", "Ano") == [False, False, True]
    clock.now += timedelta(days=30)
    assert many(inbox, "Ano") == [False]
    clock.now += timedelta(days=2)
    assert many(inbox, "Ano") == [True]


def test_a_list_in_many_transactions_counts_all_the_same(store, inbox):
    texts = ["Ano"] * 450
    assert many(inbox, *texts) == [True] * 450
    assert many(inbox, *texts, "Ano") == [False] * 450 + [True]


def test_a_list_after_the_same_messages_came_one_by_one(store, inbox, clock):
    one(inbox, "Ano")
    clock.now += timedelta(days=3)
    assert many(inbox, "Ano") == [False]


def test_with_times_the_same_text_is_as_many_messages_as_times(store, inbox):
    first, second = NOW - timedelta(days=3), NOW - timedelta(hours=1, microseconds=-7)
    told = [Told(ANNA, "ANO", received_at=at) for at in (first, second)]
    assert [stored.is_new for stored in inbox.take(1, told, LAST_DAYS)] == [True, True]
    assert [stored.is_new for stored in inbox.take(1, told, LAST_DAYS)] == [False, False]
    with store.reading() as session:
        assert [row.received_at for row in page_of_phone(session, 1, limit=9).rows] == [second, first]


def test_a_time_given_later_is_that_of_the_message_that_came_without(store, inbox, clock):
    stored = one(inbox, "Ano")
    clock.now += timedelta(hours=1)
    named = one(inbox, "Ano", received_at=NOW - timedelta(minutes=1))
    assert (named.inbound_id, named.is_new) == (stored.inbound_id, False)
    assert not one(inbox, "Ano", received_at=NOW - timedelta(minutes=1)).is_new
    assert one(inbox, "Ano", received_at=NOW + timedelta(minutes=20)).is_new
    assert not one(inbox, "Ano", received_at=NOW + timedelta(minutes=20)).is_new
    assert count(store) == 2


def test_one_id_with_two_texts_is_two_messages(inbox):
    assert [one(inbox, text, message_id="1").is_new for text in ("Ano", "STOP", "Ano")] == [True, True, False]


def test_a_number_with_and_without_its_country_is_one_sender(inbox):
    assert [one(inbox, "Ano", sender=sender).is_new for sender in (PETR, "777 123 999")] == [True, False]


def test_a_time_to_come_is_now(store, inbox):
    one(inbox, "STOP", received_at=NOW + timedelta(days=400))
    with store.reading() as session:
        assert page_of_phone(session, 1, limit=9).rows[0].received_at == NOW


def test_the_sim_that_it_came_to(store, inbox):
    one(inbox, "a", to_number=SIM_2)
    one(inbox, "b")
    one(inbox, "c", to_number="+420777999999")
    one(inbox, "d", phone_id=2)
    with store.reading() as session:
        own = [row.to_number for row in page_of_phone(session, 1, limit=9).rows]
        assert own == [None, None, SIM_2]
        assert [row.to_number for row in page_of_phone(session, 2, limit=9).rows] == ["+420777000002"]


def test_a_stop_and_what_follows_are_one_transaction(store, inbox):
    drafts = [Draft(PETR, f"{n}") for n in range(3)]
    assert all(isinstance(o, Accepted) for o in submit(store, SETTINGS.messages, drafts, now=NOW, actor="test"))
    stored = one(inbox, "Stop.", sender=PETR)
    assert (stored.obeyed.opted_out, stored.obeyed.was_opted_out) == (True, False)
    assert opted_out(store) == {PETR}
    with store.reading() as session:
        assert [view.state for view in queries.list_messages(session)] == ["cancelled"] * 3
        (row,) = find_of_phone(session, 1, [stored.inbound_id])
        assert (row.is_stop, row.is_blacklisted) == (True, True)


def test_a_stop_is_marked_before_it_is_written(store, inbox, monkeypatch):
    seen = []

    def write(work):
        seen.append(dict(store.refusals._being_written))
        raise StoreBusyError("busy")

    monkeypatch.setattr(store, "write", write)
    with pytest.raises(StoreBusyError):
        one(inbox, "STOP")
    assert seen == [{ANNA: 1}]


def test_an_answer_leaves_from_the_sim_that_it_came_to(store, clock):
    told = []
    inbox = AppInbox(store, SETTINGS, clock, lambda: told.append(1))
    RulesCare(store, clock).change_policy(ConsentPolicy(stop_answer="Odhlášeno"), "test")
    submit(store, SETTINGS.messages, [Draft(PETR, "Sleva")], now=NOW, actor="test")
    one(inbox, "STOP", sender=PETR, to_number=SIM_2)
    assert told == [1]
    with store.reading() as session:
        assert [view.text for view in queries.list_messages(session)] == ["Odhlášeno", "Sleva"]


@pytest.mark.parametrize("sender", ["Vodafone", "999", "", " ", "x" * 5000, "\ud800STOP\0"])
def test_who_can_refuse_nothing_is_stored_and_never_opted_out(store, inbox, sender):
    assert one(inbox, "STOP", sender=sender).is_new
    assert opted_out(store) == set()
    assert inbox.blacklist(1, [1], "test") == 0


def test_texts_that_no_database_takes(store, inbox):
    assert [one(inbox, text).is_new for text in (" ", "\0", "half \ud83d", "x" * 200_000, "\u202e")] == [True] * 5
    assert not one(inbox, "half \ud83d").is_new


def test_one_that_cannot_be_stored_takes_none_along(store, inbox, monkeypatch, caplog):
    add = Intake.add

    def broken(self, session, record, judged, now):
        if record.text == "poison":
            raise ValueError("poison from +420999888777")
        return add(self, session, record, judged, now)

    monkeypatch.setattr(Intake, "add", broken)
    with caplog.at_level(logging.DEBUG, "host_controller.inbox"):
        stored = inbox.take(1, [Told(ANNA, text) for text in ("a", "poison", "STOP")], LAST_DAYS)
    assert [one.is_new for one in stored] == [True, False, True]
    assert stored[1].inbound_id is None
    assert opted_out(store) == {ANNA}
    logged = "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("host_controller.inbox")
    )
    assert "cannot be stored: ValueError" in logged
    assert "poison" not in logged
    assert ANNA not in logged


def test_one_that_cannot_be_judged_takes_none_along(store, inbox, monkeypatch):
    judge = Intake.judge

    def broken(self, said):
        if any(text == "poison" for _, text in said):
            raise ValueError
        return judge(self, said)

    monkeypatch.setattr(Intake, "judge", broken)
    stored = inbox.take(1, [Told(ANNA, text) for text in ("a", "poison", "STOP")], LAST_DAYS)
    assert [one.is_new for one in stored] == [True, False, True]


def test_a_stop_older_than_the_start_changes_nothing(store, inbox):
    one(inbox, "START", received_at=NOW - timedelta(hours=1))
    assert not one(inbox, "STOP", received_at=NOW - timedelta(hours=2)).obeyed.opted_out
    assert opted_out(store) == set()


def test_who_is_opted_out_by_hand_and_what_that_makes_of_their_messages(store, inbox, clock):
    asked = one(inbox, "prosim uz STOP dekuji moc").inbound_id
    other = one(inbox, "Volejte", sender=PETR).inbound_id
    foreign = one(inbox, "Ahoj", sender="+420777123998", phone_id=2).inbound_id
    assert inbox.blacklist(1, [asked, other, foreign, 10**6], "phone two") == 2
    assert inbox.blacklist(1, [asked, other], "phone two") == 0
    assert opted_out(store) == {ANNA, PETR}
    with store.reading() as session:
        found = {
            view.number: (view.source, view.inbound_id, view.actor) for view in inbound_queries.list_opt_outs(session)
        }
        assert found == {ANNA: ("inbound", asked, "phone two"), PETR: ("operator", other, "phone two")}
        assert inbound_queries.count_undecided(session) == 0
    clock.now += timedelta(minutes=1)
    one(inbox, "START")
    one(inbox, "START", sender=PETR)
    assert opted_out(store) == {PETR}


def test_a_stop_of_a_number_that_had_opted_out_is_blacklisted_too(store, inbox, clock):
    ConsentCare(store, SETTINGS, clock).opt_out(PETR, "test")
    stored = one(inbox, "STOP", sender=PETR)
    assert stored.obeyed.was_opted_out
    one(inbox, "Dekuji", sender=PETR)
    with store.reading() as session:
        rows = page_of_phone(session, 1, limit=9).rows
        assert [(row.is_stop, row.is_blacklisted) for row in rows] == [(False, False), (True, True)]
        assert page_of_phone(session, 1, limit=9, stop_not_blacklisted=True).total == 0


def test_the_list_page_by_page_and_what_is_sought_in_it(store, inbox):
    same = NOW - timedelta(hours=1)
    for number in range(7):
        one(inbox, f"text {number}", received_at=same)
    one(inbox, "100%_sleva STOP ano ne snad mozna jindy", sender=PETR)
    one(inbox, "foreign", phone_id=2)
    with store.reading() as session:

        def ids(**query):
            page = page_of_phone(session, 1, **{"limit": 3, **query})
            return [row.id for row in page.rows], page.total

        assert ids() == ([8, 7, 6], 8)
        assert ids(before_id=6) == ([5, 4, 3], 8)
        assert ids(offset=6) == ([2, 1], 8)
        assert ids(before_id=9) == ([], 8)
        assert ids(search="TEXT 3") == ([4], 1)
        assert ids(search="%_s") == ([8], 1)
        assert ids(search="777123") == ([8], 1)
        assert ids(stop_only=True) == ([8], 1)
        assert ids(stop_not_blacklisted=True) == ([8], 1)
