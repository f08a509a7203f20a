"""`smsrack odoo check`: what goes well, and the first thing that does not."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from host_controller.cli import cli

TOKEN = "0123456789abcdef"


@pytest.fixture
def check(served, tmp_path):
    def run(mode="pull", user="gw_min", password="s3cret-canary"):
        for name, secret in (("key", password), ("token", TOKEN)):
            (tmp_path / name).write_text(secret)
        config = tmp_path / "smsrack.toml"
        config.write_text(
            f'[gateway]\nport = 8766\n[odoo.shop]\nmode = "{mode}"\nurl = "http://127.0.0.1:{served.port}"\n'
            f'database = "odoo18"\nuser = "{user}"\npassword_file = "{tmp_path / "key"}"\n'
            f'account_token_file = "{tmp_path / "token"}"\ncall_limit_s = 2.0\n'
        )
        result = CliRunner().invoke(cli, ["odoo", "check", "shop", "--config", str(config), "--json"])
        found = json.loads(result.stdout)
        assert result.exit_code == (0 if found["ok"] else 1)
        return [(finding["check"], finding["ok"]) for finding in found["findings"]]

    return run


def test_all_is_well(check):
    assert check() == [
        ("server", True),
        ("results", True),
        ("login", True),
        ("read sms.sms", True),
        ("write sms.sms", True),
        ("create sms.sms", True),
        ("Odoo's own sender", True),
        ("queue", True),
    ]


def test_mode_push_needs_no_login(check):
    assert check(mode="push", user="") == [("server", True), ("results", True), ("login", True)]


def test_a_wrong_key(check):
    assert check(password="wrong")[-1] == ("login", False)


def test_a_server_that_cannot_choose_a_database(check, served):
    served.faults.extend(["none", "no_database", "no_database"])
    assert check() == [("server", True), ("results", False)]


def test_a_server_that_is_away(check, served):
    served.faults.append("down")
    assert check() == [("server", False)]
