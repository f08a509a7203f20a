"""What Odoo shows is compared with how messages ended: repaired forward only, and the rest is listed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from host_controller.messaging.transitions import change_state
from host_controller.rules.states import MessageState
from host_controller.store.models import MessageRecord, OdooSmsRecord
from odoo_sync.claims import TAKEN
from odoo_sync.errors import OdooUnavailableError
from odoo_sync.mapping import SENT, UNHEARD, report_of, report_of_refusal
from odoo_sync.reconcile import Reconcile
from odoo_sync.verdicts import (
    CANCELLED_IN_ODOO,
    CLAIM_IN_DOUBT,
    CLAIMED_ELSEWHERE,
    REASONS,
    SENT_IN_ODOO,
    Verdict,
    judge,
)

ANNA, PETR, EVA = "+420777123456", "+420603111222", "+420724200302"
S = MessageState
FAILED = report_of(S.FAILED, None)
OPTED_OUT = report_of_refusal("opted_out")
NOTHING, BOTH = Verdict(), Verdict(post=True, write=True)


@pytest.mark.parametrize(
    ("report", "state", "trace", "expected"),
    [
        (SENT, "pending", "pending", NOTHING),
        (SENT, "sent", "sent", NOTHING),
        (SENT, "pending", "open", NOTHING),
        (SENT, None, "reply", NOTHING),
        (SENT, None, None, NOTHING),
        (SENT, "process", "process", BOTH),
        (SENT, "outgoing", "outgoing", BOTH),
        (SENT, "process", "open", Verdict(write=True)),
        (SENT, "process", None, BOTH),
        (SENT, "pending", None, NOTHING),
        (SENT, None, "error", Verdict(post=True)),
        (SENT, "error", "bounce", BOTH),
        (SENT, "pending", "bounce", Verdict(post=True)),
        (SENT, "canceled", "cancel", Verdict(reason=CANCELLED_IN_ODOO)),
        (SENT, None, "cancel", Verdict(reason=CANCELLED_IN_ODOO)),
        (FAILED, "error", "error", NOTHING),
        (FAILED, "process", "process", BOTH),
        (FAILED, "error", "process", Verdict(post=True)),
        (FAILED, "process", None, BOTH),
        (FAILED, "pending", "pending", Verdict(reason=SENT_IN_ODOO)),
        (FAILED, "process", "open", Verdict(reason=SENT_IN_ODOO)),
        (FAILED, None, "sent", Verdict(reason=SENT_IN_ODOO)),
        (OPTED_OUT, "canceled", "bounce", NOTHING),
        (OPTED_OUT, "canceled", "cancel", NOTHING),
        (OPTED_OUT, "outgoing", "outgoing", BOTH),
    ],
)
def test_every_pair_of_ours_and_theirs(report, state, trace, expected):
    assert judge(report, state, trace) == expected


@pytest.fixture
def database(request, fresh_database):
    """SQLite, or what a test asks for."""
    return fresh_database(getattr(request, "param", "sqlite"))


class Compared:
    """Two messages that ended here and were reported."""

    def __init__(self, served, sync, store):
        self.served, self.store, self.sync = served, store, sync
        self.now = datetime.now(UTC) + timedelta(minutes=10)
        self.reconcile = Reconcile(served.client(), store, lambda: self.now)
        served.odoo.add_mailing([(ANNA, "good"), (EVA, "bad")])
        sync.run()
        self.end("good", S.SUBMITTING, S.SENT)
        self.end("bad", S.SUBMITTING, S.FAILED)
        sync.run()

    def end(self, body, *path):
        def work(session):
            message = session.scalar(select(MessageRecord).where(MessageRecord.text == body))
            for state in path:
                change_state(session, message, state, now=self.now, actor="test", reason="test")

        self.store.write(work)

    def row(self, body):
        return next(row for row in self.served.odoo.sms.values() if row.body == body)

    def set(self, body, state, trace, failure=False):
        row = self.row(body)
        row.state, row.failure_type = state, failure
        self.served.odoo.traces[row.uuid].trace_status = trace

    def run(self, **options):
        found = self.reconcile.run(**options)
        return found.checked, found.agreed, found.repaired, [item.reason for item in found.listed]


@pytest.fixture
def compared(served, sync, store):
    return Compared(served, sync, store)


def test_what_agrees_is_looked_at_once(compared):
    assert compared.run() == (2, 2, 0, [])
    assert compared.run() == (0, 0, 0, [])
    assert compared.run(everything=True) == (2, 2, 0, [])


def test_what_was_just_reported_is_left_to_settle(compared):
    compared.now = datetime.now(UTC)
    assert compared.run() == (0, 0, 0, [])


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_lost_reports_are_repaired_and_then_agree(compared):
    compared.set("good", "process", "process")
    compared.set("bad", "process", "process")
    assert compared.run() == (2, 0, 2, [])
    assert [word for word, _ in compared.served.odoo.reports][-2:] == ["not_delivered", "sent"]
    assert compared.served.states() == {
        "good": ("pending", "pending", False),
        "bad": ("error", "error", "sms_server"),
    }
    assert compared.run() == (2, 2, 0, [])


def test_a_success_heals_what_somebody_downgraded(compared):
    compared.set("good", "error", "bounce", "sms_server")
    compared.run()
    assert compared.served.states()["good"] == ("pending", "pending", False)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_nothing_goes_backwards(compared):
    compared.set("bad", "pending", "open")
    compared.set("good", "canceled", "cancel")
    before = compared.served.states()
    reports = list(compared.served.odoo.reports)
    assert compared.run() == (2, 0, 0, [CANCELLED_IN_ODOO, SENT_IN_ODOO])
    assert (compared.served.states(), compared.served.odoo.reports) == (before, reports)
    with compared.store.reading() as session:
        assert set(session.scalars(select(OdooSmsRecord.discrepancy))) == {CANCELLED_IN_ODOO, SENT_IN_ODOO}
    compared.set("bad", "error", "error")
    compared.set("good", "pending", "pending")
    assert compared.run() == (2, 2, 0, [])


def test_rows_that_odoo_swept_up_agree_by_their_traces(compared):
    for body in ("good", "bad"):
        del compared.served.odoo.sms[compared.row(body).id]
    assert compared.run() == (2, 2, 0, [])


def test_without_the_right_to_read_traces_the_rows_are_compared(compared):
    compared.served.odoo.tables["mailing.trace"].refused.add("read")
    compared.set("good", "process", "pending")
    assert compared.reconcile.run().sees_traces is False
    assert compared.served.states()["good"] == ("pending", "pending", False)


def test_of_mode_push_only_the_traces_tell(compared):
    """A report does not move `sms.sms.state`, and mode push does not know the row that it would write to."""
    compared.store.write(lambda session: session.execute(update(OdooSmsRecord).values(sms_id=None)))
    compared.set("good", "process", "pending")
    compared.set("bad", "process", "process")
    assert compared.run() == (2, 1, 1, [])
    assert compared.served.states() == {"good": ("process", "pending", False), "bad": ("process", "error", False)}
    assert compared.run() == (1, 1, 0, [])


def test_what_odoo_takes_no_report_of_is_left_out(compared):
    compared.store.write(lambda session: session.execute(update(OdooSmsRecord).values(reported=UNHEARD)))
    assert compared.run(everything=True)[:3] == (0, 0, 0)


def test_what_waits_again_there_is_not_sent_twice_but_put_right(compared):
    compared.run()
    compared.set("good", "outgoing", "outgoing")
    compared.row("good").to_delete = False
    compared.sync.run()
    with compared.store.reading() as session:
        assert len(session.scalars(select(MessageRecord)).all()) == 2
    compared.run()
    assert compared.served.states()["good"] == ("pending", "pending", False)


def test_what_is_in_process_there_and_unknown_here_is_listed(compared):
    (stranger,) = compared.served.odoo.add_mailing([(PETR, "stranger")])
    stranger.state = "process"
    assert compared.run()[3] == []
    compared.now += timedelta(hours=1)
    assert compared.run()[3] == [CLAIMED_ELSEWHERE]


def test_a_claim_in_doubt_is_listed_while_it_is_open(compared):
    compared.set("good", "process", "process")
    compared.store.write(
        lambda session: session.execute(
            update(OdooSmsRecord)
            .where(OdooSmsRecord.uuid == compared.row("good").uuid)
            .values(refusal=CLAIM_IN_DOUBT, reported=CLAIM_IN_DOUBT, reported_at=None, message_id=None)
        )
    )
    assert compared.run()[3] == [CLAIM_IN_DOUBT]
    compared.set("good", "pending", "pending")
    assert compared.run()[3] == []


def test_what_was_left_to_another_that_never_ended_it_is_listed(compared):
    compared.store.write(
        lambda session: session.execute(update(OdooSmsRecord).values(refusal=TAKEN, reported=TAKEN, message_id=None))
    )
    compared.set("good", "process", "process")
    compared.set("bad", "process", "sent")  # as Odoo's own provider leaves it
    assert compared.run()[3] == [CLAIMED_ELSEWHERE]


@pytest.mark.parametrize("position", range(9))
@pytest.mark.parametrize("fault", ["lost_answer", "serialization"])
def test_a_fault_at_any_call_leaves_the_rest_for_the_next_time(compared, fault, position):
    compared.set("good", "process", "process")
    compared.set("bad", "process", "process")
    compared.served.faults.extend(["none"] * position + [fault])
    for _ in range(3):
        try:
            compared.run()
        except OdooUnavailableError:
            continue
    assert compared.served.states()["good"] == ("pending", "pending", False)
    assert compared.served.states()["bad"] == ("error", "error", "sms_server")
    assert compared.run()[3] == []


def test_many_are_compared_by_five_hundred(served, sync, store):
    served.odoo.add_mailing([("1188", f"short {n}") for n in range(1100)])
    sync.run()
    sync.run()
    later = datetime.now(UTC) + timedelta(hours=2)
    found = Reconcile(served.client(), store, lambda: later).run()
    assert (found.checked, found.agreed) == (1100, 1100)


def test_every_reason_has_words():
    assert set(REASONS) == {CANCELLED_IN_ODOO, SENT_IN_ODOO, CLAIMED_ELSEWHERE, CLAIM_IN_DOUBT}
