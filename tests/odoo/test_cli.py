"""`smsrack odoo` as a person types it, on a fake Odoo."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from host_controller.cli import cli


@pytest.fixture
def smsrack(served, tmp_path):
    secret = tmp_path / "key"
    secret.write_text("s3cret-canary")
    config = tmp_path / "smsrack.toml"
    config.write_text(
        f'data_dir = "{tmp_path / "d"}"\n[odoo.shop]\nurl = "http://127.0.0.1:{served.port}"\n'
        f'database = "odoo18"\nuser = "gw_min"\npassword_file = "{secret}"\n'
    )

    def run(*arguments, stdin=None):
        return CliRunner().invoke(cli, ["odoo", *arguments, "--config", str(config)], input=stdin)

    return run


def test_check_names_every_right_and_the_sender_of_odoo(smsrack, served):
    result = smsrack("check", "shop")
    assert result.exit_code == 0
    assert "PASS  create sms.sms: granted" in result.stdout
    assert "cannot be seen by this user" in result.stdout
    served.odoo.crons.are_seen = served.odoo.crons.sender["active"] = True
    result = smsrack("check", "shop")
    assert result.exit_code == 1
    assert "FAIL  Odoo's own sender: its SMS cron is on" in result.stdout


def test_check_refuses_an_odoo_that_we_do_not_know(smsrack, monkeypatch):
    monkeypatch.setattr("odoo_sync.client.OdooClient.server_version", lambda _: "16.0")
    result = smsrack("check", "shop")
    assert result.exit_code == 1
    assert "smsrack works with Odoo 17 to 19" in result.stdout


def test_adopt_says_how_many_and_asks(smsrack, served):
    (row,) = served.odoo.add_mailing([("+420777123456", "one")])
    row.state, row.failure_type = "error", "sms_server"
    assert "1 SMS of the last 24 hours" in smsrack("adopt", "shop", stdin="n\n").stdout
    assert row.state == "error"
    assert "1 SMS wait again" in smsrack("adopt", "shop", "--hours", "1", "--yes").stdout
    assert row.state == "outgoing"
    assert "0 SMS" in smsrack("adopt", "shop", "--yes").stdout


def test_reconcile_lists_what_it_leaves(smsrack, served):
    (row,) = served.odoo.add_mailing([("+420777123456", "one")])
    row.state, row.write_date = "process", "2026-01-01 12:00:00"
    result = smsrack("reconcile", "shop")
    assert "0 compared, 0 agree, 0 repaired" in result.stdout
    assert row.uuid in result.stdout
    assert "nothing here will end it" in result.stdout
    answer = json.loads(smsrack("reconcile", "shop", "--everything", "--json").stdout)
    assert [item["reason"] for item in answer["listed"]] == ["claimed_elsewhere"]
    served.odoo.tables["mailing.trace"].refused.add("read")
    assert "traces were not compared" in smsrack("reconcile", "shop").stdout


def test_reconcile_with_an_odoo_that_is_not_there(smsrack, served):
    assert smsrack("reconcile", "nowhere").exit_code != 0
    served.stop()
    result = smsrack("reconcile", "shop")
    served.start()
    assert "does not answer" in str(result.exception)
