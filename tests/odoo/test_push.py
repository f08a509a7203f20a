"""Odoo sends to our endpoint: each uuid once, every answer and every report right, whatever breaks in between."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import flask
import pytest
from sqlalchemy import select

from host_controller.consent.opt_outs import Origin, add_opt_out, in_force, lift
from host_controller.errors import StoreBusyError
from host_controller.events import Bells
from host_controller.messaging.transitions import change_state
from host_controller.rules.states import MessageState
from host_controller.settings import MessageSettings
from host_controller.store.models import MessageRecord, OdooSmsRecord
from host_controller.store.odoo_objects import read_cursor
from host_controller.store.store import Store
from odoo_sync.errors import OdooUnavailableError
from odoo_sync.fake.sending import request_of, send_queue
from odoo_sync.intake import Intake
from odoo_sync.mailings import batch_of
from odoo_sync.push import PATHS, make_push
from odoo_sync.results import Results
from tests.serving import serve

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts" / "odoo"
TOKEN = "0123456789abcdef0123456789abcdef"
ANNA, PETR, EVA = "+420777123456", "+420603111222", "+420724200302"
S = MessageState


class Pushing:
    """A stock Odoo, and the endpoint that it sends to."""

    def __init__(self, served, store, has_login=False, **settings):
        self.now = datetime(2026, 11, 26, 12, tzinfo=UTC)
        self.odoo, self.faults, self.store = served.odoo, served.faults, store
        client = served.client(**settings) if has_login else served.client("", user="", **settings)
        self.intake = Intake(client.name, store, served.settings(**settings), MessageSettings(), self.clock, Bells())
        self.results = Results(client, store, self.clock)
        app = flask.Flask("endpoint")
        app.register_blueprint(make_push([(TOKEN, self.intake)], 3))
        self.client = app.test_client()
        self._server = serve(app)
        self.url = f"{self._server.url}{PATHS[0]}"

    def clock(self):
        return self.now

    def close(self):
        self._server.stop()

    def send(self, **options):
        return send_queue(self.odoo, self.url, TOKEN, **options)

    def later(self, seconds):
        self.now += timedelta(seconds=seconds)
        return self.results.run()

    def finish(self, body, *path):
        def work(session):
            message = session.scalar(select(MessageRecord).where(MessageRecord.text == body))
            for state in path:
                change_state(session, message, state, now=self.now, actor="test", reason="test")

        self.store.write(work)

    def traces(self):
        return {row.body: (row.state, self.odoo.traces[row.uuid].trace_status) for row in self.odoo.sms.values()}

    def bodies(self):
        with self.store.reading() as session:
            return sorted(session.scalars(select(MessageRecord.text)))

    def words(self, row=None):
        return [word for word, uuid in self.odoo.reports if row is None or uuid == row.uuid]


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, fresh_database):
    opened = Store(fresh_database(request.param))
    yield opened
    opened.close()


@pytest.fixture
def start(served, store):
    made = []

    def make(**settings):
        made.append(Pushing(served, store, **settings))
        return made[-1]

    yield make
    for pushing in made:
        pushing.close()


@pytest.fixture
def pushing(start):
    return start()


def test_a_campaign_there_and_back(pushing, store):
    store.write(lambda session: add_opt_out(session, PETR, Origin("test", "test"), now=pushing.now))
    pushing.odoo.add_mailing(
        [
            (ANNA, "one"),
            (PETR, "opted out"),
            ("+42077712345", "bad"),
            ("1188", "short"),
            (EVA, "two"),
            (EVA, "x" * 2000),
        ]
    )
    assert pushing.send() == 1
    assert pushing.bodies() == ["one", "two"]
    assert pushing.traces() == {
        "one": ("process", "process"),
        "two": ("process", "process"),
        "opted out": ("error", "bounce"),
        "bad": ("error", "error"),
        "short": ("error", "error"),
        "x" * 2000: ("error", "bounce"),
    }
    failures = {row.body: row.failure_type for row in pushing.odoo.sms.values()}
    assert (failures["bad"], failures["short"]) == ("sms_number_format", "sms_country_not_supported")
    assert pushing.odoo.mailings == {14: "sending"}
    pushing.finish("one", S.SUBMITTING, S.SENT)
    pushing.finish("two", S.SUBMITTING, S.UNKNOWN)
    assert pushing.later(6) == 2
    assert (pushing.traces()["one"][1], pushing.traces()["two"][1]) == ("pending", "error")
    assert pushing.words() == ["not_delivered", "sent"]
    assert pushing.odoo.mailings == {14: "done"}
    with store.reading() as session:
        assert read_cursor(session, "odoo", "sends") == "3da726a6-e674-11f1-97d6-02fc00000001"


@pytest.mark.parametrize("path", PATHS)
def test_the_recorded_calls_of_a_real_odoo(pushing, path):
    for exchange in json.loads((TRANSCRIPTS / "iap_send_push.json").read_text("utf-8"))["exchanges"]:
        request = exchange["request"]
        params = request.get("params", {})
        if "messages" not in params:
            continue
        params["account_token"] = TOKEN
        answer = pushing.client.post(path, json=request).json
        asked = [number["uuid"] for message in params["messages"] for number in message["numbers"]]
        assert (answer["jsonrpc"], answer["id"]) == ("2.0", request["id"])
        assert {item["uuid"]: item["state"] for item in answer["result"]} == dict.fromkeys(asked, "processing")
        assert all(set(item) == {"uuid", "state", "credit"} for item in answer["result"])


def test_an_early_odoo_17_says_less(pushing):
    request = request_of(pushing.odoo.add_mailing([(ANNA, "one")]), TOKEN)
    del request["params"]["dbuuid"]
    assert pushing.client.post(PATHS[1], json=request).json["result"][0]["state"] == "processing"


def test_the_first_report_waits_for_odoos_commit_and_is_repeated_once(pushing):
    (row,) = pushing.odoo.add_mailing([(ANNA, "one")])

    def report_before_commit():
        pushing.finish("one", S.SUBMITTING, S.SENT)
        assert pushing.later(4.9) == 0
        pushing.later(0.2)
        assert pushing.words(row) == ["sent"]

    pushing.send(before_commit=report_before_commit)  # and so long does Odoo take that the wait was in vain
    assert pushing.traces()["one"] == ("process", "process")
    assert pushing.later(19) == 0
    assert pushing.later(2) == 1
    assert pushing.traces()["one"][1] == "pending"
    assert pushing.later(3600) == 0
    assert pushing.words(row) == ["sent", "sent"]


def test_a_repetition_that_is_late_is_left_out(pushing):
    (row,) = pushing.odoo.add_mailing([(ANNA, "one")])
    pushing.send()
    pushing.finish("one", S.SUBMITTING, S.SENT)
    pushing.later(6)
    pushing.odoo.traces[row.uuid].trace_status = "open"
    pushing.later(3600)
    assert pushing.words(row) == ["sent"]
    assert pushing.odoo.traces[row.uuid].trace_status == "open"


def test_a_late_proof_is_told_however_late_the_repetition_is(pushing, served):
    pushing.odoo.add_mailing([(ANNA, "one")])
    pushing.send()
    pushing.finish("one", S.SUBMITTING, S.UNKNOWN)
    pushing.later(6)
    served.stop()
    with pytest.raises(OdooUnavailableError):
        pushing.later(30)
    pushing.finish("one", S.SENT)
    served.start()
    pushing.later(3600)
    assert pushing.traces()["one"][1] == "pending"
    assert pushing.words() == ["not_delivered", "sent"]


def test_what_ends_long_after_the_answer_is_reported_once(pushing):
    pushing.odoo.add_mailing([(ANNA, "one")])
    pushing.send()
    pushing.now += timedelta(hours=2)
    pushing.finish("one", S.SUBMITTING, S.SENT)
    assert pushing.later(0) == 1
    assert pushing.later(25) == 0


def test_a_lost_answer_and_a_repeated_call_make_one_message(pushing):
    rows = pushing.odoo.add_mailing([(ANNA, "one"), (EVA, "two")])
    request = request_of(rows, TOKEN)
    answers = [pushing.client.post(PATHS[0], json=request).json["result"] for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert pushing.bodies() == ["one", "two"]
    # Odoo heard none of them, and says so of the whole batch; the reports make it good.
    for row in rows:
        pushing.odoo.set_error(row, "sms_server")
    pushing.finish("one", S.SUBMITTING, S.SENT)
    pushing.finish("two", S.SUBMITTING, S.FAILED)
    pushing.later(6)
    assert {status for _, status in pushing.traces().values()} == {"pending", "error"}
    states = {item["uuid"]: item["state"] for item in pushing.client.post(PATHS[0], json=request).json["result"]}
    assert states == {rows[0].uuid: "sent", rows[1].uuid: "not_delivered"}
    assert pushing.bodies() == ["one", "two"]


def test_fifty_calls_at_once_make_one_message(pushing):
    request = request_of(pushing.odoo.add_mailing([(ANNA, "one")]), TOKEN)
    words = []

    def call():
        app = pushing.client.application.test_client()
        words.append(app.post(PATHS[0], json=request).json["result"][0]["state"])

    threads = [threading.Thread(target=call) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert words == ["processing"] * 50
    assert pushing.bodies() == ["one"]


def test_a_text_that_was_changed_after_the_take_over_is_not_sent_again(pushing):
    (row,) = pushing.odoo.add_mailing([(ANNA, "one")])
    pushing.client.post(PATHS[0], json=request_of([row], TOKEN))
    row.body = "two"
    answer = pushing.client.post(PATHS[0], json=request_of([row], TOKEN)).json["result"]
    assert [item["state"] for item in answer] == ["duplicate_message"]
    assert pushing.bodies() == ["one"]


def test_what_was_refused_may_go_when_asked_again(pushing, store):
    store.write(lambda session: add_opt_out(session, ANNA, Origin("test", "test"), now=pushing.now))
    request = request_of(pushing.odoo.add_mailing([(ANNA, "one")]), TOKEN)
    assert pushing.client.post(PATHS[0], json=request).json["result"][0]["state"] == "not_allowed"
    store.write(lambda session: lift(in_force(session, ANNA), now=pushing.now, actor="test", reason="test"))
    assert pushing.client.post(PATHS[0], json=request).json["result"][0]["state"] == "processing"
    assert pushing.bodies() == ["one"]


def test_malformed_uuids_spoil_nothing(pushing):
    rows = pushing.odoo.add_mailing([(ANNA, "one"), (EVA, "two")])
    request = request_of(rows, TOKEN)
    numbers = request["params"]["messages"][0]["numbers"]
    numbers += [{"number": ANNA, "uuid": "XYZ"}, {"number": ANNA}, {"number": ANNA, "uuid": 7}, "nothing", None]
    request["params"]["messages"] += [None, {"numbers": 5}, {"content": None, "numbers": []}]
    states = {i["uuid"]: i["state"] for i in pushing.client.post(PATHS[0], json=request).json["result"]}
    assert states == {rows[0].uuid: "processing", rows[1].uuid: "processing", "XYZ": "server_error"}


def test_more_than_five_hundred_wait_in_odoo_for_its_next_run(pushing):
    rows = pushing.odoo.add_mailing([(f"+4207771{n:05d}", f"text {n}") for n in range(501)])
    answer = pushing.client.post(PATHS[0], json=request_of(rows, TOKEN)).json["result"]
    assert [item["uuid"] for item in answer] == [row.uuid for row in rows[:500]]
    assert pushing.send() == 2  # 500 that are known and the one
    assert len(pushing.bodies()) == 501


def test_what_cannot_be_written_down_stays_in_odoo(pushing, monkeypatch):
    def fail(*_):
        raise StoreBusyError("busy")

    pushing.odoo.add_mailing([(ANNA, "one")])
    monkeypatch.setattr(Store, "write", fail)
    pushing.send()
    monkeypatch.undo()
    assert pushing.traces()["one"] == ("outgoing", "outgoing")
    pushing.send()
    assert pushing.bodies() == ["one"]


def test_a_wrong_token_is_an_account_that_is_not_registered(pushing, caplog):
    (row,) = pushing.odoo.add_mailing([(ANNA, "one")])
    for token in ("f" * 32, "", "č" * 32):
        answer = pushing.client.post(PATHS[0], json=request_of([row], token))
        assert answer.json["result"] == [{"uuid": row.uuid, "state": "unregistered", "credit": 0}]
    assert pushing.client.post(PATHS[0], json=request_of([row], "f" * 32)).status_code == 429
    assert pushing.client.post(PATHS[0], json=request_of([row], TOKEN)).json["result"][0]["state"] == "processing"
    assert "ffff" not in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b'{"params": {"messages": 1}}', b"[" * 100_000])
def test_what_is_not_a_call(pushing, body):
    answer = pushing.client.post(PATHS[0], data=body, content_type="application/json")
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("body", "message_class", "mailing"),
    [
        ("Sale\nSTOP SMS: https://odoo.example.com/sms/2/SN2", "marketing", 2),
        ("Your parcel is here: https://odoo.example.com/r/ifJ/s/6", "transactional", None),
    ],
)
def test_what_one_may_unsubscribe_from_is_marketing_and_a_batch(pushing, store, body, message_class, mailing):
    pushing.odoo.add_mailing([(ANNA, body), (EVA, body)])
    pushing.send()
    with store.reading() as session:
        messages = session.scalars(select(MessageRecord)).all()
        assert {message.message_class for message in messages} == {message_class}
        names = {message.batch.name if message.batch else None for message in messages}
        assert names == {None if mailing is None else batch_of("odoo", mailing)}
        assert set(session.scalars(select(OdooSmsRecord.mailing_id))) == {mailing}


def test_brand_and_class_are_the_settings(start, store):
    pushing = start(brand="Shop", message_class="marketing")
    pushing.odoo.add_mailing([(ANNA, "one")])
    pushing.send()
    with store.reading() as session:
        message = session.scalar(select(MessageRecord))
        assert (message.brand, message.message_class) == ("Shop", "marketing")
        assert message.ref == f"odoo/odoo/{session.scalar(select(OdooSmsRecord.uuid))}"


def test_odoo_away_loses_no_report(pushing, served):
    pushing.odoo.add_mailing([(ANNA, "one")])
    pushing.send()
    pushing.finish("one", S.SUBMITTING, S.SENT)
    served.stop()
    for _ in range(3):
        with pytest.raises(OdooUnavailableError):
            pushing.later(10)
    served.start()
    pushing.later(10)
    assert pushing.traces()["one"][1] == "pending"


def test_all_failed_and_the_mailing_is_done_where_we_may_log_in(start):
    pushing = start(has_login=True)
    pushing.odoo.add_mailing([(ANNA, "one"), (EVA, "two")])
    pushing.odoo.add_mailing([(ANNA, "three")], mailing_id=15)
    pushing.send()
    for body in ("one", "two", "three"):
        pushing.finish(body, S.SUBMITTING, S.FAILED)
    pushing.later(6)
    assert {status for _, status in pushing.traces().values()} == {"error"}
    assert pushing.odoo.mailings == {14: "done", 15: "done"}
    assert sorted(pushing.words()) == ["not_delivered"] * 3


def test_a_mailing_whose_last_sms_fails_is_done_whatever_else_is_told_with_it(start, monkeypatch):
    """A success makes Odoo look at its own mailing only."""
    monkeypatch.setattr("odoo_sync.results._BATCH", 2)
    pushing = start(has_login=True)
    pushing.odoo.add_mailing([(ANNA, "one")])
    pushing.odoo.add_mailing([(EVA, "two"), (PETR, "three"), (ANNA, "four")], mailing_id=15)
    pushing.odoo.add_mailing([(EVA, "five")], mailing_id=16)
    pushing.send()
    for body in ("one", "two", "five"):
        pushing.finish(body, S.SUBMITTING, S.FAILED)
    for body in ("three", "four"):
        pushing.finish(body, S.SUBMITTING, S.SENT)
    pushing.later(6)
    assert pushing.odoo.mailings == {14: "done", 15: "done", 16: "done"}
    assert sorted(pushing.words()) == ["not_delivered"] * 3 + ["sent"] * 2


def test_all_failed_without_a_login_waits_for_odoos_daily_run(pushing):
    pushing.odoo.add_mailing([(ANNA, "one")])
    pushing.send()
    pushing.finish("one", S.SUBMITTING, S.FAILED)
    pushing.later(6)
    assert pushing.traces()["one"][1] == "error"
    assert pushing.odoo.mailings == {14: "sending"}


def test_one_report_that_odoo_rejects_spoils_no_other(pushing, store):
    rows = pushing.odoo.add_mailing([(f"+4207771{n:05d}", f"text {n}") for n in range(20)])
    pushing.send()
    for row in rows:
        pushing.finish(row.body, S.SUBMITTING, S.SENT)
    pushing.odoo.refused_uuids.add(rows[13].uuid)
    pushing.later(6)
    assert [row.body for row in rows if pushing.traces()[row.body][1] != "pending"] == ["text 13"]
    assert pushing.later(60) == 19
    with store.reading() as session:
        query = select(OdooSmsRecord.reported).where(OdooSmsRecord.uuid == rows[13].uuid)
        assert session.scalar(query) == "rejected_by_odoo"


def test_a_report_whose_answer_was_lost_is_read_before_it_is_repeated(start):
    pushing = start(has_login=True)
    rows = pushing.odoo.add_mailing([(ANNA, "one"), (EVA, "two")])
    pushing.send()
    pushing.now += timedelta(hours=1)
    pushing.finish("one", S.SUBMITTING, S.SENT)
    pushing.faults.append("lost_answer")
    with pytest.raises(OdooUnavailableError):
        pushing.later(0)
    pushing.odoo.traces[rows[0].uuid].trace_status = "open"  # and meanwhile somebody followed the link
    assert pushing.later(60) == 1
    assert pushing.words() == ["sent"]
    assert pushing.odoo.traces[rows[0].uuid].trace_status == "open"
