"""Windows and times to live on a whole controller."""

from __future__ import annotations

from datetime import timedelta

import pytest

from host_controller.messaging.expiry import Expiry
from host_controller.messaging.submit import Accepted, Draft, submit
from host_controller.rules.states import MessageState
from host_controller.wiring import utc_now

ANNA, PETR = "+420777123456", "+420603111222"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, fresh_database):
    return fresh_database(request.param)


def send(rack, *drafts):
    outcomes = submit(rack.store, rack.settings.messages, drafts, now=utc_now(), actor="test")
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    rack.bells.ring()
    return [outcome.message_id for outcome in outcomes]


def test_nothing_goes_before_its_window_and_all_of_it_then(rack, fake_phone):
    rack.plug_in(fake_phone())
    begins = utc_now() + timedelta(seconds=1)
    later, _ = send(rack, Draft(ANNA, "Později", batch="xmas", not_before=begins), Draft(PETR, "Hned"))
    assert rack.wait_settled() == [MessageState.SENT] * 2
    assert rack.event_times(later)[1] >= begins


def test_what_found_no_phone_in_time_expires_and_stays_so(rack, fake_phone):
    ids = send(rack, Draft(ANNA, "Kód 1", ttl_s=0.3), Draft(ANNA, "Balík", ttl_s=3600))
    job = Expiry(rack.store, utc_now)
    rack.wait_until(lambda: job.run() == 1)
    phone = fake_phone()
    rack.plug_in(phone)
    assert rack.wait_settled() == [MessageState.EXPIRED, MessageState.SENT]
    assert [sent.text for sent in phone.air] == ["Balík"]
    assert rack.events(ids[0]) == ["queued", "expired"]
