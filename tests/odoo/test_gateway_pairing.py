"""Pairing with a phone of Odoo's module: by what its code holds, tried before it is kept."""

from __future__ import annotations

import contextlib
import json
import socket
import stat
import threading
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from host_controller.cli import cli
from host_controller.errors import ConfigError
from host_controller.settings import OdooSettings
from odoo_sync.errors import OdooUnavailableError
from odoo_sync.gateway_client import GatewayClient
from odoo_sync.pairings import Pairing, keep_pairing, pairings_version, parse_pairing, read_pairings
from tests.odoo.gateway_bench import ServedModule


@pytest.fixture
def served():
    made = ServedModule(lambda: datetime.now(UTC))
    yield made
    made.stop()


@pytest.fixture
def config(served, tmp_path):
    path = tmp_path / "smsrack.toml"
    path.write_text(f'[odoo.shop]\nmode = "gateway"\nurl = "{served.url}"\npairing_file = "{tmp_path / "pairs"}"\n')
    return path


def code(phone, url="https://odoo.example.com"):
    return json.dumps({"url": url, "api_key": phone.api_key, "type": "sms_gateway"})


def run(*arguments, **options):
    return CliRunner().invoke(cli, ["odoo", *arguments], prog_name="smsrack", **options)


def test_paired_by_standard_input_and_checked(served, config, tmp_path):
    other = served.module.add_phone("Phone B", "+420700000009")
    result = run("pair", "shop", "--config", str(config), "--sim", "3", input=code(served.phone))
    assert result.exit_code == 0, result.output
    assert "paired with Phone A (+420700000001, +420700000002); it is online" in result.output
    assert served.phone.api_key not in result.output
    assert served.phone.state == "online"
    assert "that is used" in result.output
    assert run("pair", "shop", code(other, served.url), "--config", str(config)).exit_code == 0
    pairs = tmp_path / "pairs"
    assert stat.S_IMODE(pairs.stat().st_mode) == 0o600
    assert [(pairing.key, pairing.sim_id, pairing.module_id) for pairing in read_pairings(pairs, "shop")] == [
        (served.phone.api_key, 3, 1),
        (other.api_key, None, 2),
    ]
    served.phone.api_key = "rotated"
    result = run("check", "shop", "--config", str(config))
    assert result.exit_code == 1
    assert "FAIL  phone 1: the module does not know this phone's key" in result.output
    assert "PASS  phone 2: Phone B: online in Odoo, 0 SMS wait, 100 a minute" in result.output
    result = run("pair", "shop", "--config", str(config), "--phone", "R58", input=code(served.phone))
    assert "again" in result.output
    assert [pairing.phone_serial for pairing in read_pairings(pairs, "shop")] == [None, "R58"]
    assert run("check", "shop", "--config", str(config), "--json").exit_code == 0


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"type": "other", "api_key": "k"}', '{"type": "sms_gateway"}', "k"])
def test_what_is_no_code(config, tmp_path, text):
    result = run("pair", "shop", "--config", str(config), input=text)
    assert result.exit_code != 0
    assert "no pairing code" in str(result.exception or result.output)
    assert not (tmp_path / "pairs").exists()


def test_a_wrong_key_is_not_kept(served, config, tmp_path):
    served.phone.api_key, said = "other", code(served.phone)
    assert run("pair", "shop", "--config", str(config), input=said).exit_code != 0
    assert not (tmp_path / "pairs").exists()


@pytest.mark.parametrize("extras", [{"sim": "1"}, {"sim": True}, {"sim": 1, "phone": "x"}, {"phone": 3}, {"id": "a"}])
def test_a_pairing_that_says_nonsense(extras):
    with pytest.raises(ConfigError, match="names a `sim`"):
        parse_pairing(json.dumps({"type": "sms_gateway", "api_key": "k", **extras}))


def test_a_key_that_is_none():
    with pytest.raises(ConfigError, match="copy it again"):
        parse_pairing(json.dumps({"type": "sms_gateway", "api_key": "k\r\nHost: other"}))


def test_an_error_says_which_line_and_shows_no_key(tmp_path):
    file = tmp_path / "pairs"
    file.write_text('{"type": "sms_gateway", "api_key": "secret"}\n{"api_key": "secret"}\n')
    with pytest.raises(ConfigError, match="line 2 of") as error:
        read_pairings(file, "shop")
    assert "secret" not in str(error.value)
    assert "secret" not in repr(Pairing("secret"))
    with pytest.raises(ConfigError, match="cannot write"):
        keep_pairing(tmp_path / "no" / "pairs", "shop", Pairing("k"))
    with pytest.raises(ConfigError, match="is missing; set"):
        read_pairings(None, "shop")


def test_every_change_of_the_file_is_another_version(tmp_path):
    file = tmp_path / "pairs"
    seen = [pairings_version(None), pairings_version(file)]
    assert seen == [None, None]
    for key in ("one", "two", "two"):
        keep_pairing(file, "shop", Pairing(key))
        assert pairings_version(file) not in seen
        seen.append(pairings_version(file))
        assert pairings_version(file) == seen[-1]


def test_a_server_of_several_databases_is_told_which(served):
    """As Odoo does: 404 with a page until a session has chosen."""
    served.faults.append("no_database")
    settings = OdooSettings(url=served.url, database="odoo18", call_limit_s=2)
    assert GatewayClient(settings, served.phone.api_key, "shop").phone().name == "Phone A"
    served.faults.append("no_database")
    with pytest.raises(OdooUnavailableError, match="HTTP 404"):
        GatewayClient(OdooSettings(url=served.url, call_limit_s=2), served.phone.api_key, "shop").phone()


def test_a_trickle_has_an_end():
    """The limit is for the whole answer, not for each piece of it."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def trickle():
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not done.wait(0.05):
                connection.sendall(b" ")

    thread = threading.Thread(target=trickle)
    thread.start()
    settings = OdooSettings(url=f"http://127.0.0.1:{listener.getsockname()[1]}", call_limit_s=1)
    with pytest.raises(OdooUnavailableError):
        GatewayClient(settings, "k", "shop").phone()
    done.set()
    thread.join(5)
    listener.close()


def test_an_address_with_a_path():
    with pytest.raises(ConfigError, match="without a path"):
        GatewayClient(OdooSettings(url="https://odoo.example.com/odoo"), "k", "shop")
