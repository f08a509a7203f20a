"""Reading an inbox to its end: page by page, over reused row ids and clocks that jump, with nothing passed over."""

from __future__ import annotations

import itertools
import tracemalloc

import pytest
from sqlalchemy import select

from device_drivers.base import INBOX_PAGE, MessageQuery
from device_drivers.errors import LinkError, PhoneAnswerError
from host_controller.store.models import InboundRecord, OptOutRecord, PhoneRecord

ANNA, PETR, EVA = "+420777123456", "+420603111222", "+420605333444"
DAY_MS = 86_400_000


@pytest.fixture
def reader(make_rack, fake_phone):
    """A phone whose inbox is read when the test says so; its lane does not run."""
    return Reader(make_rack(), fake_phone(in_service=False))


class Reader:
    def __init__(self, rack, phone):
        self.rack, self.phone = rack, phone
        rack.plug_in(phone)
        rack.wait_until(lambda: rack.rack.phones()[0].enrolled and phone.reads)
        for lane in rack.lanes:
            lane.stop()
            lane.join(10)
        self.phone_id = rack.rack.phones()[0].enrolled.phone_id

    def read(self):
        since_ms, after = self.rack.inbox.position(self.phone_id)
        rows = self.phone.read_messages(MessageQuery(None, since_ms, after))
        return self.rack.inbox.receive(self.phone_id, rows, self.phone.read_messages)

    def rescan(self, days=30):
        return self.rack.inbox.rescan(self.phone_id, self.phone, days)

    def texts(self):
        with self.rack.store.reading() as session:
            return list(session.scalars(select(InboundRecord.text).order_by(InboundRecord.id)))

    def opted_out(self):
        with self.rack.store.reading() as session:
            return set(session.scalars(select(OptOutRecord.msisdn)))


def test_an_inbox_of_several_pages_is_read_to_its_end_and_once(reader):
    count = 2 * INBOX_PAGE + 500
    reader.phone.receive(ANNA, "STOP")
    for n in range(count):
        reader.phone.receive(PETR, f"{n}")
    reader.phone.receive(EVA, "STOP")
    assert reader.read().new == count + 2
    assert reader.opted_out() == {ANNA, EVA}
    assert reader.read().new == 0
    assert len(reader.texts()) == count + 2


@pytest.mark.parametrize("rows", [INBOX_PAGE - 1, INBOX_PAGE, INBOX_PAGE + 1, 2 * INBOX_PAGE])
def test_the_border_of_a_page_loses_and_doubles_nothing(reader, rows):
    for n in range(rows):
        reader.phone.receive(PETR, f"{n}")
    assert reader.read().new == rows
    assert len(set(reader.texts())) == rows


def test_what_comes_between_two_pages_is_found(reader):
    for n in range(INBOX_PAGE + 1):
        reader.phone.receive(PETR, f"{n}")
    asked = itertools.count()
    reader.phone.before_answer = lambda query: reader.phone.receive(ANNA, "STOP") if next(asked) == 1 else None
    reader.read()
    reader.phone.before_answer = None
    reader.read()
    assert reader.opted_out() == {ANNA}
    assert len(reader.texts()) == INBOX_PAGE + 2


def test_a_link_that_breaks_between_two_pages_loses_nothing(reader):
    for n in range(2 * INBOX_PAGE):
        reader.phone.receive(PETR, f"{n}")
    reader.phone.receive(ANNA, "STOP")
    asked = itertools.count()

    def break_at_the_third(query):
        if next(asked) == 2:
            raise LinkError("F", "the link broke")

    reader.phone.before_answer = break_at_the_third
    with pytest.raises(LinkError):
        reader.read()
    reader.phone.before_answer = None
    reader.read()
    assert reader.opted_out() == {ANNA}
    assert len(reader.texts()) == 2 * INBOX_PAGE + 1


def test_the_memory_of_a_long_reading_is_that_of_a_page(reader):
    for n in range(12 * INBOX_PAGE):
        reader.phone.receive(PETR, f"{n} " + "x" * 150)
    one_page = MessageQuery(None, 0, None)
    tracemalloc.start()
    rows = reader.phone.read_messages(one_page)
    reader.rack.inbox.receive(reader.phone_id, rows, reader.phone.read_messages)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(reader.texts()) == 12 * INBOX_PAGE
    assert peak < 40_000_000  # a page with its records takes about 10 MB, all of them more than 100


@pytest.mark.parametrize("clock", [0, -3 * 365 * DAY_MS, 3 * 365 * DAY_MS], ids=["same", "back", "ahead"])
@pytest.mark.parametrize("deleted", [1, 3, "all"])
def test_a_stop_that_uses_the_row_id_of_a_deleted_message_is_found(reader, deleted, clock):
    for n in range(5):
        reader.phone.receive(PETR, f"{n}")
    reader.read()
    rows = reader.phone.inbox_rows
    del rows[len(rows) - (len(rows) if deleted == "all" else deleted) :]
    reader.phone.clock_offset_ms += clock
    reader.phone.receive(ANNA, "STOP")
    reader.read()
    assert reader.opted_out() == {ANNA}
    assert reader.texts()[5:] == ["STOP"]


@pytest.mark.parametrize("before", [0, 3], ids=["an empty inbox", "messages in it"])
def test_a_stop_is_found_though_the_clock_went_back_before_the_first_message_came(make_rack, fake_phone, before):
    phone = fake_phone(in_service=False)
    for n in range(before):
        phone.receive(PETR, f"private {n}", date_ms=phone.read_clock_ms() - DAY_MS)
    reader = Reader(make_rack(), phone)
    phone.clock_offset_ms -= 6 * DAY_MS
    phone.receive(ANNA, "STOP")
    reader.read()
    assert reader.opted_out() == {ANNA}
    assert reader.texts() == ["STOP"]


@pytest.mark.parametrize("was_ahead_ms", [DAY_MS, 3 * 365 * DAY_MS], ids=["a day", "years"])
def test_a_clock_that_was_ahead_at_the_enrolment_hides_nothing(make_rack, fake_phone, was_ahead_ms):
    phone = fake_phone(in_service=False, clock_offset_ms=was_ahead_ms)
    long_ago_ms = phone.read_clock_ms() - was_ahead_ms - 30 * DAY_MS
    phone.receive(EVA, "STOP", date_ms=long_ago_ms, sent_at_ms=long_ago_ms)  # from before its enrolment
    reader = Reader(make_rack(), phone)
    phone.clock_offset_ms = 0
    asked = []
    phone.before_answer = asked.append
    assert reader.read().new == 0
    reader.read()
    assert len(asked) == 2  # it is not read from its beginning at each reading
    phone.receive(ANNA, "STOP")
    reader.read()
    assert reader.opted_out() == {ANNA}


def test_a_clock_that_was_ahead_at_the_enrolment_hides_nothing_that_came_before_it_was_noticed(make_rack, fake_phone):
    phone = fake_phone(in_service=False, clock_offset_ms=3 * 365 * DAY_MS)
    reader = Reader(make_rack(), phone)
    phone.clock_offset_ms = 0
    phone.receive(ANNA, "STOP")
    reader.read()
    assert reader.opted_out() == {ANNA}


def test_two_equal_messages_are_two_and_one_that_is_read_again_is_one(reader):
    for row_id in (7, 8):
        reader.phone.receive(PETR, "Ano", row_id=row_id, date_ms=reader.phone.read_clock_ms())
    for _ in range(3):
        reader.read()
    assert reader.texts() == ["Ano", "Ano"]


def test_a_rescan_finds_what_was_missed_obeys_it_and_doubles_nothing(reader):
    reader.phone.receive(PETR, "Ano")
    reader.read()
    reader.phone.receive(ANNA, "STOP", row_id=1000, date_ms=reader.phone.read_clock_ms())
    reader.phone.receive(EVA, "STOP", row_id=1001, date_ms=reader.phone.read_clock_ms() - 40 * DAY_MS)

    def step_over(session):
        phone = session.get_one(PhoneRecord, reader.phone_id)
        phone.inbox_row_id, phone.inbox_seen_id, phone.inbox_date_ms = 2000, 0, reader.phone.read_clock_ms() + DAY_MS

    reader.rack.store.write(step_over)
    first, again = reader.rescan(), reader.rescan()
    assert (first.read, first.new) == (2, 1)
    assert (again.read, again.new) == (2, 0)
    assert reader.opted_out() == {ANNA}
    assert reader.rescan(60).new == 1
    assert reader.opted_out() == {ANNA, EVA}


def test_an_inbox_that_may_not_be_read_is_not_an_empty_one(reader):
    reader.phone.receive(PETR, "Ano")
    reader.read()
    reader.phone.denied = True
    with pytest.raises(PhoneAnswerError, match="no longer be read"):
        reader.read()
    reader.phone.denied = False
    reader.phone.receive(ANNA, "STOP")
    reader.read()
    assert reader.opted_out() == {ANNA}


def test_a_phone_with_another_inbox_and_another_clock_is_believed_by_the_centres_time(reader):
    """As after a reset of the phone: all known rows are gone, lower ids stand there, and its clock is days back."""
    for n in range(30):
        reader.phone.receive(PETR, f"{n}", row_id=500 + n)
    reader.read()
    reader.phone.inbox_rows.clear()
    sent_at_ms = reader.phone.read_clock_ms()
    reader.phone.clock_offset_ms -= 10 * DAY_MS
    reader.phone.receive(ANNA, "STOP", row_id=3, sent_at_ms=sent_at_ms)
    reader.phone.receive(EVA, "STOP", row_id=4, sent_at_ms=sent_at_ms - 11 * DAY_MS)  # from before its enrolment
    reader.read()
    assert reader.opted_out() == {ANNA}


def test_what_was_there_before_the_enrolment_stays_there_however_often_it_is_read(reader):
    """As after a reset of the phone that brought only old messages back."""
    for n in range(30):
        reader.phone.receive(PETR, f"{n}", row_id=500 + n)
    reader.read()
    reader.phone.inbox_rows.clear()
    before_ms = reader.phone.read_clock_ms() - 10 * DAY_MS
    reader.phone.receive(EVA, "STOP", row_id=4, date_ms=before_ms, sent_at_ms=before_ms)
    for _ in range(3):
        reader.read()
    reader.phone.receive(ANNA, "STOP")
    for _ in range(2):
        reader.read()
    assert reader.opted_out() == {ANNA}
