"""`smsrack odoo` as a person types it, on a fake Odoo."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from host_controller.cli import cli
from host_controller.store.models import OdooOutboxRecord
from host_controller.store.store import Store


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


def test_what_was_given_up_is_shown_and_tried_again(smsrack, tmp_path):
    assert "to be told" not in smsrack("status").stdout
    now = datetime.now(UTC)
    outbox = {"database": "shop", "created_at": now}
    given_up = {"kind": "chatter", "record": "+420777123456", "tries": 40, "error": "no e-mail", "outcome": "gave_up"}
    store = Store(tmp_path / "d" / "smsrack.db")
    store.write(lambda session: session.add(OdooOutboxRecord(**outbox, **given_up, done_at=now)))
    store.close()
    status = smsrack("status").stdout
    assert re.search(r"^shop +notes +– +– +1 *$", status, re.MULTILINE)
    assert "`smsrack odoo retry shop --list` says why" in status
    assert re.search(r"notes +\+420777123456 .* 40 +no e-mail", smsrack("retry", "shop", "--list").stdout)
    assert "1 wait again" in smsrack("retry", "shop").stdout
    assert "nothing was given up" in smsrack("retry", "shop", "--list").stdout
    assert json.loads(smsrack("retry", "shop", "--json").stdout) == {"retried": 0}
    assert "there is no Odoo 'nowhere'" in str(smsrack("retry", "nowhere").exception)


def test_send_wants_a_daemon_and_its_options_want_send(smsrack):
    assert "--to and --admin are of --send" in smsrack("check", "shop", "--to", "1").stderr
    result = smsrack("check", "shop", "--send")
    assert result.exit_code == 1
    assert "FAIL  send: no daemon runs on " in result.stdout


def test_send_looks_for_the_daemon_of_the_data_directory(smsrack, tmp_path):
    result = smsrack("check", "shop", "--send", "--data-dir", str(tmp_path / "other"))
    assert f"no daemon runs on {tmp_path / 'other'}; start it" in result.stdout
