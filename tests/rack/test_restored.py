"""After a restore, the phones' journals tell what was sent since the backup: nothing goes out twice."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from host_controller.rules.states import MessageState
from host_controller.store.backup import write_backup
from host_controller.store.models import MessageRecord, PhoneRecord
from host_controller.store.restore import restore_backup

DRAFTS = [(f"+42077712{n:04d}", f"Zpráva {n}") for n in range(12)]


@pytest.fixture
def restored(make_rack, fake_phone, tmp_path):
    """A rack that has sent everything, and then its database of before."""
    phones = [fake_phone(f"fake-{n}") for n in range(2)]
    first = make_rack()
    first.plug_in(*phones)
    first.wait_until(lambda: all(p.view().status == "ready" for p in (first.rack.find(x.serial) for x in phones)))
    for phone in phones:
        phone.link_down = True
    first.submit(*DRAFTS)
    write_backup(tmp_path / "smsrack.db", tmp_path / "backup.db", now=datetime.now(UTC))
    for phone in phones:
        phone.link_down = False
    first.wait_sent()
    first.stop()
    restore_backup(tmp_path / "smsrack.db", tmp_path / "backup.db", now=datetime.now(UTC))
    return make_rack(), phones


def on_air(phones):
    return Counter((sent.msisdn, sent.text) for phone in phones for sent in phone.air)


def waiting(rack):
    with rack.store.reading() as session:
        return len(session.scalars(select(MessageRecord.id).where(MessageRecord.restored)).all())


def test_what_was_sent_since_the_backup_is_found_again_and_not_sent(restored):
    rack, phones = restored
    assert rack.states() == [MessageState.QUEUED] * len(DRAFTS)
    rack.plug_in(*phones)
    rack.wait_sent()
    assert on_air(phones) == Counter(DRAFTS)
    assert waiting(rack) == 0


def test_nothing_goes_before_the_last_phone_was_asked(restored):
    rack, phones = restored
    rack.plug_in(phones[0])
    sent_by_first = len(phones[0].air)
    rack.wait_until(lambda: rack.states().count(MessageState.SENT) == sent_by_first)
    (new,) = rack.submit(("+420777999999", "Nová"))  # what is new does not wait
    rack.wait_until(lambda: rack.message(new).state == MessageState.SENT)
    assert rack.states().count(MessageState.QUEUED) == len(DRAFTS) - sent_by_first
    rack.plug_in(phones[1])
    rack.wait_sent()
    assert on_air(phones) == Counter([*DRAFTS, ("+420777999999", "Nová")])


def test_a_message_that_no_phone_knows_goes_out(restored, fake_phone):
    rack, phones = restored
    forgotten = phones[0].air.pop()
    for phone in phones:  # as if this one had never been begun anywhere
        phone.begun = {id_: entry for id_, entry in phone.begun.items() if id_ != begun_id(rack, forgotten)}
    rack.plug_in(*phones)
    rack.wait_sent()
    assert on_air(phones) == Counter(DRAFTS)


def begun_id(rack, sent):
    from host_controller.messaging.attempts import wire_id

    with rack.store.reading() as session:
        return wire_id(session.scalar(select(MessageRecord.uid).where(MessageRecord.msisdn == sent.msisdn)), 1)


def test_a_phone_without_a_journal_keeps_them_waiting_until_a_person_lets_them_go(restored, monkeypatch):
    rack, phones = restored
    for phone in phones:
        monkeypatch.setattr(phone, "read_journal", lambda: None)
    rack.plug_in(*phones)
    rack.wait_until(lambda: all(rack.rack.find(phone.serial).view().status == "ready" for phone in phones))
    rack.tick()
    assert rack.states() == [MessageState.QUEUED] * len(DRAFTS)
    with rack.store.reading() as session:
        assert set(session.scalars(select(PhoneRecord.journal_checked))) == {False}
