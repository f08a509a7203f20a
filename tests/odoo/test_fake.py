"""The fake Odoo means what a real one meant when its answers were recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odoo_sync.fake import FakeOdoo, make_app

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts" / "odoo"
PASSWORD = "s3cret"


def exchanges(name):
    return json.loads((TRANSCRIPTS / f"{name}.json").read_text("utf-8"))["exchanges"]


class Replay:
    """Sends recorded requests to a fake whose ids and values are others than the recorded ones."""

    def __init__(self, rows=()):
        self.odoo = FakeOdoo("odoo18", "gw_min", PASSWORD)
        self.odoo.uid = 77
        self.client = make_app(self.odoo).test_client()
        added = self.odoo.add_mailing([("+420603999000", "another mailing")], "Other")
        added[0].mailing_id = [3, "Other"]
        mine = self.odoo.add_mailing([(f"+42060311100{n}", f"Text {n}") for n in range(len(rows))])
        self.renamed = {old["id"]: new.id for old, new in zip(rows, mine, strict=True)}
        self.renamed |= {old["uuid"]: new.uuid for old, new in zip(rows, mine, strict=True)}
        self.renamed |= {"***": PASSWORD, "admin": "gw_min"}

    def ask(self, exchange, uid=None):
        request = self._renamed(exchange["request"])
        params = request["params"]
        if params.get("service") == "object":
            params["args"][1] = self.odoo.uid if uid is None else uid
        return self.client.post(exchange["http"]["path"], json=request).json

    def _renamed(self, value):
        if isinstance(value, dict):
            return {key: self._renamed(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._renamed(item) for item in value]
        return self.renamed.get(value, value) if isinstance(value, (int, str)) else value


def shape(value):
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value and isinstance(value[0], dict) else "list"
    return type(value).__name__


def test_the_whole_pull_recipe():
    recorded = exchanges("e2e_pull_minimal_user")
    rows = next(e["response"]["result"] for e in recorded if isinstance(e["response"].get("result"), list))
    replay = Replay(rows)
    for exchange in recorded:
        answer = replay.ask(exchange)
        assert answer.keys() == exchange["response"].keys(), exchange["request"]
        if isinstance(exchange["response"]["result"], list):
            got = answer["result"]
            assert [row["id"] for row in got] == [replay.renamed[row["id"]] for row in rows]
            assert set(got[0]) == set(rows[0])
            assert {row["state"] for row in got} == {"outgoing"}
        elif isinstance(exchange["response"]["result"], dict):
            assert answer["result"].keys() == exchange["response"]["result"].keys()
        else:
            assert type(answer["result"]) is type(exchange["response"]["result"])
    ends = [
        (replay.odoo.sms[replay.renamed[row["id"]]], replay.odoo.traces[replay.renamed[row["uuid"]]]) for row in rows
    ]
    assert [(sms.state, trace.trace_status) for sms, trace in ends] == [("sent", "sent")] * 4 + [("error", "error")]
    assert [sms.failure_type for sms, _ in ends] == [False] * 4 + ["sms_server"]
    assert all(sms.to_delete for sms, _ in ends)


def test_every_word_of_the_status_webhook():
    for exchange in exchanges("webhook_sms_status_all"):
        answer = Replay().ask(exchange)
        recorded = exchange["response"]
        assert answer.keys() == recorded.keys()
        if "error" in recorded:
            assert answer["error"]["data"]["name"] == recorded["error"]["data"]["name"]
            assert answer["error"]["data"]["message"] == recorded["error"]["data"]["message"]
        else:
            assert answer["result"] == recorded["result"]


@pytest.mark.parametrize("name", ["err_execute_bad_password", "err_unknown_model", "err_unknown_method"])
def test_recorded_errors(name):
    replay = Replay()
    if name == "err_execute_bad_password":
        replay.renamed["***"] = "stale"
    (exchange,) = exchanges(name)
    answer, recorded = replay.ask(exchange)["error"], exchange["response"]["error"]
    assert shape(answer) == shape(recorded)
    assert answer["data"]["name"] == recorded["data"]["name"]


def test_a_write_to_rows_that_are_gone_is_true():
    (exchange,) = exchanges("err_write_missing_record")
    assert Replay().ask(exchange)["result"] is True


def test_a_missing_right():
    replay = Replay()
    replay.odoo.granted.clear()
    (exchange,) = exchanges("err_access_sms_read")
    answer, recorded = replay.ask(exchange)["error"], exchange["response"]["error"]
    assert (answer["data"]["name"], shape(answer)) == (recorded["data"]["name"], shape(recorded))
    assert answer["data"]["message"].split("\n")[0] == recorded["data"]["message"].split("\n")[0]


@pytest.mark.parametrize(("name", "password"), [("login_ok", PASSWORD), ("login_wrong_password", "wrong")])
def test_logins(name, password):
    replay = Replay()
    replay.renamed["***"] = password
    for exchange in exchanges(name):
        assert shape(replay.ask(exchange)).keys() == shape(exchange["response"]).keys()


def test_a_login_to_a_database_that_is_not_there():
    last = exchanges("login_wrong_db")[-1]
    answer = Replay().ask(last)
    assert answer["error"]["data"]["name"] == last["response"]["error"]["data"]["name"]


@pytest.mark.parametrize(
    ("fault", "name"), [("serialization", "err_serialization_failure"), ("database_down", "err_pg_down")]
)
def test_injected_errors_are_the_recorded_ones(fault, name):
    replay = Replay()
    (exchange,) = exchanges(name)
    assert replay.client.post("/fake/faults", json=[fault]).status_code == 201
    answer, recorded = replay.ask(exchange)["error"], exchange["response"]["error"]
    assert (answer["data"]["name"], shape(answer)) == (recorded["data"]["name"], shape(recorded))
    assert replay.client.post("/fake/faults", json=["bogus"]).status_code == 400


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["processing", "sent"], "pending"),
        (["sent", "processing"], "pending"),
        (["delivered", "sent"], "sent"),
        (["not_delivered", "sent"], "pending"),
        (["delivered", "not_delivered"], "error"),
        (["delivered", "rejected"], "bounce"),
        (["not_allowed"], "bounce"),
        (["expired"], "error"),
        (["sentt"], "error"),
    ],
)
def test_the_order_of_reports(words, status):
    replay = Replay()
    (row, *_), uuid = replay.odoo.sms.values(), next(iter(replay.odoo.traces))
    for word in words:
        replay.odoo.report([{"sms_status": word, "uuids": [uuid]}])
    assert replay.odoo.traces[uuid].trace_status == status
    assert (row.to_delete, row.state) == (True, "outgoing")
