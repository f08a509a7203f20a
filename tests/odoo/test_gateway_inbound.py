"""What was received reaches Odoo's module once and as what it means; what the module cannot take is stepped over."""

from __future__ import annotations

import hashlib
import itertools
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from host_controller.store.models import InboundRecord, ModuleInboundRecord
from odoo_sync.disguise import JOINER, as_copy, disarm, has_stop, plain
from odoo_sync.ears import heard_by
from odoo_sync.errors import OdooUnavailableError
from odoo_sync.stand_in import Route
from tests.odoo.gateway_bench import GatewayBench

ANNA, PETR, EVA = "+420777123456", "+420603111222", "+420724200302"


@pytest.fixture(params=["sqlite", "postgresql"])
def bench(request, tmp_path, fresh_database):
    made = GatewayBench(tmp_path, fresh_database(request.param))
    made.sim_id = made.add_sim("one", "+420700000001")
    made.online()
    yield made
    made.close()


def receive(bench, sender, text, stop="none", *, may_forward=True, sim_id=None, phone_id=1) -> int:
    def work(session):
        record = InboundRecord(
            phone_id=phone_id,
            sim_id=sim_id or bench.sim_id,
            row_id=next(ROWS),
            row_date_ms=0,
            body_sha256=hashlib.sha256(text.encode()).hexdigest(),
            sender=sender,
            msisdn=sender if sender.startswith("+") else None,
            peer=sender,
            text=text,
            received_at=bench.now,
            stored_at=bench.now,
            stop=stop,
            may_forward=may_forward,
        )
        session.add(record)
        session.flush()
        return record.id

    return bench.store.write(work)


ROWS = itertools.count(1)


def decide(bench, inbound_id):
    change = update(InboundRecord).where(InboundRecord.id == inbound_id)
    bench.store.write(lambda session: session.execute(change.values(decision="stop", may_forward=True)))


def told(bench):
    return [(row.from_number, row.message, row.blacklisted) for row in bench.module.inbound]


def ledger(bench):
    with bench.store.reading() as session:
        return [
            (row.told, row.blacklisted)
            for row in session.scalars(select(ModuleInboundRecord).order_by(ModuleInboundRecord.id))
        ]


def test_each_is_told_once_as_what_it_means(bench):
    anna = bench.odoo.partners.add(name="Anna", phone=ANNA)
    receive(bench, ANNA, "Hello\nyou")
    receive(bench, PETR, "STOP", "certain")
    receive(bench, EVA, "Odhlásit", "certain")
    receive(bench, ANNA, "Please do not stop sending")
    receive(bench, ANNA, "nonstop?", "suspected")
    receive(bench, "VODAFONE", "Reply STOP to end")
    receive(bench, ANNA, "", "none")
    receive(bench, EVA, "private", may_forward=False)
    bench.sync.run()
    assert told(bench) == [
        (ANNA, "Hello\nyou", False),
        (PETR, "STOP", True),
        (EVA, "Odhlásit", True),
        (ANNA, f"Please do not sto{JOINER}p sending", False),
        (ANNA, f"nonsto{JOINER}p?", False),
        ("VODAFONE", f"Reply STO{JOINER}P to end", False),
        (ANNA, JOINER, False),
    ]
    assert bench.odoo.blacklist.active() == {PETR, EVA}
    assert bench.module.inbound[0].to_number == "+420700000001"
    assert len(bench.odoo.partners.chatter(anna)) == 4
    bench.served.calls.clear()
    bench.sync.run()
    assert bench.served.calls == ["pending"]


def test_the_same_words_again_are_another_message(bench):
    for _ in range(3):
        receive(bench, ANNA, "OK")
    receive(bench, PETR, "OK")
    receive(bench, EVA, "stop", "certain")
    receive(bench, EVA, "stop", "certain")
    bench.sync.run()
    receive(bench, ANNA, f"OK{JOINER}")
    bench.sync.run()
    assert [message for number, message, _ in told(bench) if number == ANNA] == [as_copy("OK", n) for n in range(4)]
    assert [row for row in told(bench) if row[0] != ANNA] == [
        (PETR, "OK", False),
        (EVA, "stop", True),
        (EVA, f"stop{JOINER}", True),
    ]


@pytest.mark.parametrize("minutes", [0, 60])
def test_a_lost_answer_is_looked_for_before_it_is_told_again(bench, minutes):
    receive(bench, ANNA, "OK")
    receive(bench, PETR, "Odhlásit", "certain")
    bench.served.faults.extend(["none", "lost_answer"])  # pending first
    with pytest.raises(OdooUnavailableError):
        bench.sync.run()
    bench.later(minutes=minutes)
    # The heartbeat, if it is due, and pending; the look for the first; then the second, and its blacklisting.
    bench.served.faults.extend(["none"] * (3 if minutes else 2) + ["lost_answer"])
    with pytest.raises(OdooUnavailableError):
        bench.sync.run()
    bench.served.faults.extend(["none"] * 3 + ["lost_answer"])
    with pytest.raises(OdooUnavailableError):
        bench.sync.run()
    bench.sync.run()
    assert told(bench) == [(ANNA, "OK", False), (PETR, "Odhlásit", True)]
    assert ledger(bench) == [("recorded", False), ("recorded", True)]


def test_what_a_person_calls_a_stop_later(bench):
    first = receive(bench, ANNA, "nonstop no more", "suspected")
    hidden = receive(bench, PETR, "stop it please now", "suspected", may_forward=False)
    receive(bench, EVA, "Hi")
    bench.sync.run()
    assert bench.odoo.blacklist.active() == set()
    decide(bench, first)
    decide(bench, hidden)
    bench.sync.run()
    assert bench.odoo.blacklist.active() == {ANNA, PETR}
    assert len(bench.module.inbound) == 3


def test_what_the_module_stumbles_over_is_stepped_over_and_given_up_at_last(bench, caplog):
    usual = bench.module._inbound

    def stumble(phone, said):
        if said["from_number"] == PETR:
            raise TypeError("not this one")
        return usual(phone, said)

    bench.module._inbound = stumble
    receive(bench, PETR, "poison")
    receive(bench, ANNA, "Hi")
    bench.sync.run()
    assert told(bench) == [(ANNA, "Hi", False)]
    calls = bench.served.calls.count("inbound")
    bench.sync.run()
    assert bench.served.calls.count("inbound") == calls
    for _ in range(12):
        bench.later(hours=12)
        bench.sync.run()
    assert ledger(bench) == [("skipped", False), ("recorded", False)]
    assert "told no more" in caplog.text
    assert bench.served.calls.count("inbound") == 10 + 1


def test_a_stop_that_the_module_cannot_take_as_one_is_told_as_plain_words(bench):
    receive(bench, "+42", "STOP", "certain")  # a number that Odoo knows nothing of
    bench.sync.run()
    assert told(bench) == [("+42", f"STO{JOINER}P", False)]


def test_what_came_in_before_we_met_is_not_told(tmp_path, fresh_database):
    bench = GatewayBench(tmp_path, fresh_database("sqlite"))
    bench.sim_id = bench.add_sim("one")
    receive(bench, ANNA, "old")
    bench.online()
    receive(bench, ANNA, "new")
    bench.sync.run()
    assert [message for _, message, _ in told(bench)] == ["new"]
    bench.close()


def test_another_phone_of_the_module_is_not_told_again(bench):
    other = bench.module.add_phone("Phone B", "+420700000009")
    bench.pair(bench.phone, other)
    bench.sync.run()
    receive(bench, ANNA, "Hi")
    bench.sync.run()
    bench.pair(other, bench.phone)
    bench.sync.run()
    assert [row.phone_id for row in bench.module.inbound] == [bench.phone.id]


ROUTES = [Route(), Route(1, 1, 0), Route(2, 1, 1), Route(3, 2, 0), Route(phone_id=1), Route(phone_id=2)]


def hearer(routes, sim_id, phone_id):
    """Say it in words: the first of these that there is."""
    for is_meant in (
        lambda route: sim_id is not None and route.sim_id == sim_id,
        lambda route: sim_id is not None and route.sim_id is None and route.phone_id == phone_id,
        lambda route: sim_id is None and route.phone_id == phone_id,
        lambda route: route.phone_id is None,
    ):
        for index, route in enumerate(routes):
            if is_meant(route):
                return index
    return None


def test_one_phone_hears_each_message_whatever_the_pairings_are(bench):
    sims = [bench.sim_id, *(bench.add_sim(f"phone {n}") for n in range(2))]
    came = [(sim, phone) for sim, phone in [(sims[0], 1), (None, 1), (sims[1], 1), (sims[2], 2), (None, 2), (None, 3)]]
    for n, (sim_id, phone_id) in enumerate(came):
        inbound_id = receive(bench, ANNA, f"{n}", phone_id=phone_id)
        change = update(InboundRecord).where(InboundRecord.id == inbound_id).values(sim_id=sim_id)
        bench.store.write(lambda session, change=change: session.execute(change))
    for count in (1, 2, 3):
        for routes in itertools.permutations(ROUTES, count):
            heard = {}
            with bench.store.reading() as session:
                for index in range(count):
                    for text in session.scalars(select(InboundRecord.text).where(heard_by(routes, index))):
                        assert text not in heard, (routes, text)
                        heard[text] = index
            expected = {f"{n}": hearer(routes, *where) for n, where in enumerate(came)}
            assert heard == {text: index for text, index in expected.items() if index is not None}, routes


@pytest.mark.parametrize("text", ["STOP", "nonstop", "ﬆop", "ſtop", "stopstop STOp", f"sto{JOINER}p"])
def test_a_disarmed_text(text):
    assert not has_stop(disarm(text))
    assert disarm(text).replace(JOINER, "") == text.replace(JOINER, "")
    assert disarm(disarm(text)) == disarm(text)


@given(st.text(st.sampled_from("sStTooOpPﬆſ x\u2060")))
def test_any_disarmed_text(text):
    assert not has_stop(disarm(text))
    assert disarm(text).replace(JOINER, "") == text.replace(JOINER, "")


def test_copies():
    assert [as_copy("OK", n) for n in range(3)] == ["OK", f"OK{JOINER}", f"OK{JOINER}{JOINER}"]
    assert as_copy("", 0) == JOINER
    assert plain(as_copy("OK", 5)) == "OK"


def test_a_day_later(bench):
    """Also what the module would not drop any more, by time, is another message here."""
    receive(bench, ANNA, "OK")
    bench.sync.run()
    bench.later(hours=24)
    assert bench.now > bench.module.inbound[0].received_at + timedelta(minutes=10)
    receive(bench, ANNA, "OK")
    bench.sync.run()
    assert [message for _, message, _ in told(bench)] == ["OK", f"OK{JOINER}"]
