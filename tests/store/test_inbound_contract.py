"""What the gateway's contract says of incoming messages (its cases 46 to 49, 51 to 53), as use cases."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

import pytest

from device_drivers.base import InboxRow
from host_controller.consent.policy import Bars, ConsentPolicy
from host_controller.consent.rules_care import RulesCare
from host_controller.inbox.receive import InboundStore
from host_controller.messaging.submit import Accepted, Draft, submit
from host_controller.rules.classes import MessageClass
from host_controller.settings import load_settings
from host_controller.store import inbound_queries, queries
from host_controller.store.store import Store
from tests.store.test_consent import _add_phone

NOW = datetime(2026, 3, 25, 10, 30, tzinfo=UTC)
NOW_MS = round(NOW.timestamp() * 1000)
DAY_MS = 86_400_000
ANNA = "+420999888777"
SETTINGS = load_settings(None, {"messages": {"home_region": "CZ"}})


@pytest.fixture
def store(fresh_database):
    with closing(Store(fresh_database("sqlite"))) as opened:
        opened.write(_add_phone)
        yield opened


@pytest.fixture
def receive(store):
    inbound = InboundStore(store, SETTINGS, lambda: NOW)
    count = iter(range(1, 1000))

    def take(*messages: tuple[str, str], date_ms: int = NOW_MS):
        return inbound.take(1, [InboxRow(next(count), date_ms, 0, 11, *message) for message in messages], NOW_MS)

    return take


def state(store):
    """Give (what each message asks for, oldest first; who has opted out)."""
    with store.reading() as session:
        stops = [view.stop for view in reversed(inbound_queries.list_inbound(session))]
        return stops, {view.number for view in inbound_queries.list_opt_outs(session)}


@pytest.mark.parametrize("text", ["STOP", "stop", " Stop. ", "STOP prosim", "Odhlásit", "ODHLASIT"])
def test_46_a_clear_stop(store, receive, text):
    receive((ANNA, text))
    assert state(store) == (["certain"], {ANNA})


@pytest.mark.parametrize(
    ("text", "stop"),
    [
        ("Mate otevreno nonstop?", "none"),
        ("Stopka", "none"),
        ("zastopovat", "none"),
        ("prosim uz STOP dekuji moc", "suspected"),
    ],
)
def test_47_no_clear_stop(store, receive, text, stop):
    receive((ANNA, text))
    assert state(store) == ([stop], set())


@pytest.mark.parametrize("text", ["Volejte nonstop", "STOP"])
def test_48_a_name_asks_for_nothing_and_is_stored(store, receive, text):
    receive(("Vodafone", text))
    assert state(store) == (["none"], set())


def test_49_what_a_stop_cancels_where_opt_outs_keep_back_marketing(store, receive):
    RulesCare(store, lambda: NOW).change_policy(ConsentPolicy(bars=Bars.MARKETING), "test")
    classes = [MessageClass.MARKETING] * 3 + [MessageClass.TRANSACTIONAL]
    drafts = [Draft("+420777123456", f"{n}", message_class=class_) for n, class_ in enumerate(classes)]
    outcomes = submit(store, SETTINGS.messages, drafts, now=NOW, actor="test")
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    receive(("+420777123456", "STOP"))
    with store.reading() as session:
        views = queries.list_messages(session)
    assert [view.state for view in reversed(views)] == ["cancelled"] * 3 + ["queued"]


def test_51_a_name_in_the_middle_spoils_nothing(store, receive):
    assert receive((ANNA, "Ano"), ("T-Mobile", "NONSTOP akce"), ("+420777123456", "STOP")).new == 3
    assert state(store) == (["none", "none", "certain"], {"+420777123456"})


def test_52_the_same_rows_again_are_none(store):
    inbound = InboundStore(store, SETTINGS, lambda: NOW)
    rows = [InboxRow(n, NOW_MS, 0, 11, ANNA, "Ano") for n in (1, 2, 3)]
    assert [inbound.take(1, rows, NOW_MS).new for _ in range(2)] == [3, 0]


def test_53_the_same_text_on_two_days_is_two_messages_with_their_times(store, receive):
    receive((ANNA, "ANO"), date_ms=NOW_MS - 3 * DAY_MS)
    receive((ANNA, "ANO"))
    with store.reading() as session:
        found = [view.received_at.isoformat() for view in reversed(inbound_queries.list_inbound(session))]
    assert found == ["2026-03-22T10:30:00+00:00", "2026-03-25T10:30:00+00:00"]
