"""Messages come from Odoo once and their ends go back once, whatever breaks in between."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from contextlib import closing
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from host_controller.consent.opt_outs import Origin, add_opt_out
from host_controller.errors import ConfigError
from host_controller.messaging.transitions import change_state
from host_controller.rules.states import FailureCode, MessageState
from host_controller.settings import OdooSettings
from host_controller.store.models import BatchRecord, MessageRecord, OdooSmsRecord
from host_controller.store.store import Store
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooRejectedError, OdooUnavailableError
from odoo_sync.mapping import report_of, report_of_refusal
from odoo_sync.pull import Pull

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ANNA, PETR, EVA = "+420777123456", "+420603111222", "+420724200302"
S = MessageState


def finish(store, body, *path, failure=None):
    """Let a message go through states."""

    def work(session):
        message = session.scalar(select(MessageRecord).where(MessageRecord.text == body))
        for state in path:
            change_state(session, message, state, now=NOW, actor="test", reason="test", failure=failure)

    store.write(work)


# Version, login and its context; may we see crons? for the lease: may we, who has it, take it; mailings there? what
# waits; then for the claim: write, states, the webhook.
CALLS_OF_A_FIRST_ROUND = 12


def bodies(store):
    with store.reading() as session:
        return list(session.scalars(select(MessageRecord.text).order_by(MessageRecord.id)))


@pytest.mark.parametrize(
    ("state", "failure", "expected"),
    [
        (S.QUEUED, None, None),
        (S.SUBMITTING, None, None),
        (S.SENT, None, ("sent", "pending", None)),
        (S.FAILED, "phone_rejected", ("not_delivered", "error", "sms_server")),
        (S.UNKNOWN, None, ("not_delivered", "error", "sms_server")),
        (S.EXPIRED, None, ("not_delivered", "error", "sms_server")),
        (S.CANCELLED, "opted_out", ("not_allowed", "canceled", "sms_blacklist")),
        (S.CANCELLED, None, ("not_delivered", "error", "sms_server")),
    ],
)
def test_how_each_state_is_reported(state, failure, expected):
    report = report_of(state, failure)
    assert (report and (report.word, report.state, report.failure_type)) == expected


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("opted_out", "not_allowed"),
        ("invalid_msisdn", "invalid_destination"),
        ("destination_refused", "not_allowed"),
        ("too_many_parts", "rejected"),
        ("anything", "rejected"),
    ],
)
def test_how_each_refusal_is_reported(code, word):
    assert report_of_refusal(code).word == word


def test_a_mailing_is_taken_over_in_order_and_its_ends_are_reported(served, sync, store):
    store.write(lambda session: add_opt_out(session, PETR, Origin("test", "test"), now=NOW))
    served.odoo.add_mailing(
        [
            (ANNA, "one"),
            (PETR, "opted out"),
            ("+42077712345", "bad"),
            ("1188", "short"),
            (EVA, "two"),
            ("+421905123456", "far"),
        ]
    )
    sync.run()
    assert bodies(store) == ["one", "two"]
    assert served.states()["one"][:2] == ("process", "process")
    finish(store, "one", S.SUBMITTING, S.SENT)
    finish(store, "two", S.SUBMITTING, S.UNKNOWN)
    sync.run()
    assert served.states() == {
        "one": ("pending", "pending", False),
        "two": ("error", "error", "sms_server"),
        "opted out": ("canceled", "bounce", "sms_blacklist"),
        "bad": ("error", "bounce", "sms_number_format"),
        "short": ("error", "bounce", "sms_country_not_supported"),
        "far": ("error", "bounce", "sms_country_not_supported"),
    }
    reports = list(served.odoo.reports)
    sync.run()
    assert served.odoo.reports == reports
    assert bodies(store) == ["one", "two"]


def test_failures_are_posted_before_successes(served, sync, store):
    served.odoo.add_mailing([(ANNA, "one"), (EVA, "two")])
    sync.run()
    finish(store, "one", S.SUBMITTING, S.SENT)
    finish(store, "two", S.SUBMITTING, S.FAILED)
    sync.run()
    assert [word for word, _ in served.odoo.reports][-2:] == ["not_delivered", "sent"]


def test_a_late_proof_heals_what_odoo_heard_before(served, sync, store):
    served.odoo.add_mailing([(ANNA, "one")])
    sync.run()
    finish(store, "one", S.SUBMITTING, S.UNKNOWN)
    sync.run()
    assert served.states()["one"] == ("error", "error", "sms_server")
    finish(store, "one", S.SENT)
    sync.run()
    assert served.states()["one"] == ("pending", "pending", False)


def test_a_stop_in_between_is_reported_as_such(served, sync, store):
    served.odoo.add_mailing([(ANNA, "one")])
    sync.run()
    finish(store, "one", S.CANCELLED, failure=FailureCode.OPTED_OUT)
    sync.run()
    assert served.states()["one"] == ("canceled", "bounce", "sms_blacklist")


def test_odoo_away_for_hours_loses_nothing(served, sync, store):
    served.odoo.add_mailing([(ANNA, "one")])
    sync.run()
    served.stop()
    finish(store, "one", S.SUBMITTING, S.SENT)
    for _ in range(3):
        with pytest.raises(OdooUnavailableError):
            sync.run()
    served.start()
    sync.run()
    assert served.states()["one"] == ("pending", "pending", False)
    assert [word for word, _ in served.odoo.reports] == ["processing", "sent"]


def test_odoo_down_at_our_start(served, make_sync, store):
    served.stop()
    sync = make_sync()
    with pytest.raises(OdooUnavailableError):
        sync.run()
    served.start()
    served.odoo.add_mailing([(ANNA, "one")])
    sync.run()
    assert bodies(store) == ["one"]


QUICK_FAULTS = ("down", "garbage", "lost_answer", "serialization", "database_down")


@pytest.mark.parametrize(
    ("fault", "position"),
    # A time limit is the same at every call: two of them show it.
    [
        *((fault, position) for fault in QUICK_FAULTS for position in range(CALLS_OF_A_FIRST_ROUND)),
        ("slow", 0),
        ("slow", 9),
    ],
)
def test_a_fault_at_any_call_neither_doubles_nor_loses(served, make_sync, store, fault, position):
    limit = {"call_limit_s": 2} if fault == "slow" else {}
    served.odoo.add_mailing([(ANNA, "one"), (EVA, "two")])
    served.faults.extend(["none"] * position + [fault])
    for _ in range(3):
        try:
            make_sync(**limit).run()  # a new process each time
        except OdooUnavailableError:
            continue
    assert sorted(bodies(store)) == ["one", "two"]
    finish(store, "one", S.SUBMITTING, S.SENT)
    finish(store, "two", S.SUBMITTING, S.SENT)
    served.faults[:] = ["none"] * (position % 4) + [fault]
    for _ in range(3):
        try:
            make_sync(**limit).run()
        except OdooUnavailableError:
            continue
    assert served.states() == {"one": ("pending", "pending", False), "two": ("pending", "pending", False)}
    assert sorted(bodies(store)) == ["one", "two"]


def test_killed_after_the_claim_and_before_the_queue(served, make_sync, store, monkeypatch):
    served.odoo.add_mailing([(ANNA, "one")])
    sync = make_sync()

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("odoo_sync.pull.Pull._queue", die)
    with pytest.raises(KeyboardInterrupt):
        sync.run()
    monkeypatch.undo()
    assert (bodies(store), served.states()["one"][0]) == ([], "process")
    make_sync().run()
    assert bodies(store) == ["one"]


@pytest.mark.parametrize("step", ["_hold", "_queue"])
def test_killed_between_two_writes_of_what_one_call_gave(served, make_sync, store, monkeypatch, step):
    served.odoo.add_mailing([(ANNA, "one"), (EVA, "two"), (ANNA, "three")])
    sync = make_sync()
    monkeypatch.setattr("odoo_sync.pull._WRITE", 1)
    work = getattr(Pull, step)
    written = []

    def die_after_the_first(self, session, rows):
        written.append(rows)
        if len(written) > 1:
            raise KeyboardInterrupt
        return work(self, session, rows)

    monkeypatch.setattr(Pull, step, die_after_the_first)
    with pytest.raises(KeyboardInterrupt):
        sync.run()
    monkeypatch.undo()
    make_sync().run()
    assert sorted(bodies(store)) == ["one", "three", "two"]
    assert [state for state, *_ in served.states().values()] == ["process"] * 3


@pytest.mark.parametrize(("method", "state"), [("states", "pending"), ("write_state", "process")])
def test_what_odoo_sent_itself_meanwhile_is_dropped(served, make_sync, store, monkeypatch, method, state):
    (row,) = served.odoo.add_mailing([(ANNA, "one")])
    sync = make_sync()
    original = getattr(OdooClient, method)

    def sent_by_odoo(client, *arguments):
        if not row.to_delete:
            row.state, row.to_delete = "pending", True
        return original(client, *arguments)

    monkeypatch.setattr(OdooClient, method, sent_by_odoo)
    sync.run()
    monkeypatch.undo()
    make_sync().run()
    assert bodies(store) == []
    assert row.state == state
    assert served.odoo.reports == []


def test_a_session_cookie_is_fetched_where_the_server_cannot_choose_a_database(served, sync, store):
    served.odoo.add_mailing([(ANNA, "one")])
    served.faults.extend(["none"] * (CALLS_OF_A_FIRST_ROUND - 1) + ["no_database"])
    sync.run()
    assert served.states()["one"][:2] == ("process", "process")


def test_a_mailing_is_marketing_and_a_batch_and_the_rest_is_what_the_settings_say(served, make_sync, store):
    served.odoo.add_mailing([(ANNA, "sale")])
    served.odoo.execute(["odoo18", 9, "s3cret-canary", "sms.sms", "create", [{"number": EVA, "body": "your order"}]])
    make_sync(brand="shop").run()
    with store.reading() as session:
        query = select(MessageRecord.text, MessageRecord.message_class, MessageRecord.brand, BatchRecord.name)
        rows = session.execute(query.outerjoin(BatchRecord, MessageRecord.batch_id == BatchRecord.id)).all()
    assert sorted(map(tuple, rows)) == [
        ("sale", "marketing", "shop", "odoo odoo mailing 14"),
        ("your order", "transactional", "shop", None),
    ]


def test_nothing_is_taken_while_the_sender_of_odoo_is_seen_to_be_on(served, sync, store):
    served.odoo.crons.are_seen = served.odoo.crons.sender["active"] = True
    served.odoo.add_mailing([(ANNA, "one")])
    with pytest.raises(OdooRejectedError, match="both would send"):
        sync.run()
    assert bodies(store) == []
    served.odoo.crons.sender["active"] = False
    sync.run()
    assert bodies(store) == ["one"]


def test_an_odoo_without_the_module_for_mailings(served, sync, store):
    served.odoo.has_mailings = False
    served.odoo.add_mailing([(ANNA, "one")])
    sync.run()
    assert bodies(store) == ["one"]


def test_an_answer_that_trickles_ends_too(served):
    """A limit for each piece alone would let it go on for ever, and with it the round."""
    whole = b'{"jsonrpc": "2.0", "id": 1, "result": {"server_version": "18.0"}}'

    def trickle(listener):
        with listener.accept()[0] as connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(whole))
            with contextlib.suppress(OSError):  # it listens no more
                for byte in whole:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=trickle, args=(listener,))
        thread.start()
        client = served.client(url=f"http://127.0.0.1:{listener.getsockname()[1]}", call_limit_s=1)
        with pytest.raises(OdooUnavailableError, match="no answer in time"):
            client.server_version()
        thread.join(10)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("uuid", ["3da726a6-e674-11f1-97d6-02fc00000001", "XYZ", ""])
def test_a_malformed_uuid_keeps_nothing_else_back(served, make_sync, fresh_database, kind, uuid):
    """Of a module that makes SMS with uuids of its own: nothing can be reported by these, and all else goes on."""
    strange, _ = served.odoo.add_mailing([(ANNA, "one"), (EVA, "two")])
    served.odoo.traces[uuid] = served.odoo.traces.pop(strange.uuid)
    strange.uuid = uuid
    with closing(Store(fresh_database(kind))) as opened:
        sync = make_sync(opened)
        sync.run()
        assert bodies(opened) == ["one", "two"]
        finish(opened, "one", S.SUBMITTING, S.SENT)
        finish(opened, "two", S.SUBMITTING, S.SENT)
        sync.run()
        sync.run()
        assert bodies(opened) == ["one", "two"]
    assert served.states() == {"one": ("pending", "outgoing", False), "two": ("pending", "pending", False)}


def test_what_stays_outgoing_there_keeps_nothing_else_back(served, sync, store, monkeypatch):
    monkeypatch.setattr("odoo_sync.pull.BATCH", 2)
    served.odoo.add_mailing([("1188", "a"), ("1188", "b"), ("1188", "c"), (ANNA, "one")])
    sync.run()
    assert bodies(store) == ["one"]


def test_the_same_number_and_text_twice_are_two_messages(served, sync, store):
    served.odoo.add_mailing([(ANNA, "same"), (ANNA, "same")])
    sync.run()
    assert bodies(store) == ["same", "same"]


def test_texts_are_not_kept_twice(served, sync, store):
    served.odoo.add_mailing([(ANNA, "one")])
    sync.run()
    with store.reading() as session:
        record = session.scalar(select(OdooSmsRecord))
    assert (record.number, record.body) == (None, None)


@pytest.mark.parametrize(
    ("changes", "password", "words"),
    [
        ({}, "wrong", "refused the login"),
        ({"user": "nobody"}, "s3cret-canary", "refused the login"),
        ({"database": "nodb"}, "s3cret-canary", "no such database"),
    ],
)
def test_a_wrong_login_is_a_persons_work(served, changes, password, words):
    with pytest.raises(OdooRejectedError, match=words):
        served.client(password, **changes).count_outgoing()


def test_a_password_that_was_changed_meanwhile(served):
    client = served.client()
    assert client.count_outgoing() == 0
    served.faults.append("access_denied")
    with pytest.raises(OdooRejectedError, match="any more"):
        client.count_outgoing()


def test_missing_rights_are_named(served):
    served.odoo.granted.discard("write")
    client = served.client()
    assert [(r.operation, r.granted) for r in client.rights()] == [("read", True), ("write", False), ("create", True)]
    with pytest.raises(OdooRejectedError, match="lacks a right"):
        client.write_state([1], "process", None)


@pytest.mark.parametrize("url", ["odoo.example.com", "ftp://x", "https://example.com/odoo", ""])
def test_a_url_that_cannot_be(url):
    with pytest.raises(ConfigError, match=r"odoo\.url"):
        OdooClient(OdooSettings(url=url), "x")


def test_no_secret_reaches_a_log(served, make_sync, caplog):
    with caplog.at_level(logging.DEBUG):
        served.odoo.add_mailing([(ANNA, "kanárek")])
        make_sync().run()
        served.stop()
        with pytest.raises(OdooUnavailableError) as caught:
            make_sync().run()
        served.start()
    logged = caplog.text + repr(caught.value) + str(served.settings())
    assert "s3cret-canary" not in logged
    assert "kanárek" not in logged
    assert ANNA not in logged
