"""What a person is told of an Odoo that cannot be reached: enough to mend it."""

from __future__ import annotations

import http.client
import socket
import ssl
from urllib.error import HTTPError, URLError

import pytest
from odoorpc.error import RPCError

from host_controller.settings import OdooSettings
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooLoginError, OdooRecordError, OdooUnavailableError
from odoo_sync.gateway_client import GatewayClient
from odoo_sync.no_answer import why_no_answer


def not_verified(words):
    error = ssl.SSLCertVerificationError(1, "verify failed")
    error.verify_message = words
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (HTTPError("http://h", 502, "x", None, None), "HTTP 502"),
        (URLError(ConnectionRefusedError(111, "refused")), "nothing listens there"),
        (URLError(socket.gaierror(-2, "unknown")), "no host of that name is known"),
        (URLError(TimeoutError()), "no answer in time"),
        (TimeoutError(), "no answer in time"),
        (ssl.SSLError(1, "wrong version number"), "is it http:// there?"),
        (not_verified("self-signed certificate"), "not accepted: self-signed certificate"),
        (OSError(113, "No route to host"), "No route to host"),
        (URLError("unknown url type"), "URLError"),
        (http.client.RemoteDisconnected("closed"), "RemoteDisconnected"),
        (KeyError("data"), "KeyError"),
    ],
)
def test_in_words(error, words):
    assert words in why_no_answer(error)


def test_both_clients_say_it():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    settings = OdooSettings(url=url, database="odoo", user="u", call_limit_s=2)
    for ask in (OdooClient(settings, "secret").server_version, GatewayClient(settings, "key", "shop").phone):
        with pytest.raises(OdooUnavailableError, match=r"nothing listens there\)$"):
            ask()


@pytest.mark.parametrize(
    ("record", "expected"),
    [("res.users(8,), User: 8", OdooLoginError), ("res.partner(8,), User: 8", OdooRecordError)],
)
def test_a_user_that_was_deleted_meanwhile_is_a_login_that_holds_no_more(served, monkeypatch, record, expected):
    """Words of an Odoo 18; the next call logs in anew, and so finds a user that was made again."""
    client = served.client()
    assert client.count_outgoing() == 0
    data = {
        "name": "odoo.exceptions.MissingError",
        "message": f"Record does not exist or has been deleted.\n(Record: {record})",
    }

    def gone(*_):
        raise RPCError("Odoo Server Error", {"code": 200, "message": "Odoo Server Error", "data": data})

    with monkeypatch.context() as patched:
        patched.setattr("odoorpc.ODOO.execute_kw", gone)
        with pytest.raises(expected):
            client.count_outgoing()
    logins = []
    monkeypatch.setattr("odoorpc.ODOO.login", lambda *_: logins.append(1))
    assert client.count_outgoing() == 0
    assert len(logins) == (expected is OdooLoginError)
