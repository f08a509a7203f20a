"""After an outage a real rack holds what is stale, on its own, and sends the rest; a person's word lets it go."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from host_controller.messaging.holds import HoldKind, Scope
from host_controller.messaging.stale import cancel_stale, release_stale
from host_controller.rules.states import MessageState
from host_controller.rules.waiting import WaitReason
from host_controller.store.models import MessageRecord, RackRecord
from host_controller.wiring import utc_now

HOUR = timedelta(hours=1)
OLD = [(f"+42077712{n:04d}", f"Zpráva {n}") for n in range(6)]
NEW = ("+420603111222", "Nová")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, fresh_database):
    return fresh_database(request.param)


def age(rack, *, able_h: float, queued_h: float) -> None:
    """As if the rack had sent for the last time, and the messages had been queued, so many hours ago."""

    def work(session):
        session.execute(update(RackRecord).values(able_at=utc_now() - able_h * HOUR))
        session.execute(update(MessageRecord).values(changed_at=utc_now() - queued_h * HOUR, expires_at=None))

    rack.store.write(work)


@pytest.fixture
def after(make_rack, fake_phone):
    """Give a rack as it starts after having been away, with messages in its queue, and its phone."""

    def begin(*, able_h: float, queued_h: float, **settings):
        phone = fake_phone("fake-1")
        first = make_rack(**settings)
        first.plug_in(phone)
        first.wait_until(lambda: has_sign(first))
        phone.link_down = True
        first.wait_until(lambda: first.rack.find("fake-1").view().status == "offline")
        first.submit(*OLD)
        age(first, able_h=able_h, queued_h=queued_h)
        first.stop()
        phone.link_down = False
        rack = make_rack(**settings)
        rack.plug_in(phone)
        return rack, phone

    return begin


def has_sign(rack) -> bool:
    with rack.store.reading() as session:
        return session.get(RackRecord, 1) is not None


def waits_for(rack) -> list[str | None]:
    return [rack.message(id_).waiting_for for id_ in range(1, len(OLD) + 1)]


def test_what_is_stale_waits_for_a_person_and_what_is_new_does_not(after):
    rack, phone = after(able_h=60, queued_h=50)
    (new,) = rack.submit(NEW)
    rack.wait_until(lambda: rack.message(new).state == MessageState.SENT)
    assert waits_for(rack) == [WaitReason.STALE] * len(OLD)
    assert [sent.msisdn for sent in phone.air] == [NEW[0]]
    assert release_stale(rack.store, None, now=utc_now(), actor="cli anna", reason="go") == len(OLD)
    rack.bells.ring()
    rack.wait_sent()
    assert len(phone.air) == len(OLD) + 1


def test_what_is_cancelled_never_goes(after):
    rack, phone = after(able_h=60, queued_h=50)
    rack.wait_until(lambda: WaitReason.STALE in waits_for(rack))
    assert cancel_stale(rack.store, None, now=utc_now(), actor="cli anna", reason="too late") == len(OLD)
    rack.bells.ring()
    assert rack.wait_settled() == [MessageState.CANCELLED] * len(OLD)
    assert phone.air == []


@pytest.mark.parametrize(
    ("able_h", "queued_h"),
    [
        (0.01, 500),  # a restart of a rack with a long queue
        (23, 500),  # a long one
        (60, 23),  # a long outage, but they came in towards its end
    ],
)
def test_everything_goes(after, able_h, queued_h):
    rack, phone = after(able_h=able_h, queued_h=queued_h, ramp_up={"minutes": 0})
    rack.wait_sent()
    assert len(phone.air) == len(OLD)


def test_a_rack_that_was_stopped_for_days(make_rack, fake_phone):
    rack, phone = make_rack(), fake_phone("fake-1")
    rack.plug_in(phone)
    rack.wait_until(lambda: has_sign(rack))
    rack.control.hold(Scope.RACK, None, HoldKind.STOPPED, "wrong list", "anna")
    rack.submit(*OLD)
    age(rack, able_h=60, queued_h=50)
    rack.dispatcher.pulse._able_at = utc_now() - 60 * HOUR
    rack.control.release(Scope.RACK, None, "anna")
    rack.wait_until(lambda: waits_for(rack) == [WaitReason.STALE] * len(OLD))
    assert phone.air == []
    # It begins when the last of them is held.
    rack.wait_until(lambda: rack.dispatcher.ramp().is_on(utc_now()))


def test_a_phone_without_a_network_is_no_sign_of_life(make_rack, fake_phone):
    rack, phone = make_rack(), fake_phone("fake-1", in_service=False)
    rack.plug_in(phone)
    rack.wait_until(lambda: rack.rack.phones()[0].waiting_for == WaitReason.NO_SERVICE)
    rack.submit(*OLD)
    rack.run_for_late_rounds(1)
    assert not has_sign(rack)
    phone.in_service = True
    rack.lanes[0].ask_for_health()
    rack.wait_until(lambda: has_sign(rack))
