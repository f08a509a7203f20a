"""A phone that tells of what comes in is read at once; one that does not, or no longer, by the rounds as ever.

No round is asked for here unless a test says so: what is read without one was heard.
"""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select

from host_controller.store.models import InboundRecord

SENDER = "+420777123456"


@pytest.fixture
def stored(rack):
    def count() -> int:
        with rack.store.reading() as session:
            return session.scalar(select(func.count()).select_from(InboundRecord))

    return count


@pytest.fixture
def idle(rack, fake_phone, eventually):
    """Give a function that brings a phone, and waits until it has been read and has nothing to do."""

    def bring(**options):
        phone = fake_phone(**{"has_radio_log": True, **options})
        rack.plug_in(phone)
        eventually(lambda: phone.reads and rack.rack.phones()[0].health)
        if phone.has_radio_log and not phone.deaf:
            eventually(lambda: phone.ears)
        return phone

    return bring


def ears() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ear ")]


def test_an_idle_phone_is_read_when_a_message_comes_in(idle, stored, eventually):
    phone = idle()
    phone.receive(SENDER, "Ahoj")
    eventually(lambda: stored() == 1)


def test_a_row_that_is_written_long_after_the_log_told_of_it_is_read(idle, stored, eventually):
    phone = idle()

    def just_missed(_query):
        phone.before_answer = None
        phone.ears.clear()  # what comes now is not heard
        phone.receive(SENDER, "Ahoj")

    phone.before_answer = just_missed
    phone.ears[0]()
    eventually(lambda: stored() == 1)


def test_a_phone_without_a_radio_log_is_read_by_rounds(rack, idle, stored, eventually):
    phone = idle(has_radio_log=False)
    reads = phone.reads
    phone.receive(SENDER, "Ahoj")
    rack.bells.ring()
    eventually(lambda: not rack.lanes[0].is_rung)
    assert (phone.listens, phone.reads, ears()) == (0, reads, [])
    rack.lanes[0].ask_to_read()
    eventually(lambda: stored() == 1)


def test_a_send_only_phone_is_not_listened_to(rack, fake_phone, eventually):
    phone = fake_phone(can_read_sms=False, has_radio_log=True)
    rack.plug_in(phone)
    rack.care.enrol(phone.serial, send_only=True)
    eventually(lambda: rack.rack.phones()[0].health)
    assert (phone.listens, ears()) == (0, [])


def test_a_log_that_cannot_be_listened_to_is_tried_again_and_the_rounds_go_on(rack, idle, stored, eventually, caplog):
    phone = idle(deaf=True)
    eventually(lambda: phone.listens >= 3)
    phone.receive(SENDER, "read by a round")
    rack.lanes[0].ask_to_read()
    eventually(lambda: stored() == 1)
    phone.deaf = False
    eventually(lambda: phone.ears)
    phone.receive(SENDER, "heard")
    eventually(lambda: stored() == 2)
    phone.deaf = True
    eventually(lambda: not phone.ears)
    phone.deaf = False
    eventually(lambda: phone.ears)
    assert rack.rack.phones()[0].last_error is None
    assert [record for record in caplog.records if record.levelname != "INFO"] == []


def test_the_ear_goes_with_the_phone_and_comes_with_it(rack, idle, stored, eventually):
    phone = idle()
    phone.link_down = True
    rack.look()
    eventually(lambda: not ears())
    phone.link_down = False
    rack.look()
    eventually(lambda: phone.ears)
    assert len(ears()) == 1
    phone.receive(SENDER, "Ahoj")
    eventually(lambda: stored() == 1)


def test_the_ear_ends_with_the_lane(rack, idle):
    idle()
    rack.lanes[0].stop()
    rack.lanes[0].join(5)
    assert ears() == []
