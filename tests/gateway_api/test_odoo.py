"""What an Odoo in mode push sends, on the port of the gateway: with its errors, and without a device's key."""

from __future__ import annotations

import pytest

from host_controller.events import Bells
from host_controller.settings import MessageSettings, OdooSettings
from odoo_sync.intake import Intake
from odoo_sync.push import PATHS, make_push
from web import make_gateway_app

TOKEN = "0123456789abcdef"
UUID = "a" * 32


@pytest.fixture
def odoo(bench):
    settings = OdooSettings(mode="push", url="http://shop")
    intake = Intake("shop", bench.store, settings, MessageSettings(), bench.clock, Bells())
    return make_gateway_app(bench.services, bench.remote, [make_push([(TOKEN, intake)], 1)]).test_client()


def call(token=TOKEN, **params):
    messages = [{"content": "Hello", "numbers": [{"number": "+420777555001", "uuid": UUID}]}]
    params = {"messages": messages, "account_token": token, **params}
    return {"jsonrpc": "2.0", "method": "call", "id": 7, "params": params}


@pytest.mark.parametrize("path", PATHS)
def test_messages_are_taken(odoo, path):
    answer = odoo.post(path, json=call(dbuuid="3da7"))
    assert answer.json == {
        "jsonrpc": "2.0", "id": 7, "result": [{"uuid": UUID, "state": "processing", "credit": 0}],
    }  # fmt: skip


def test_another_token_and_no_messages(odoo):
    assert odoo.post(PATHS[0], json=call("x" * 16)).json["result"][0]["state"] == "unregistered"
    assert odoo.post(PATHS[0], json=call("x" * 16)).json == {"success": False, "error": "Too Many Requests"}
    assert odoo.post(PATHS[0], json=call(messages=None)).json == {"success": False, "error": "Bad request"}
