"""The fake module means what the real one meant when its answers were recorded."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from odoo_sync.fake import FakeOdoo, GatewayModule, make_app, mount
from tests.odoo.test_fake import exchanges, shape

RECORDED = exchanges("gw_http_endpoints")
# Of these the values are arbitrary: an order, a time, a text.
_SHAPED = ("sms_list", "messages")
_LISTS = ("already_confirmed_ids", "stuck_ids", "ack_ids")
_QUEUED_BEFORE = 3


class Replay:
    """Sends what was recorded to a fake with other ids and another key."""

    def __init__(self):
        self.odoo = FakeOdoo()
        self.module = GatewayModule(self.odoo)
        self.phone = self.module.add_phone("Phone A", "+420700000001", "+420700000002")
        self.phone.state = "online"
        self.ids: dict[int, int] = {}
        self.people = [self.odoo.partners.add(name=f"GW {n}", phone=f"+42077732100{n}") for n in (1, 2, 3)]
        app = make_app(self.odoo)
        mount(app, self.module)
        self.client = app.test_client()

    def queue(self):
        rows = self.module.add_mailing(self.phone, [(f"+4207773210{n:02d}", f"Hi GW {n}") for n in range(12)])
        self.ids = {n: row.id for n, row in enumerate(rows, 1)}
        return rows

    def ask(self, exchange, *, key):
        headers = {"X-API-Key": key} if exchange["http"]["request_headers"]["X-API-Key"] and key else {}
        path, last = exchange["http"]["path"].rsplit("/", 1)
        last = str(self.ids.get(int(last), last)) if last.isdigit() else last
        body = self._sent(exchange["request"])
        raw = b"{broken" if body is None else json.dumps(body)
        return self.client.post(f"{path}/{last}", data=raw, headers=headers)

    def _sent(self, request):
        if not isinstance(request, dict):
            return request
        request = json.loads(json.dumps(request))
        for result in request.get("results", ()):
            result["id"] = self.ids.get(result["id"], result["id"])
        if "known_ids" in request:
            request["known_ids"] = [self.ids.get(n, n) for n in request["known_ids"]]
        if "api_key" in request:
            request["api_key"] = self.phone.api_key
        return request

    def expected(self, response):
        response = json.loads(json.dumps(response))
        for name in _LISTS:
            if name in response:
                response[name] = sorted(self.ids.get(n, n) for n in response[name])
        for error in response.get("errors", ()):
            error["id"] = self.ids.get(error["id"], error["id"])
        return response


def test_every_recorded_call():
    replay = Replay()
    for number, exchange in enumerate(RECORDED):
        if number == _QUEUED_BEFORE:
            replay.queue()
            replay.module.queue[replay.ids[4]].gateway_state = "processing"  # claimed over RPC in between
        answer = replay.ask(exchange, key="wrong" if number == 1 else replay.phone.api_key)
        assert answer.status_code == exchange["http"]["status"], exchange
        got, expected = answer.json, replay.expected(exchange["response"])
        for name in _LISTS:
            if name in got:
                got[name] = sorted(got[name])
        for name in _SHAPED:
            if name in expected:
                assert shape(got.pop(name)) == shape(expected.pop(name))
        assert got == expected, exchange["http"]["path"]
    told = {n: replay.module.queue[replay.ids[n]].told for n in (1, 2, 3, 12)}
    assert told == {1: ["sent", "sent", "error"], 2: ["sending", "sent"], 3: ["error"], 12: ["sent"]}
    assert replay.odoo.sms[replay.ids[1]].state == "error"
    assert replay.odoo.blacklist.active() == {"+420777321002", "+420777321003", "+420777321005"}
    assert [len(replay.odoo.partners.chatter(person)) for person in replay.people] == [1, 1, 1]


def test_what_waited_for_half_an_hour_is_handed_out_again_unless_it_was_announced():
    replay = Replay()
    start = datetime.now(UTC)
    module, phone = replay.module, replay.phone
    replay.queue()
    module._clock = lambda: start + timedelta(minutes=31)
    first = module.answer("pending", phone.api_key, {"limit": 100})[1]["sms_list"]
    module.answer(f"confirm/{first[0]['id']}", phone.api_key, {"status": "sending"})
    module._clock = lambda: start + timedelta(minutes=32)
    assert module.reset_stuck() == len(first) - 1 == 11
    again = module.answer("pending", phone.api_key, {"limit": 100})[1]["sms_list"]
    assert first[0]["id"] not in {row["id"] for row in again}


def test_a_limit_that_equals_what_waits_gives_nothing():
    replay = Replay()
    replay.queue()
    replay.phone.daily_limit = 12
    answer = replay.module.answer("pending", replay.phone.api_key, {})
    assert answer == (200, {"success": True, "sms_list": [], "limit_reached": True})


@pytest.mark.parametrize(("path", "status"), [("heartbeat/1", 404), ("confirm", 404), ("nothing", 404)])
def test_paths_that_are_none(path, status):
    replay = Replay()
    assert replay.module.answer(path, replay.phone.api_key, {})[0] == status


def test_a_message_without_a_phone_online_fails_at_once():
    replay = Replay()
    replay.phone.state = "offline"
    (row,) = replay.module.add_mailing(replay.phone, [("+420777123456", "too late")])
    assert (row.state, row.failure_type, replay.odoo.traces[row.uuid].trace_status) == ("error", "sms_server", "error")
