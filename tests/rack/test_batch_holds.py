"""A batch that is paused waits, whatever goes out around it, and goes on at once when it is resumed."""

from __future__ import annotations

from host_controller.messaging.holds import HoldKind, Scope
from host_controller.rules.states import MessageState


def drafts(batch: str | None, first: int, count: int) -> list[tuple]:
    return [(f"+42077712{n:04d}", f"Zpráva {n}", None, None, None, batch) for n in range(first, first + count)]


def test_a_paused_batch_waits_and_the_rest_goes(make_rack, fake_phone, eventually):
    rack, phone = make_rack(), fake_phone()
    rack.plug_in(phone)
    rack.submit(*drafts("autumn", 0, 60))
    rack.wait_until(lambda: len(phone.air) >= 5)
    rack.control.hold(Scope.BATCH, "autumn", HoldKind.PAUSED, "the client calls back", "anna")
    left = len(phone.air)
    later = rack.submit(*drafts("winter", 100, 10), *drafts(None, 200, 10))
    rack.wait_until(lambda: all(rack.message(id_).state == MessageState.SENT for id_ in later))
    rack.wait_until(lambda: MessageState.SUBMITTING not in rack.states())
    assert len([sent for sent in phone.air if sent.msisdn < "+420777120100"]) <= left + 1
    assert MessageState.QUEUED in rack.states()
    rack.stop()

    again = make_rack()
    again.plug_in(phone)
    later = again.submit(*drafts("winter", 300, 5))
    again.wait_until(lambda: all(again.message(id_).state == MessageState.SENT for id_ in later))
    waiting = again.states().count(MessageState.QUEUED)
    assert waiting > 0
    air = len(phone.air)
    again.control.release(Scope.BATCH, "autumn", "anna")
    eventually(lambda: len(phone.air) > air, 2.0)
    again.wait_sent()
    assert len(phone.air) == 60 + 10 + 10 + 5
