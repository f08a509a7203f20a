"""An Odoo with the module `sms_gateway` takes us for its phone: each message once, each end once, whatever breaks."""

from __future__ import annotations

import contextlib
import itertools
import logging
from datetime import timedelta

import pytest
from sqlalchemy import event, select, update

from device_drivers.base import PhoneHealth, SimHealth
from host_controller.consent.opt_outs import Origin, add_opt_out
from host_controller.fleet.phone import Enrolled, PhoneView
from host_controller.rules.states import FailureCode, MessageState
from host_controller.store.models import MessageRecord, ModulePhoneRecord, OdooSmsRecord, SimRecord
from odoo_sync import gateway_sync, gateway_take
from odoo_sync.errors import ModuleStumbledError, OdooRejectedError, OdooUnavailableError
from odoo_sync.pause import Pause
from odoo_sync.sync import OdooSync, Step
from tests.odoo.gateway_bench import GatewayBench

ANNA, PETR, EVA = "+420777123456", "+420603111222", "+420724200302"
S = MessageState


@pytest.fixture(params=["sqlite", "postgresql"])
def bench(request, tmp_path, fresh_database):
    made = GatewayBench(tmp_path, fresh_database(request.param))
    yield made
    made.close()


def test_messages_are_announced_queued_in_order_and_confirmed(bench):
    bench.online()
    rows = bench.queue((ANNA, "one"), (EVA, "two"), ("1188", "short"))
    bench.sync.run()
    assert bench.messages() == [("one", S.QUEUED), ("two", S.QUEUED)]
    assert [bench.module.queue[row.id].told for row in rows] == [["sending"], ["sending"], []]
    bench.finish("one", S.SUBMITTING, S.SENT)
    bench.finish("two", S.SUBMITTING, S.UNKNOWN)
    bench.sync.run()
    assert bench.ends() == {
        "one": ("sent", "sent", ["sending", "sent"]),
        "two": ("error", "error", ["sending", "error"]),
        "short": ("error", "error", ["error"]),
    }
    bench.served.calls.clear()
    bench.sync.run()
    assert bench.served.calls == ["pending"]


def test_a_late_proof_heals_what_the_module_heard_before(bench):
    bench.online()
    bench.queue((ANNA, "one"))
    bench.sync.run()
    bench.finish("one", S.SUBMITTING, S.UNKNOWN)
    bench.sync.run()
    bench.finish("one", S.SENT)
    bench.sync.run()
    assert bench.ends()["one"] == ("sent", "sent", ["sending", "error", "sent"])


def test_opted_out_before_and_after(bench):
    bench.store.write(lambda session: add_opt_out(session, PETR, Origin("test", "test"), now=bench.now))
    bench.online()
    bench.queue((ANNA, "after"), (PETR, "before"))
    bench.sync.run()
    bench.finish("after", S.CANCELLED, failure=FailureCode.OPTED_OUT)
    bench.sync.run()
    assert bench.ends() == {
        "after": ("error", "error", ["sending", "error"]),
        "before": ("error", "error", ["error"]),
    }
    assert [text for text, _ in bench.messages()] == ["after"]


def test_what_is_handed_out_again_is_queued_once(bench):
    bench.online()
    bench.queue((ANNA, "waits"), (EVA, "sent"), (PETR, "unknown"))
    bench.sync.run()
    bench.finish("sent", S.SUBMITTING, S.SENT)
    bench.finish("unknown", S.SUBMITTING, S.UNKNOWN)
    bench.served.stop()
    bench.later(minutes=31)
    with pytest.raises(OdooUnavailableError):
        bench.sync.run()
    assert bench.module.reset_stuck() == 3
    bench.served.start()
    bench.sync.run()
    bench.sync.run()
    assert [text for text, _ in bench.messages()] == ["waits", "sent", "unknown"]
    assert bench.ends()["waits"][2] == ["sending", "sending"]
    assert bench.ends()["sent"][:2] == ("sent", "sent")
    assert bench.ends()["unknown"][:2] == ("error", "error")
    assert bench.module.reset_stuck() == 0


def test_queued_again_in_odoo(bench):
    """What certainly did not leave is sent again when a person wishes it; what may have left never."""
    bench.online()
    rows = bench.queue((ANNA, "failed"), (EVA, "unknown"), (PETR, "sent"))
    bench.sync.run()
    bench.finish("failed", S.SUBMITTING, S.FAILED, failure=FailureCode.PHONE_REJECTED)
    bench.finish("unknown", S.SUBMITTING, S.UNKNOWN)
    bench.finish("sent", S.SUBMITTING, S.SENT)
    bench.sync.run()
    for row in rows:
        bench.module.queue[row.id].gateway_state, row.state = "pending", "pending"
    bench.sync.run()
    bench.sync.run()
    assert bench.messages()[3:] == [("failed", S.QUEUED)]
    bench.finish("failed", S.SUBMITTING, S.SENT)
    bench.sync.run()
    assert {body: end[:2] for body, end in bench.ends().items()} == {
        "failed": ("sent", "sent"),
        "unknown": ("error", "error"),
        "sent": ("sent", "sent"),
    }
    with bench.store.reading() as session:
        refs = session.scalars(select(MessageRecord.ref).order_by(MessageRecord.id)).all()
    assert refs[3] == f"{refs[0]}/1"


def test_queued_again_on_both_sides(bench):
    """What a person here lets go once more, and one in Odoo too, has its end told once more."""
    bench.online()
    (row,) = bench.queue((ANNA, "one"))
    bench.sync.run()
    bench.finish("one", S.SUBMITTING, S.UNKNOWN)
    bench.sync.run()
    bench.finish("one", S.QUEUED)
    bench.module.queue[row.id].gateway_state, row.state = "pending", "pending"
    bench.sync.run()
    assert bench.messages() == [("one", S.QUEUED)]
    bench.finish("one", S.SUBMITTING, S.FAILED, failure=FailureCode.PHONE_REJECTED)
    bench.sync.run()
    assert bench.ends()["one"] == ("error", "error", ["sending", "error", "sending", "error"])


@pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("fault", "at"),
    [("slow", 1), *itertools.product(["down", "garbage", "no_database", "serialization"], range(4))],
)
def test_a_call_that_fails_is_made_up_for(bench, fault, at):
    if fault == "slow":
        bench.sync = bench.make_sync(call_limit_s=2)
    bench.online()
    bench.queue((ANNA, "one"), (EVA, "two"))
    bench.served.faults.extend(["none"] * at + [fault])
    for _ in range(3):
        try:
            bench.sync.run()
        except OdooUnavailableError:
            continue
    bench.served.faults.clear()
    bench.module.reset_stuck()
    bench.later(minutes=31)
    bench.module.reset_stuck()
    bench.sync.run()
    assert sorted(bench.messages()) == [("one", S.QUEUED), ("two", S.QUEUED)]
    bench.finish("one", S.SUBMITTING, S.SENT)
    bench.finish("two", S.SUBMITTING, S.SENT)
    bench.served.faults.append(fault)
    with contextlib.suppress(OdooUnavailableError):  # of what only stumbles, the halves are told
        bench.sync.run()
    bench.sync.run()
    assert {end[:2] for end in bench.ends().values()} == {("sent", "sent")}


def test_lost_answers(bench):
    """Of /pending, of an announcement, of results."""
    bench.online()
    bench.queue((ANNA, "one"))
    bench.served.faults.append("lost_answer")
    with pytest.raises(OdooUnavailableError):
        bench.sync.run()
    bench.sync.run()
    assert bench.messages() == []
    bench.later(minutes=31)
    bench.module.reset_stuck()
    bench.served.faults.extend(["none", "none", "lost_answer"])  # heartbeat, pending
    with pytest.raises(OdooUnavailableError):
        bench.sync.run()
    bench.sync.run()
    assert bench.messages() == [("one", S.QUEUED)]
    bench.finish("one", S.SUBMITTING, S.SENT)
    bench.served.faults.append("lost_answer")
    with pytest.raises(OdooUnavailableError):
        bench.sync.run()
    bench.sync.run()
    assert bench.ends()["one"] == ("sent", "sent", ["sending", "sending", "sent", "sent"])


def test_a_result_that_the_module_stumbles_over_does_not_keep_the_others(bench):
    bench.online()
    rows = bench.queue(*[(ANNA, f"text {n}") for n in range(7)])
    bench.sync.run()
    for n in range(7):
        bench.finish(f"text {n}", S.SUBMITTING, S.SENT)
    usual = bench.module._update

    def stumble(sms_id, status):
        if sms_id == rows[3].id:
            raise TypeError("not now")
        usual(sms_id, status)

    bench.module._update = stumble
    bench.sync.run()
    assert [body for body, end in bench.ends().items() if end[0] != "sent"] == ["text 3"]
    bench.module._update = usual
    bench.sync.run()
    assert {end[0] for end in bench.ends().values()} == {"sent"}


def test_a_message_that_is_deleted_or_moved_before_it_is_announced(bench):
    other = bench.module.add_phone("Phone B", "+420700000009")
    bench.online()
    rows = bench.queue((ANNA, "moved"), (EVA, "stays"))
    usual = bench.module._pending

    def pending_then_move(phone, said):
        answer = usual(phone, said)
        bench.module.queue[rows[0].id].phone_id = other.id
        return answer

    bench.module._pending = pending_then_move
    bench.sync.run()
    assert bench.messages() == [("stays", S.QUEUED)]


def test_asked_at_the_start_what_odoo_knows(bench, caplog):
    bench.online()
    rows = bench.queue((ANNA, "deleted"), (EVA, "ended"), (PETR, "stays"), (ANNA, "sent"), (EVA, "failed"))
    bench.sync.run()
    bench.finish("sent", S.SUBMITTING, S.SENT)
    bench.finish("failed", S.SUBMITTING, S.FAILED)
    del bench.odoo.sms[rows[0].id]
    rows[1].state = "sent"  # by somebody else
    rows[3].state = rows[4].state = "error"  # by a confirmation whose answer was lost
    for row in rows[1:2] + rows[3:]:
        bench.module.queue[row.id].gateway_state = "sent"
    with caplog.at_level(logging.WARNING):
        sync = bench.make_sync()
        sync.run()
    assert "2 queued SMS had ended in Odoo, or were deleted there" in caplog.text
    assert dict(bench.messages()) == {
        "deleted": S.CANCELLED,
        "ended": S.CANCELLED,
        "stays": S.QUEUED,
        "sent": S.SENT,
        "failed": S.FAILED,
    }
    assert rows[1].state == "sent"
    assert rows[3].state == "sent"
    assert bench.module.queue[rows[4].id].told == ["sending"]
    assert bench.served.calls.count("reconcile") == 1


@pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
def test_no_more_are_taken_than_can_be_held(bench, monkeypatch):
    monkeypatch.setattr(gateway_take, "MOST_HELD", 120)
    bench.phone.daily_limit = 0
    bench.online()
    bench.queue(*[(ANNA, f"{n}") for n in range(125)])
    bench.sync.run()
    assert len(bench.messages()) == 120
    bench.store.write(
        lambda session: session.execute(update(MessageRecord).where(MessageRecord.id <= 3).values(state=S.SENT))
    )
    bench.sync.run()
    assert len(bench.messages()) == 123


@pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
def test_odoo_away_for_six_hours(bench):
    bench.online()
    bench.queue((ANNA, "before"), (EVA, "during"), (PETR, "never"))
    bench.sync.run()
    bench.finish("before", S.SUBMITTING, S.SENT)
    bench.served.stop()
    for n in range(36):
        bench.later(minutes=10)
        if n == 5:
            bench.finish("during", S.SUBMITTING, S.SENT)
            bench.finish("never", S.EXPIRED)
        with pytest.raises(OdooUnavailableError):
            bench.sync.run()
    bench.module.reset_stuck()
    bench.served.start()
    bench.sync.run()
    bench.sync.run()
    assert {body: end[:2] for body, end in bench.ends().items()} == {
        "before": ("sent", "sent"),
        "during": ("sent", "sent"),
        "never": ("error", "error"),
    }
    assert len(bench.messages()) == 3
    assert bench.phone.state == "online"


def test_a_round_makes_way(bench, monkeypatch):
    """However slow Odoo is, each round gets on by a step."""
    monkeypatch.setattr(gateway_sync, "_ROUND_S", 0.0)
    bench.online()
    bench.queue(*[(ANNA, f"text {n}") for n in range(4)])
    for n in range(4):
        bench.sync.run()
        assert len(bench.messages()) == n + 1
    for n in range(4):
        bench.finish(f"text {n}", S.SUBMITTING, S.SENT)
    bench.sync.run()
    assert {end[0] for end in bench.ends().values()} == {"sent"}


@pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
def test_phones_stay_online_while_others_are_served(bench):
    """However many there are: the module takes a phone for offline after five minutes."""
    phones = [bench.phone, *(bench.module.add_phone(f"Phone {n}", f"+42070000010{n}") for n in range(5))]
    bench.pair(*phones)
    bench.sync.run()
    usual, silences = bench.module._pending, []

    def slowly(phone, said):
        bench.later(seconds=100)
        silences.extend(bench.now - each.last_heartbeat for each in phones)
        return usual(phone, said)

    bench.module._pending = slowly
    bench.sync.run()
    bench.sync.run()
    assert len(silences) == 12 * 6
    assert max(silences) < timedelta(minutes=5)


@pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
def test_what_is_due_is_found_by_an_index(bench):
    """However much a phone has sent since it was paired."""
    bench.online()
    plans = {}

    def look(connection, _cursor, statement, parameters, _context, _is_many):
        if "FROM odoo_sms" in statement:
            rows = connection.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans[statement] = "\n".join(row[3] for row in rows)

    event.listen(bench.store._engine, "before_cursor_execute", look)
    bench.later(seconds=61)
    bench.sync.run()
    event.remove(bench.store._engine, "before_cursor_execute", look)
    assert len(plans) >= 4
    for statement, plan in plans.items():
        assert "reported=?" in plan or "message_id=?" in plan, f"{statement}\n{plan}"


def test_heartbeats_say_what_the_phones_are_like(bench):
    sim_id = bench.add_sim("one")
    views = [("one", 1, 80, -70, 0), ("two", 2, 40, -101, 0), ("blind", 3, None, None, 0)]
    bench.views = [
        PhoneView(
            serial,
            enrolled=Enrolled(phone_id, None, None, ()),
            health=PhoneHealth(battery, None, None, (SimHealth(slot, True, signal),), ()),
        )
        for serial, phone_id, battery, signal, slot in views
    ]
    bench.sync.run()
    assert (bench.phone.battery_level, bench.phone.signal_strength, bench.phone.state) == (40, -101, "online")
    bench.pair(bench.phone, sim=sim_id)
    bench.sync.run()
    assert bench.served.calls.count("heartbeat") == 1
    bench.later(seconds=61)
    bench.sync.run()
    assert (bench.phone.battery_level, bench.phone.signal_strength) == (80, -70)
    with bench.store.reading() as session:
        (record,) = session.scalars(select(ModulePhoneRecord))
    assert (record.name, record.heartbeat_at) == ("Phone A", bench.now)


def test_where_messages_leave(bench):
    """By the SIM or phone of the pairing; else by the number that the module names; else anywhere."""
    other = bench.module.add_phone("Phone B", "+420700000009")
    third = bench.module.add_phone("Phone C", "+420700000008")
    sims = [bench.add_sim("one", "+420700000001"), bench.add_sim("two"), bench.add_sim("three")]
    lines = []
    for phone, extras in ((bench.phone, {}), (other, {"sim": sims[1]}), (third, {"phone": "three"})):
        bench.pair(phone, **extras)
        lines.append(bench.pairings.read_text())
    bench.pairings.write_text("\n".join(lines))
    bench.online()
    bench.queue((ANNA, "any"))
    bench.queue((ANNA, "named"), sim_number="+420 700 000 001")
    bench.queue((ANNA, "not ours"), sim_number="+420700000002")
    bench.queue((ANNA, "sim"), phone=other)
    bench.queue((ANNA, "phone"), phone=third)
    bench.sync.run()
    with bench.store.reading() as session:
        query = select(MessageRecord.text, MessageRecord.only_sim_id, MessageRecord.only_phone_id)
        found = {text: (sim_id, phone_id) for text, sim_id, phone_id in session.execute(query)}
        phone_id = session.get(SimRecord, sims[2]).phone_id
        through = session.scalars(select(ModulePhoneRecord.module_id).join(OdooSmsRecord)).all()
    assert found == {
        "any": (None, None),
        "named": (sims[0], None),
        "not ours": (None, None),
        "sim": (sims[1], None),
        "phone": (None, phone_id),
    }
    assert sorted(through) == [1, 1, 1, 2, 3]


def test_a_phone_that_cannot_be_served_does_not_keep_the_others(bench, caplog):
    other = bench.module.add_phone("Phone B", "+420700000009")
    bench.pair(other, bench.phone)
    with bench.pairings.open("a") as out:
        out.write('{"type": "sms_gateway", "api_key": "k", "sim": 77}\n')
    bench.sync.run()
    bench.queue((ANNA, "one"))
    other.api_key = "changed"
    for _ in range(3):
        bench.sync.run()
    assert bench.messages() == [("one", S.QUEUED)]
    assert caplog.text.count("SIM 77, which is not in the rack") == 1
    assert caplog.text.count("pair it again") == 1


def test_a_phone_that_is_served_again_is_told(bench, caplog):
    caplog.set_level(logging.INFO)
    other = bench.module.add_phone("Phone B", "+420700000009")
    bench.pair(bench.phone, other)
    old, other.api_key = other.api_key, "another"
    bench.sync.run()
    assert caplog.text.count("one of its phones is not served, others are: the module does not know") == 1
    other.api_key = old
    bench.sync.run()
    assert caplog.text.count("served again") == 1


@pytest.mark.parametrize("phones", [1, 2])
def test_keys_that_are_not_known_any_more_are_one_line(bench, caplog, phones):
    caplog.set_level(logging.INFO)
    paired = [bench.phone, bench.module.add_phone("Phone B", "+420700000009")][:phones]
    bench.pair(*paired)
    rounds = OdooSync("shop", [Step("messages", bench.sync.run)], bench.store, lambda: bench.now, lambda: Pause(0, 0))
    keys = [phone.api_key for phone in paired]
    for phone in paired:
        phone.api_key = f"another {phone.id}"
    for _ in range(3):
        with pytest.raises(OdooRejectedError, match="pair it again"):
            rounds.run()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "pair it again" in caplog.text
    assert not any(key in caplog.text for key in keys)
    for phone, key in zip(paired, keys, strict=True):
        phone.api_key = key
    rounds.run()
    assert caplog.records[-1].message == "Odoo shop: messages go on"


def test_a_module_that_stumbles_over_every_phone_is_one_line(bench, caplog):
    caplog.set_level(logging.INFO)
    bench.pair(bench.phone, bench.module.add_phone("Phone B", "+420700000009"))
    rounds = OdooSync("shop", [Step("messages", bench.sync.run)], bench.store, lambda: bench.now, lambda: Pause(0, 0))
    rounds.run()
    for _ in range(3):
        bench.served.faults[:] = ["serialization"] * 9
        bench.later(minutes=2)
        with pytest.raises(ModuleStumbledError):
            rounds.run()
    bench.served.faults.clear()
    rounds.run()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_what_the_module_says_of_its_troubles_is_never_shown(bench, caplog):
    def fail(phone, said):
        raise TypeError(f"INSERT INTO sms_sms VALUES ('{ANNA}', 'secret words')")

    bench.online()
    bench.module._pending = fail
    with caplog.at_level(logging.DEBUG), pytest.raises(ModuleStumbledError) as error:
        bench.sync.run()
    for text in (str(error.value), caplog.text):
        assert ANNA not in text
        assert "secret" not in text
        assert bench.phone.api_key not in text


def test_no_pairing(bench):
    bench.pairings.write_text("\n")
    with pytest.raises(OdooRejectedError, match="smsrack odoo pair shop"):
        bench.sync.run()
    bench.pairings.unlink()
    with pytest.raises(OdooRejectedError, match="smsrack odoo pair shop"):
        bench.sync.run()
    bench.pair(bench.phone, phone="elsewhere")
    with pytest.raises(OdooRejectedError, match="not a phone of the rack"):
        bench.sync.run()
