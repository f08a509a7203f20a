"""Remote phones on SQLite and PostgreSQL: leases, reports, limits, opt-outs between claim and answer."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from host_controller.errors import UnknownPhoneError
from host_controller.events import Bells
from host_controller.fleet.remote import RemoteDraft, add_remote, archive, find_remote
from host_controller.messaging import remote_care
from host_controller.messaging.consent_care import ConsentCare
from host_controller.messaging.dispatcher import build_dispatcher
from host_controller.messaging.holds import HoldKind, Holds, Scope, hold
from host_controller.messaging.judgement import Settlement, settle
from host_controller.messaging.leases import Leases
from host_controller.messaging.remote_care import RemoteCare
from host_controller.messaging.remote_phones import RemotePhones
from host_controller.messaging.remote_terms import Heartbeat, Report, Reported, ReportOutcome
from host_controller.messaging.submit import Draft, submit
from host_controller.messaging.sweep import sweep_overdue
from host_controller.rules.classes import MessageClass
from host_controller.rules.timings import Timings
from host_controller.settings import NewSimSettings, load_settings
from host_controller.store.models import AttemptRecord, BatchRecord, MessageRecord, RemotePhoneRecord
from host_controller.store.store import Store

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
SETTINGS = load_settings(None, {"reserve": {"otp_percent": 0}})
ANNA = "+420777123456"
ONE, TWO = "+420601000001", "+420601000002"
SENT, ERROR, SENDING = Reported.SENT, Reported.ERROR, Reported.SENDING


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request, fresh_database):
    with closing(Store(fresh_database(request.param))) as store:
        yield Desk(store)


class Desk:
    """A store with remote phones, and a clock that the test sets."""

    def __init__(self, store: Store) -> None:
        self.store, self.now, self.bells = store, NOON, Bells()
        self.holds = Holds(store)
        self.dispatcher = build_dispatcher(store, self.bells, self.holds, SETTINGS, self.clock)
        self.phones = RemotePhones(store, self.dispatcher, SETTINGS, self.clock)
        self.care = RemoteCare(store, self.phones, self.dispatcher, Timings(), self.clock)
        self.leases = Leases(store, self.bells, Timings(), self.clock)
        self.phone = self.add("P1", ONE, TWO)

    def clock(self) -> datetime:
        return self.now

    def add(self, name: str, *numbers: str, reissues: bool = False, **limits) -> int:
        draft, defaults = RemoteDraft(name, numbers, reissues=reissues), NewSimSettings(**limits)
        id_ = self.store.write(lambda s: add_remote(s, draft, defaults, "CZ", now=self.now, actor="test").id)
        self.care.refresh()
        return id_

    def queue(self, count: int = 1, text: str = "Zpráva", first: int = 0, **values) -> list[int]:
        drafts = [Draft(f"+4207771{first + n:05d}", text, **values) for n in range(count)]
        outcomes = submit(self.store, SETTINGS.messages, drafts, now=self.now, actor="test")
        self.bells.ring()
        return [outcome.message_id for outcome in outcomes]

    def pick_up(self, limit: int = 20, phone: int | None = None, **options) -> list[int]:
        found = self.care.pick_up(phone or self.phone, limit, **options)
        return [one.message_id for one in found.messages]

    def report(self, *said: tuple[int, Reported] | tuple[int, Reported, str], phone: int | None = None):
        return self.care.report(phone or self.phone, [Report(*one) for one in said])

    def states(self) -> list[str]:
        with self.store.reading() as session:
            return list(session.scalars(select(MessageRecord.state).order_by(MessageRecord.id)))

    def message(self, id_: int) -> MessageRecord:
        with self.store.reading() as session:
            return session.get_one(MessageRecord, id_)

    def sim(self, n: int = 0):
        return self.care.figures(self.phone).sims[n]

    def later(self, **passed) -> None:
        self.now += timedelta(**passed)


def test_messages_are_handed_over_once_by_ascending_id_and_up_to_the_limit(desk):
    ids = desk.queue(25)
    assert desk.pick_up() == ids[:20]
    assert desk.pick_up() == ids[20:]
    assert desk.pick_up() == []
    assert set(desk.states()) == {"submitting"}


def test_a_phone_gets_number_text_and_a_uuid_and_the_sim_only_where_it_must(desk):
    sim = desk.phones.get(desk.phone).enrolled.sims[1]
    desk.queue(1, "Ahoj")
    (bound,) = desk.queue(1, "Ahoj", first=1, only_sim_id=sim.sim_id)
    free, second = desk.care.pick_up(desk.phone, 20).messages
    assert (free.number, free.text, free.sim_msisdn, len(free.uuid)) == ("+420777100000", "Ahoj", "", 32)
    assert (second.message_id, second.sim_msisdn) == (bound, TWO)


def test_what_is_bound_to_a_phone_goes_to_no_other(desk):
    other = desk.add("P2", "+420601000003")
    (id_,) = desk.queue(1, only_phone_id=other)
    assert desk.pick_up() == []
    assert desk.pick_up(phone=other) == [id_]


def test_reports_settle_messages_and_count_once(desk):
    good, bad = desk.queue(2, "x" * 200)
    desk.pick_up()
    assert desk.report((good, SENDING), (good, SENT), (bad, ERROR, "NO_SERVICE")) == [ReportOutcome.TAKEN] * 3
    assert desk.states() == ["sent", "failed"]
    assert (desk.message(bad).failure_code, desk.message(bad).error_message) == ("phone_reported", "NO_SERVICE")
    assert (desk.sim().sent_today, desk.sim().sent_month, desk.sim().sent_total) == (2, 2, 2)
    assert desk.report((good, SENT), (good, SENDING), (good, ERROR, "x")) == [
        ReportOutcome.REPEATED,
        ReportOutcome.IGNORED,
        ReportOutcome.IGNORED,
    ]
    assert desk.states() == ["sent", "failed"]
    assert desk.sim().sent_total == 2
    assert desk.report((bad, SENT)) == [ReportOutcome.IGNORED]
    assert desk.states() == ["sent", "failed"]


def test_a_phone_reports_on_nothing_that_it_was_not_handed(desk):
    other = desk.add("P2", "+420601000003")
    (id_,) = desk.queue(1)
    assert desk.report((id_, SENT), (77_777, SENT)) == [ReportOutcome.NOT_FOUND] * 2
    desk.pick_up()
    assert desk.report((id_, SENT), phone=other) == [ReportOutcome.NOT_FOUND]
    assert desk.states() == ["submitting"]


def test_silence_to_the_end_of_the_lease_is_unknown_and_never_handed_out_again(desk):
    desk.queue(1)
    desk.later(minutes=31)  # however long it waited before
    (id_,) = desk.pick_up()
    desk.later(seconds=305)  # and at 20 parts a minute twice the 3 s that a part takes
    desk.leases.run()
    sweep_overdue(desk.store, desk.bells, Timings(), desk.now)
    assert desk.states() == ["submitting"]
    desk.later(seconds=2)
    desk.leases.run()
    assert desk.states() == ["unknown"]
    desk.care.heartbeat(desk.phone, Heartbeat())
    desk.leases.run()
    assert desk.pick_up() == []
    assert desk.report((id_, SENT)) == [ReportOutcome.TAKEN]
    assert desk.states() == ["sent"]
    assert desk.sim().sent_total == 1


def test_a_lease_is_as_long_as_the_work_in_the_phones_hands_at_its_pace(desk):
    desk.queue(100)  # at 20 parts a minute
    desk.pick_up(100)
    desk.later(minutes=14.9)
    desk.leases.run()
    assert set(desk.states()) == {"submitting"}
    desk.later(minutes=0.2)
    desk.leases.run()
    assert set(desk.states()) == {"unknown"}


def test_a_timeout_of_the_app_is_no_failure(desk):
    (id_,) = desk.queue(1)
    desk.pick_up()
    assert desk.report((id_, ERROR, "TIMEOUT_0of1_parts_sent_0_failed")) == [ReportOutcome.TAKEN]
    assert desk.states() == ["unknown"]
    assert desk.report((id_, SENT)) == [ReportOutcome.TAKEN]
    assert desk.states() == ["sent"]


def test_where_the_policy_wants_it_a_message_is_handed_out_again_after_its_phone_came_back(desk):
    phone = desk.add("P2", "+420601000003", reissues=True)
    (id_,) = desk.queue(1, only_phone_id=phone)
    assert desk.pick_up(phone=phone) == [id_]
    desk.later(seconds=307)
    desk.leases.run()
    desk.leases.run()
    assert desk.pick_up(phone=phone) == []  # nobody has heard of the phone since
    desk.later(seconds=1)
    desk.care.reconcile(phone, [])
    desk.leases.run()
    assert desk.pick_up(phone=phone) == [id_]
    assert desk.report((id_, SENT), phone=phone) == [ReportOutcome.TAKEN]  # whichever of the two it means
    desk.later(minutes=10)
    desk.care.heartbeat(phone, Heartbeat())
    desk.leases.run()
    assert desk.pick_up(phone=phone) == []
    assert desk.states() == ["sent"]


def test_a_late_report_before_the_second_hand_over_prevents_it(desk):
    phone = desk.add("P2", "+420601000003", reissues=True)
    (id_,) = desk.queue(1, only_phone_id=phone)
    desk.pick_up(phone=phone)
    desk.later(seconds=307)
    desk.leases.run()
    desk.later(seconds=1)
    desk.care.heartbeat(phone, Heartbeat())
    desk.leases.run()
    assert desk.states() == ["queued"]
    assert desk.report((id_, SENT), phone=phone) == [ReportOutcome.TAKEN]
    assert desk.pick_up(phone=phone) == []
    assert desk.states() == ["sent"]


def test_a_message_is_not_handed_out_for_ever(desk):
    phone = desk.add("P2", "+420601000003", reissues=True)
    desk.queue(1, only_phone_id=phone)
    handed = 0
    for _ in range(6):
        handed += len(desk.pick_up(phone=phone))
        desk.later(seconds=307)
        desk.leases.run()
        desk.later(seconds=1)
        desk.care.heartbeat(phone, Heartbeat())
        desk.leases.run()
    assert handed == 3
    assert desk.states() == ["unknown"]


def test_an_error_for_an_attempt_that_another_has_followed_changes_nothing_of_that(desk):
    other = desk.add("P2", "+420601000003")
    (id_,) = desk.queue(1)
    desk.pick_up()
    desk.later(seconds=307)
    desk.leases.run()
    desk.store.write(lambda s: settle(s, [id_], Settlement.RESEND, now=desk.now, actor="test", reason="again"))
    desk.bells.ring()
    assert desk.pick_up(phone=other) == [id_]
    assert desk.report((id_, ERROR, "GENERIC_FAILURE")) == [ReportOutcome.TAKEN]
    assert desk.states() == ["submitting"]
    assert desk.report((id_, SENT), phone=other) == [ReportOutcome.TAKEN]
    assert desk.states() == ["sent"]


def test_limits_hold_and_say_when_they_end(desk):
    phone = desk.add("P2", "+420601000003", parts_per_day=10)
    ids = desk.queue(12, only_phone_id=phone)
    assert desk.pick_up(phone=phone) == ids[:10]
    blocked = desk.care.pick_up(phone, 20)
    assert blocked.limit_reached
    assert blocked.retry_after_s == 11 * 3600  # midnight in Prague
    desk.later(hours=11, seconds=1)
    assert desk.pick_up(phone=phone) == ids[10:]


def test_a_queue_of_just_what_is_left_goes_whole(desk):
    phone = desk.add("P2", "+420601000003", parts_per_day=10)
    ids = desk.queue(10, only_phone_id=phone)
    assert desk.pick_up(phone=phone) == ids
    assert not desk.care.pick_up(phone, 20).limit_reached  # nothing waits


def test_what_certainly_did_not_leave_counts_against_no_limit(desk):
    phone = desk.add("P2", "+420601000003", parts_per_day=10)
    first = desk.queue(10, only_phone_id=phone)
    desk.pick_up(phone=phone)
    desk.report(*((id_, ERROR, "RADIO_OFF") for id_ in first), phone=phone)
    ids = desk.queue(10, only_phone_id=phone, first=50)
    assert desk.pick_up(phone=phone) == ids


def test_a_key_may_cap_what_its_phone_is_handed_in_a_day(desk):
    ids = desk.queue(5)
    assert desk.pick_up(parts_per_day=3) == ids[:3]
    assert desk.care.pick_up(desk.phone, 20, parts_per_day=3).limit_reached
    assert desk.pick_up(parts_per_day=None) == ids[3:]


def test_who_opts_out_is_handed_over_no_more(desk):
    (id_,) = desk.queue(1)
    ConsentCare(desk.store, SETTINGS, desk.clock).opt_out("+420777100000", "test")
    assert desk.pick_up() == []
    assert desk.message(id_).failure_code == "opted_out"


def test_a_stop_that_is_stored_between_the_claim_and_the_answer_keeps_the_message_back(desk, monkeypatch):
    ids = desk.queue(3)
    care = ConsentCare(desk.store, SETTINGS, desk.clock)

    def stop(name: str) -> None:
        if name == "intent.after":
            care.opt_out("+420777100001", "test")

    monkeypatch.setattr(remote_care, "failpoint", stop)
    assert desk.pick_up() == [ids[0], ids[2]]
    assert desk.states() == ["submitting", "cancelled", "submitting"]


def test_heartbeats_keep_a_phone_online_and_do_not_forget_what_it_said(desk):
    assert not desk.care.figures(desk.phone).is_online
    desk.care.heartbeat(desk.phone, Heartbeat(85, -70, 3))
    desk.care.heartbeat(desk.phone, Heartbeat(unsynced_count=0))
    with desk.store.reading() as session:
        record = session.get_one(RemotePhoneRecord, desk.phone)
        assert (record.battery_percent, record.signal_dbm, record.unsynced_count) == (85, -70, 0)
    assert desk.care.figures(desk.phone).is_online
    desk.later(minutes=5, seconds=1)
    desk.phones.watch()
    assert not desk.care.figures(desk.phone).is_online
    assert [view.status for view in desk.phones.views()] == ["offline"]
    desk.care.heartbeat(desk.phone, Heartbeat())
    assert [view.status for view in desk.phones.views()] == ["ready"]


def test_what_waits_is_counted_by_sim_and_sums_up_without_what_is_held(desk):
    sim = desk.phones.get(desk.phone).enrolled.sims[1]
    desk.queue(7, only_phone_id=desk.phone)
    desk.queue(5, first=10, only_sim_id=sim.sim_id)
    desk.queue(10, first=20, batch="paused", message_class=MessageClass.MARKETING)
    with desk.store.reading() as session:
        batch_id = session.scalars(select(BatchRecord.id)).one()
    desk.holds.change(lambda s: hold(s, Scope.BATCH, batch_id, HoldKind.PAUSED, "test", desk.now, "test"))
    figures = desk.care.figures(desk.phone)
    assert [sim.pending for sim in figures.sims] == [7, 5]
    assert len(desk.pick_up(100)) == 12
    figures = desk.care.figures(desk.phone)
    assert [(sim.pending, sim.in_hands) for sim in figures.sims] == [(0, 7), (0, 5)]


def test_reconciling_names_what_is_sent_what_is_leased_and_what_is_not_known(desk):
    sent, leased, late, failed = desk.queue(4)
    desk.pick_up(2)
    desk.report((sent, SENT))
    desk.pick_up(1)
    desk.pick_up(1)
    desk.report((failed, ERROR, "NO_SERVICE"), (late, ERROR, "TIMEOUT_0of1"))
    found = desk.care.reconcile(desk.phone, [99_999, failed, late, leased, sent])
    assert (found.already_confirmed, found.stuck, found.not_found) == ((sent,), (leased,), (99_999,))


def test_a_phone_that_was_archived_is_not_known_any_more(desk):
    desk.store.write(lambda s: archive(s, find_remote(s, "P1"), now=desk.now, actor="test"))
    desk.care.refresh()
    with pytest.raises(UnknownPhoneError):
        desk.pick_up()
    with desk.store.reading() as session, pytest.raises(UnknownPhoneError):
        find_remote(session, "P1")


def test_a_phone_and_one_on_a_cable_share_what_was_used_of_a_recipient(desk):
    """The rack's rules count what remote phones were handed: the same text to one number waits."""
    drafts = [Draft(ANNA, f"{n}") for n in range(30)]
    submit(desk.store, SETTINGS.messages, drafts, now=desk.now, actor="test")
    desk.bells.ring()
    most = SETTINGS.repeats.recipient_per_hour["transactional"]
    assert len(desk.pick_up(100)) == most


def test_what_is_handed_over_while_limits_change_counts_against_the_new_ones(desk, monkeypatch):
    phone = desk.add("P2", "+420601000003", parts_per_day=10)
    ids = desk.queue(12, only_phone_id=phone)
    get, was_asked = desk.phones.get, threading.Event()

    def ask(phone_id):
        found = get(phone_id)
        was_asked.set()
        return found

    monkeypatch.setattr(desk.phones, "get", ask)
    taken = []
    with get(phone).lock:
        thread = threading.Thread(target=lambda: taken.extend(desk.pick_up(6, phone)))
        thread.start()
        assert was_asked.wait(10)
        desk.care.refresh()
    thread.join(10)
    assert taken == ids[:6]
    assert desk.pick_up(20, phone) == ids[6:10]


def test_a_write_that_fails_leaves_nothing_handed_over_or_counted(desk, monkeypatch):
    phone = desk.add("P2", "+420601000003", parts_per_day=10)
    ids = desk.queue(10, only_phone_id=phone)

    original = desk.care._take

    def take(*args):
        original(*args)
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(desk.care, "_take", take)
    with pytest.raises(RuntimeError):
        desk.pick_up(phone=phone)
    monkeypatch.undo()
    desk.bells.ring()
    assert desk.pick_up(phone=phone) == ids
    with desk.store.reading() as session:
        assert len(session.scalars(select(AttemptRecord)).all()) == 10
