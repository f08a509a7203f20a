"""Every call that we make to an Odoo was seen on a real one: in a recorded exchange, or by `SEEN_LIVE` below.

`SEEN_LIVE` runs on the fake always, and on the Odoo of SMSRACK_TEST_ODOO_URL where one is named (how:
tests/e2e/odoo_peers.py); there its user needs the rights of docs/odoo.md.
"""

from __future__ import annotations

import ast
import json
import os
import re
import uuid
from pathlib import Path

import pytest

import odoo_sync
from host_controller.settings import OdooSettings
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooRejectedError

PACKAGE = Path(odoo_sync.__file__).parent
TRANSCRIPTS = Path(__file__).parents[1] / "transcripts" / "odoo"
CALLERS = {"call", "execute_kw"}
# Those of gateway_client.py, whose first argument is a path of the module's.
MODULE_CALLERS = {"_ask", "_call"}
# Where Odoo answers us; what starts otherwise is ours.
HTTP_PATH = re.compile(r"/(?:web|jsonrpc|sms)(?![a-z])[^\s`\\]*|/sms-gateway/[^\s`]*")
UNKNOWN = uuid.uuid4().hex


def own_files():
    return [path for path in PACKAGE.rglob("*.py") if "fake" not in path.relative_to(PACKAGE).parts]


def literal(node):
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def made_in(path):
    """Give (model, method) of every call, and ("HTTP", path) of every path, that stands in a file."""
    tree = ast.parse(path.read_text("utf-8"))
    is_module = path.name == "gateway_client.py"
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLERS:
            model, method, *_ = [*(literal(argument) for argument in node.args[:2]), None, None]
            # The ways through: methods of the client that hand on what they were given.
            if path.name != "client.py" or model:
                assert model, f"{path.name}:{node.lineno}: write model and method as literals"
                assert method, f"{path.name}:{node.lineno}: write model and method as literals"
                yield model, method
        elif isinstance(node, ast.Call) and (made := made_by_data(node)):
            yield from made
        elif is_module and isinstance(node, ast.Call) and getattr(node.func, "attr", None) in MODULE_CALLERS:
            if path_asked := module_path(node.args[0]):
                yield "HTTP", path_asked
        elif (text := literal(node)) and id(node) not in docstrings and (found := HTTP_PATH.fullmatch(text)):
            yield "HTTP", found.group().split("?")[0]


def made_by_data(node):
    """Give the calls that setup makes for what stands there as data; `call_any` makes them."""
    methods = DATA.get(getattr(node.func, "id", ""))
    if not methods:
        return []
    models = [
        text for argument in node.args[:2] if (text := literal(argument)) and re.fullmatch(r"[a-z]+(\.[a-z]+)+", text)
    ]
    return [(model, method) for model in models for method in methods]


def recorded():
    for file in TRANSCRIPTS.glob("*.json"):
        for exchange in json.loads(file.read_text("utf-8"))["exchanges"]:
            yield "HTTP", exchange["http"]["path"]
            request = exchange["request"]
            arguments = request.get("params", {}).get("args", []) if isinstance(request, dict) else []
            if len(arguments) > 4:
                yield arguments[3], arguments[4]


def module_path(node):
    """Give the path that a call of the module asks for, up to what is filled in."""
    start = node.values[0] if isinstance(node, ast.JoinedStr) else node
    return f"/sms-gateway/{literal(start)}" if literal(start) else None


def covers(seen, call):
    if call in seen:
        return True
    # What ends in an id is recorded with another one.
    return call[0] == "HTTP" and call[1].endswith("/") and any(path.startswith(call[1]) for _, path in seen)


def may_create(client):
    assert client.call("sms.sms", "check_access_rights", ["create", False], {}) is True


def may_read_traces(client):
    assert client.call("mailing.trace", "check_access_rights", ["read", False], {}) in (True, False)


def traces(client):
    if not client.call("mailing.trace", "check_access_rights", ["read", False], {}):
        pytest.skip("the user may not read mailing.trace")
    wanted = [["sms_id_int", "in", [1, 2]]]
    assert isinstance(client.call("mailing.trace", "search_read", [wanted, ["sms_id_int", "trace_status"]], {}), list)


def may_see_crons(client):
    assert client.call("ir.cron", "check_access_rights", ["read", False], {}) in (True, False)


def own_sender(client):
    if not client.call("ir.cron", "check_access_rights", ["read", False], {}):
        pytest.skip("the user may not read ir.cron")
    assert client.own_sender_is_on() in (True, False)


def mark_failed(client):
    values = {"number": "+420777123456", "body": "contract", "state": "canceled", "uuid": uuid.uuid4().hex}
    made = client.call("sms.sms", "create", [values], {})
    sms_id = made[0] if isinstance(made, list) else made
    try:
        client.set_error([sms_id], "sms_server")
    except OdooRejectedError:
        pytest.skip("the user may not read sms.tracker")
    assert client.states([sms_id])[sms_id].state == "error"


def choose_a_database(client):
    assert client._odoo.http(f"/web?db={client.database}").read()


SEEN_LIVE = {
    ("sms.sms", "check_access_rights"): may_create,
    ("mailing.trace", "check_access_rights"): may_read_traces,
    ("mailing.trace", "search_read"): traces,
    ("ir.cron", "check_access_rights"): may_see_crons,
    ("ir.cron", "search_count"): own_sender,
    ("sms.sms", "action_set_error"): mark_failed,
    ("HTTP", "/web"): choose_a_database,
}
# By tests/odoo/test_setup.py, where a real Odoo is named; phones of the module where one with it is.
SET_UP = ("iap.account", "ir.model.access", "res.groups", "res.partner", "res.users", "sms.gateway.phone")
# What setup makes and changes, by the class that says it: see odoo_sync/setup/.
DATA = {
    "Record": ("search_read", "create", "write", "unlink"),
    "Change": ("search_read", "write"),
    "_Need": ("check_access_rights",),
}
# With --show-in-odoo.
SHOWN = ("ir.model", "ir.model.fields", "ir.ui.menu", "ir.ui.view")
SEEN_BY_SETUP = {
    *((model, method) for model in SHOWN for method in DATA["Record"]),
    *((model, method) for model in SET_UP for method in DATA["Record"]),
    *((model, method) for model in ("ir.cron", "ir.model.data") for method in DATA["Record"]),
    ("ir.config_parameter", "check_access_rights"),
    ("ir.config_parameter", "get_param"),
    ("ir.config_parameter", "set_param"),
    ("ir.model.access", "check_access_rights"),
    ("ir.module.module", "search_read"),
    ("res.users", "check_access_rights"),
    *(
        (model, "check_access_rights")
        for model in ("mailing.mailing", "phone.blacklist", "pos.order", "res.partner", "sale.order", "sms.tracker")
    ),
}
# By tests/e2e/test_odoo_campaign.py, where an Odoo with the module is named.
SEEN_WITH_THE_MODULE = {("HTTP", "/sms-gateway/inbound-blacklist")}


@pytest.mark.parametrize("path", own_files(), ids=lambda path: path.name)
def test_every_call_was_seen_on_a_real_odoo(path):
    seen = set(recorded()) | set(SEEN_LIVE) | SEEN_WITH_THE_MODULE | SEEN_BY_SETUP
    missing = {call for call in made_in(path) if not covers(seen, call)}
    assert not missing, "record these calls of a real Odoo, or add them to SEEN_LIVE"


def test_nothing_is_seen_live_that_nobody_calls():
    assert set(SEEN_LIVE) <= {call for path in own_files() for call in made_in(path)}


@pytest.fixture(params=["fake", "real"])
def client(request):
    if request.param == "fake":
        return request.getfixturevalue("served").client()
    if "SMSRACK_TEST_ODOO_URL" not in os.environ:
        pytest.skip("no real Odoo is named in SMSRACK_TEST_ODOO_URL")
    user = os.environ.get("SMSRACK_TEST_ODOO_DAEMON_USER", os.environ.get("SMSRACK_TEST_ODOO_USER", "admin"))
    password = os.environ.get(
        "SMSRACK_TEST_ODOO_DAEMON_PASSWORD", os.environ.get("SMSRACK_TEST_ODOO_PASSWORD", "admin")
    )
    database = os.environ.get("SMSRACK_TEST_ODOO_DATABASE", "odoo18")
    return OdooClient(OdooSettings(url=os.environ["SMSRACK_TEST_ODOO_URL"], database=database, user=user), password)


@pytest.mark.parametrize("call", list(SEEN_LIVE), ids=" ".join)
def test_calls_that_no_transcript_holds(client, call):
    client.server_version()
    SEEN_LIVE[call](client)


def test_the_pull_as_a_real_odoo_answers_it(client):
    """What the pull relies on, with the types and the effects that a real Odoo shows."""
    client.capabilities()  # of a version that we know
    assert client.has_mailings() is True
    values = {"number": "+420777123456", "body": "contract", "state": "canceled", "uuid": uuid.uuid4().hex}
    made = client.call("sms.sms", "create", [values], {})
    sms_id = made[0] if isinstance(made, list) else made
    assert client.states([sms_id])[sms_id].state == "canceled"
    client.write_state([sms_id], "error", "sms_acc")
    assert client.states([sms_id])[sms_id].to_delete is False
    client.report([("not_allowed", [values["uuid"]])])
    client.report([("not_allowed", [UNKNOWN])])
    # A report settles a row, also one without a trace: nothing adopts it then.
    assert client.states([sms_id])[sms_id].to_delete is True
    assert client.states([2**31 - 1]) == {}
    assert client.outgoing(5, after_id=2**31 - 2) == []
