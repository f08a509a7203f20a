"""Of several smsracks by mistake one only takes a database's SMS over, and what is doubtful is not sent."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from host_controller.cli import cli
from host_controller.events import Bells
from host_controller.settings import MessageSettings
from host_controller.store.models import MessageRecord, OdooSmsRecord
from host_controller.store.store import Store
from odoo_sync.claims import DOUBTED
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooElsewhereError, OdooUnavailableError
from odoo_sync.lease import ALONE, FREE_AFTER_S, RENEW_AFTER_S, Lease
from odoo_sync.pull import Pull

NUMBERS = [f"+4207771{n:05d}" for n in range(1000)]


class Host:
    """One smsrack with a database of its own and a clock that a test winds."""

    def __init__(self, served, store):
        self.store, self.served, self.now_s = store, served, 1000.0
        self.restart()

    def restart(self):
        """A new process on the same data."""
        self.client = self.served.client()
        self.lease = Lease(self.client, self.store, lambda: self.now_s)
        self.pull = Pull(
            self.client, self.store, MessageSettings(), lambda: datetime.now(UTC), Bells(), lease=self.lease
        )

    def refs(self):
        with self.store.reading() as session:
            return list(session.scalars(select(MessageRecord.ref)))


@pytest.fixture
def make_host(served, tmp_path):
    stores = []

    def make(name):
        stores.append(Store(tmp_path / f"{name}.db"))
        return Host(served, stores[-1])

    yield make
    for store in stores:
        store.close()


def test_the_second_waits_and_goes_on_when_the_first_is_silent(served, make_host):
    first, second = make_host("a"), make_host("b")
    served.odoo.add_mailing([(NUMBERS[0], "one")])
    assert first.pull.run() == 1
    served.odoo.add_mailing([(NUMBERS[1], "two")])
    with pytest.raises(OdooElsewhereError, match="switch one of the two off"):
        second.pull.run()
    second.now_s += FREE_AFTER_S - 1
    first.now_s += FREE_AFTER_S - 1
    assert first.pull.run() == 1  # a sign of life: the wait begins anew
    second.now_s += 2
    with pytest.raises(OdooElsewhereError):
        second.pull.run()
    served.odoo.add_mailing([(NUMBERS[2], "three")])
    second.now_s += FREE_AFTER_S
    assert second.pull.run() == 1
    first.now_s += RENEW_AFTER_S
    with pytest.raises(OdooElsewhereError):
        first.pull.run()
    assert (len(first.refs()), len(second.refs())) == (2, 1)


def test_who_waits_says_for_whom_and_since_when(served, make_host, monkeypatch):
    first, second = make_host("a"), make_host("b")
    monkeypatch.setattr("socket.gethostname", lambda: "host-a")
    first.lease.hold()
    (row,) = served.odoo.sms.values()
    row.create_date, row.write_date = "2026-11-25 08:00:00", "2026-11-26 09:30:00"
    monkeypatch.setattr("socket.gethostname", lambda: "host-b")
    words = "on host-a, since 2026-11-25 08:00:00, last seen alive at 2026-11-26 09:30:00 .UTC"
    with pytest.raises(OdooElsewhereError, match=words):
        second.lease.hold()
    with pytest.raises(OdooElsewhereError, match="release-lease odoo --config FILE"):
        second.lease.hold()


def test_a_lease_of_before_hosts_were_named_is_known_again(served, make_host):
    first, second = make_host("a"), make_host("b")
    chain = first.lease.hold()
    (row,) = served.odoo.sms.values()
    row.body = row.body.rpartition(" ")[0]
    first.now_s += RENEW_AFTER_S
    with pytest.raises(OdooElsewhereError, match="on a host that it does not name"):
        second.lease.hold()
    assert first.lease.hold() == chain


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_it_is_kept_on_both_kinds_of_database(served, fresh_database, kind):
    store = Store(fresh_database(kind))
    host = Host(served, store)
    served.odoo.add_mailing([(NUMBERS[0], "one")])
    assert host.pull.run() == 1
    chain = host.lease.hold()
    host.restart()
    assert host.lease.hold() == chain
    store.close()


def test_a_restart_goes_on_at_once_and_leaves_one_row(served, make_host):
    host = make_host("a")
    chain = host.lease.hold()
    for _ in range(3):
        host.restart()
        assert host.lease.hold() == chain
    rows = [row for row in served.odoo.sms.values() if not row.to_delete]
    assert [(row.state, row.uuid[-8:]) for row in rows] == [("canceled", "00000004")]


@pytest.mark.parametrize("position", range(7))
@pytest.mark.parametrize("fault", ["down", "lost_answer"])
def test_a_fault_while_it_is_taken_or_renewed_loses_no_lease(served, make_host, fault, position):
    host = make_host("a")
    served.faults.extend(["none"] * position + [fault])
    chains = set()
    for _ in range(4):
        host.now_s += RENEW_AFTER_S
        try:
            chains.add(host.lease.hold())
        except OdooUnavailableError:
            continue
    assert len(chains) == 1


def test_of_two_with_a_copy_of_the_same_data_one_goes_on(served, make_host, tmp_path):
    first = make_host("a")
    first.lease.hold()
    with closing(sqlite3.connect(tmp_path / "a.db")) as data:
        data.execute("VACUUM INTO ?", (str(tmp_path / "b.db"),))
    second = make_host("b")
    held = []
    for host in (second, first):
        host.now_s += RENEW_AFTER_S
        try:
            held.append(host.lease.hold())
        except OdooElsewhereError:
            continue
    assert len(held) == 1


def test_a_lease_whose_row_somebody_deleted_is_taken_anew(served, make_host):
    host = make_host("a")
    before = host.lease.hold()
    served.odoo.sms.clear()
    served.odoo._ids.clear()
    host.now_s += RENEW_AFTER_S
    assert host.lease.hold() != before


def test_a_lease_that_somebody_freed_is_taken_at_once(served, make_host):
    first, second = make_host("a"), make_host("b")
    first.lease.hold()
    next(iter(served.odoo.sms.values())).to_delete = True
    second.lease.hold()
    first.now_s += RENEW_AFTER_S
    with pytest.raises(OdooElsewhereError):
        first.lease.hold()


def test_without_the_right_to_create_it_is_said_once(served, make_host, caplog):
    served.odoo.granted.discard("create")
    host = make_host("a")
    assert {host.lease.hold(), host.lease.hold()} == {ALONE}
    assert caplog.text.count("no second smsrack can be kept off") == 1


def test_a_claim_begun_before_another_had_the_lease_is_doubted(served, make_host, monkeypatch):
    first, second = make_host("a"), make_host("b")
    served.odoo.add_mailing([(NUMBERS[0], "one")])
    monkeypatch.setattr(OdooClient, "write_state", lost(OdooClient.write_state, does=False))
    with pytest.raises(OdooUnavailableError):
        first.pull.run()
    monkeypatch.undo()
    for _ in range(2):
        second.now_s += FREE_AFTER_S
        try:
            second.pull.run()
        except OdooElsewhereError:
            continue
    for _ in range(2):
        first.now_s += FREE_AFTER_S
        try:
            first.pull.run()
        except OdooElsewhereError:
            continue
    assert (first.refs(), len(second.refs())) == ([], 1)
    with first.store.reading() as session:
        assert session.scalar(select(OdooSmsRecord.refusal)) == DOUBTED


def test_a_claim_whose_answer_was_lost_is_ours_also_after_a_restart(served, make_host, monkeypatch):
    host = make_host("a")
    served.odoo.add_mailing([(NUMBERS[0], "one")])
    monkeypatch.setattr(OdooClient, "write_state", lost(OdooClient.write_state, does=True))
    with pytest.raises(OdooUnavailableError):
        host.pull.run()
    monkeypatch.undo()
    host.restart()
    assert host.pull.run() == 1


def test_two_by_mistake_at_the_same_time_double_nothing(served, make_host):
    hosts = [make_host("a"), make_host("b"), make_host("c")]
    served.odoo.add_mailing([(number, f"text {n}") for n, number in enumerate(NUMBERS)])
    begin = threading.Barrier(len(hosts))

    def run(host):
        begin.wait()
        for _ in range(5):
            host.now_s += RENEW_AFTER_S
            try:
                host.pull.run()
            except OdooElsewhereError:
                continue

    threads = [threading.Thread(target=run, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    counts = Counter(ref for host in hosts for ref in host.refs())
    assert (len(counts), max(counts.values())) == (len(NUMBERS), 1)


@pytest.fixture
def release(served, tmp_path, monkeypatch):
    secret, config = tmp_path / "secret", tmp_path / "smsrack.toml"
    secret.write_text("s3cret-canary")

    def run(*options, look=lambda _: None, mode="pull", exit_code=0):
        config.write_text(
            f'[gateway]\nport = 8766\n[odoo.shop]\nmode = "{mode}"\nurl = "http://127.0.0.1:{served.port}"\n'
            f'database = "odoo18"\nuser = "gw_min"\npassword_file = "{secret}"\naccount_token_file = "{secret}"\n'
        )
        command = ["odoo", "release-lease", "shop", "--config", str(config), *options]
        with monkeypatch.context() as patched:
            patched.setattr("host_controller.cli.odoo_lease.sleep", look)
            result = CliRunner().invoke(cli, command)
        assert result.exit_code == exit_code, result.output
        return f"{result.output}{result.exception or ''}"

    return run


def test_the_lease_of_one_that_is_gone_is_released(served, make_host, release):
    first, second = make_host("a"), make_host("b")
    assert "nobody has the lease on odoo18" in release()
    first.lease.hold()
    looks = []
    said = release(look=looks.append)
    assert sum(looks) >= 2 * RENEW_AFTER_S
    assert f"on {socket.gethostname()}, since" in said
    assert "released" in said
    assert "nobody has the lease" in release()
    second.lease.hold()


def test_a_lease_that_is_renewed_is_released_only_where_that_is_wanted(served, make_host, release):
    first, second = make_host("a"), make_host("b")
    first.lease.hold()

    def renew(_):
        first.now_s += RENEW_AFTER_S
        first.lease.hold()

    said = release(look=renew, exit_code=1)
    assert "it lives" in said
    assert "--yes" in said
    with pytest.raises(OdooElsewhereError):
        second.lease.hold()
    assert "released" in release("--yes", look=renew)
    second.lease.hold()


def test_other_modes_have_no_lease(release):
    assert "mode push, which needs no lease" in release(mode="push", exit_code=1)


def lost(original, *, does):
    """Give a call whose answer does not come, whether or not it was done."""

    def call(*arguments):
        if does:
            original(*arguments)
        raise OdooUnavailableError("no answer")

    return call
