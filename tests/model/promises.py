"""The promises about delivery, each checked against what the phones have put on the air."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from host_controller.rules.limits import most_unconfirmed
from host_controller.rules.states import OPEN_ATTEMPTS, TRANSITIONS, AttemptState, MessageState
from host_controller.store.models import (
    AttemptRecord,
    InboundRecord,
    MessageEvent,
    MessageRecord,
    OptOutRecord,
    PhoneRecord,
    SimRecord,
)
from tests.model.bench import PARTS_PER_DAY, SETTINGS
from tests.model.model_phone import ModelPhone, OnAir

MOST_UNCONFIRMED = most_unconfirmed(2 * 6000)
_PROVEN = (AttemptState.SENT, AttemptState.RADIO)
_MAY_HAVE_LEFT = (MessageState.SENT, MessageState.UNKNOWN, MessageState.SUBMITTING)


class Known:
    """What must be true of the database whatever happens to the daemon, as the world outside knows it."""

    def __init__(self) -> None:
        self.acknowledged: set[int] = set()
        """Uids of messages whose acceptance was answered."""
        self.stored: set[int] = set()
        """Uids of all messages that were ever seen in the database."""
        self.may_gain: bool = False
        """A submit was cut off: it may have been committed."""
        self.opted_out: set[str] = set()
        """Numbers on the list before the last step."""
        self.last_attempt_id = 0
        self.last_event_id = 0
        self.states: dict[int, str] = {}
        """Message id to the state that its last event says."""
        self.only_accepted: set[int] = set()
        """Ids of messages of which nothing has become yet."""
        self.before_restore: set[int] = set()
        """Uids that were on the air when an older copy took the database's place."""


class Promises:
    """One look at everything; a promise that is broken raises AssertionError with its number."""

    def __init__(self, session: Session, phones: Iterable[ModelPhone], known: Known) -> None:
        self.known = known
        self.phones = list(phones)
        self.air: list[OnAir] = [entry for phone in self.phones for entry in phone.air]
        self.air_uids = Counter(entry.order.intent.uid for entry in self.air)
        self.air_wires = {entry.order.wire_id: entry for entry in self.air}
        self.phone_names = dict(session.execute(select(PhoneRecord.id, PhoneRecord.hardware_serial)).all())
        message, attempt, event = MessageRecord, AttemptRecord, MessageEvent
        self.messages = session.execute(
            select(message.id, message.uid, message.msisdn, message.text, message.part_count, message.state)
        ).all()
        self.attempts = session.execute(
            select(
                attempt.id,
                attempt.message_id,
                attempt.wire_id,
                attempt.state,
                attempt.phone_id,
                SimRecord.subscription_id,
                attempt.sent_row_id,
                attempt.sent_row_date_ms,
            ).join(SimRecord, SimRecord.id == attempt.sim_id)
        ).all()
        self.events = session.execute(
            select(event.id, event.message_id, event.old_state, event.new_state)
            .where(event.id > known.last_event_id)
            .order_by(event.id)
        ).all()
        self.opted_out = set(session.scalars(select(OptOutRecord.msisdn).where(OptOutRecord.lifted_at.is_(None))))
        self.by_id = {found.id: found for found in self.messages}
        self.stored = {found.uid for found in self.messages}

    def check(self) -> None:
        """Check all that must hold at any moment."""
        for promise in self._at_any_moment():
            promise()
        known = self.known
        known.opted_out = self.opted_out
        known.last_attempt_id = max((found.id for found in self.attempts), default=0)
        known.may_gain = False

    def _at_any_moment(self) -> tuple[Callable[[], None], ...]:
        return (
            self.i1_never_twice_on_the_air,
            self.i2_what_was_accepted_is_stored,
            self.i3_what_is_sent_is_on_the_air,
            self.i4_what_failed_never_left,
            self.i5_what_left_is_not_taken_for_something_else,
            self.i8_states_change_along_the_table,
            self.i9_nothing_is_begun_after_an_opt_out,
            self.i10_no_sim_is_over_its_day,
            self.i11_few_wait_for_their_proof,
            self.i12_a_row_proves_one_attempt,
            self.i14_every_message_is_counted_once,
        )

    def i1_never_twice_on_the_air(self) -> None:
        """I1, I1': no message is on the air twice by us."""
        twice = [uid for uid, times in self.air_uids.items() if times > 1]
        assert not twice, f"I1: on the air more than once: {self._describe(twice)}"

    def i2_what_was_accepted_is_stored(self) -> None:
        """I2: what was accepted is in the database; after a restore, what the copy had."""
        assert self.known.acknowledged <= self.stored, "I2: a message that was accepted is gone"

    def i3_what_is_sent_is_on_the_air(self) -> None:
        """I3: sent means on the air, all parts of it.

        Equal messages of one SIM cannot be told apart by their rows, nor by who gets them: of each such group no more
        may count as sent than have left.
        """
        left = Counter(
            (phone.name, entry.order.subscription_id, entry.order.msisdn, entry.order.text)
            for phone in self.phones
            for entry in phone.air
            if entry.is_whole
        )
        proven = [found for found in self.attempts if found.state in _PROVEN]
        claimed = Counter(
            (self.phone_names[found.phone_id], found.subscription_id, message.msisdn, message.text)
            for found in proven
            for message in [self.by_id[found.message_id]]
        )
        too_many = {group: count for group, count in claimed.items() if count > left[group]}
        assert not too_many, f"I3: more messages count as sent than have left: {too_many} of {left}"
        for found in proven:
            by_radio = found.state == AttemptState.RADIO
            assert not by_radio or found.wire_id in self.air_wires, "I3: the radio's proof is of another message"
        with_proof = {found.message_id for found in proven}
        sent = {message.id for message in self.messages if message.state == MessageState.SENT}
        assert sent <= with_proof, f"I3: sent without any proof: {sent - with_proof}"

    def i4_what_failed_never_left(self) -> None:
        """I4: an attempt that is closed as not sent never leaves, nor does a message that failed."""
        not_sent = [found for found in self.attempts if found.state == AttemptState.NOT_SENT]
        left = [found.id for found in not_sent if found.wire_id in self.air_wires]
        assert not left, f"I4: attempts that count as not sent are on the air: {left}"
        failed = {message.uid for message in self.messages if message.state == MessageState.FAILED}
        assert not failed & self.air_uids.keys(), "I4: a message that failed is on the air"

    def i5_what_left_is_not_taken_for_something_else(self) -> None:
        """I5: what is on the air is sent, unknown, or still waits for its proof."""
        hidden = [
            message.uid
            for message in self.messages
            if message.state not in _MAY_HAVE_LEFT
            and message.uid in self.air_uids
            and message.uid not in self.known.before_restore
        ]
        assert not hidden, f"I5: on the air, and the database says otherwise: {self._describe(hidden)}"

    def i8_states_change_along_the_table(self) -> None:
        """I8: every event follows the table and begins where the last one ended; the last one is the message's."""
        states = self.known.states
        for event in self.events:
            assert states.get(event.message_id) == event.old_state, f"I8: the events do not chain: {event}"
            if event.old_state is None:
                assert event.new_state == MessageState.QUEUED, f"I8: a message begins as {event.new_state}"
            elif event.new_state != event.old_state:
                allowed = TRANSITIONS[MessageState(event.old_state)]
                assert event.new_state in allowed, f"I8: not in the table: {event}"
            states[event.message_id] = event.new_state
            (self.known.only_accepted.add if event.old_state is None else self.known.only_accepted.discard)(
                event.message_id
            )
            self.known.last_event_id = event.id
        assert states == {message.id: message.state for message in self.messages}, "I8: a state without its event"

    def i9_nothing_is_begun_after_an_opt_out(self) -> None:
        """I9: once an opt-out is stored, nothing is begun to that number; what is queued to it is cancelled."""
        for found in self.attempts:
            if found.id > self.known.last_attempt_id:
                number = self.by_id[found.message_id].msisdn
                assert number not in self.known.opted_out, "I9: begun after the opt-out was stored"
        waiting = {self.by_id[id_].msisdn for id_ in self.known.only_accepted}
        assert not waiting & self.opted_out, "I9: a message to a number that has opted out is still queued"

    def i10_no_sim_is_over_its_day(self) -> None:
        """I10: a SIM's parts of one day, by the host's clock when they were begun, keep within its limit."""
        parts: Counter[tuple] = Counter()
        for phone in self.phones:
            for entry in phone.air:
                day = _day(entry.order.intent.intent_at)
                parts[phone.name, entry.order.subscription_id, day] += entry.parts
        over = {key: count for key, count in parts.items() if count > PARTS_PER_DAY}
        # What a restored database does not know of cannot be counted.
        assert not over or self.known.before_restore, f"I10: over the limit of {PARTS_PER_DAY} parts: {over}"

    def i11_few_wait_for_their_proof(self) -> None:
        """I11: of each phone few attempts are open, and one of equal messages."""
        waiting = [found for found in self.attempts if found.state in OPEN_ATTEMPTS]
        per_phone = Counter(found.phone_id for found in waiting)
        can_read = {phone.name: phone.can_read_sms for phone in self.phones}
        for phone_id, count in per_phone.items():
            most = MOST_UNCONFIRMED if can_read[self.phone_names[phone_id]] else 1
            assert count <= most, f"I11: {count} attempts of a phone are open"
        equal = Counter(
            (found.phone_id, self.by_id[found.message_id].msisdn, self.by_id[found.message_id].text)
            for found in waiting
        )
        assert all(count == 1 for count in equal.values()), "I11: equal messages wait for their proof side by side"

    def i12_a_row_proves_one_attempt(self) -> None:
        """I12: a row of a phone proves one attempt, and is of that phone, that SIM, that number and that text."""
        claims = Counter(
            (found.phone_id, found.sent_row_id, found.sent_row_date_ms)
            for found in self.attempts
            if found.sent_row_id is not None
        )
        assert all(count == 1 for count in claims.values()), "I12: a row proves two attempts"
        rows = {
            (phone.name, row.row_id, row.date_ms, row.subscription_id, row.address, row.body)
            for phone in self.phones
            for row in phone.rows_ever
        }
        for found in self.attempts:
            if found.sent_row_id is not None:
                message = self.by_id[found.message_id]
                key = (self.phone_names[found.phone_id], found.sent_row_id, found.sent_row_date_ms)
                claim = (*key, found.subscription_id, message.msisdn, message.text)
                assert claim in rows, f"I12: no phone has ever shown the row of attempt {found.id}"

    def i14_every_message_is_counted_once(self) -> None:
        """I14: no message comes or goes but by being accepted, and each is in one state that there is."""
        assert len(self.messages) == len(self.stored), "I14: a uid is there twice"
        assert {message.state for message in self.messages} <= set(MessageState), "I14: an unknown state"
        assert self.stored >= self.known.stored, "I14: a message is gone"
        new = self.stored - self.known.stored
        assert not new or self.known.may_gain, "I14: a message from nowhere"
        self.known.stored = self.stored

    def i6_nothing_is_left_in_the_middle(self) -> None:
        """I6: when faults have ended and the horizon is past, every message has come to an end."""
        moving = (MessageState.QUEUED, MessageState.SUBMITTING)
        left = [message for message in self.messages if message.state in moving]
        assert not left, f"I6: still moving: {[(message.id, message.state) for message in left]}"
        waiting = [found.id for found in self.attempts if found.state in OPEN_ATTEMPTS]
        assert not waiting, f"I6: attempts that are still open: {waiting}"

    def i9_what_came_in_is_stored_once(self, session: Session) -> None:
        """I9: every message that a phone still has in its inbox is stored exactly once."""
        inbound = InboundRecord
        stored: Counter[tuple] = Counter(
            (self.phone_names[row.phone_id], row.row_id, row.row_date_ms, row.sender, row.text)
            for row in session.execute(
                select(inbound.phone_id, inbound.row_id, inbound.row_date_ms, inbound.sender, inbound.text)
            )
        )
        assert all(count == 1 for count in stored.values()), "I9: an inbound message is stored twice"
        for phone in self.phones:
            if phone.can_read_sms:
                for row in phone.inbox_rows.values():
                    key = (phone.name, row.row_id, row.date_ms, row.sender, row.body)
                    assert key in stored, f"I9: an inbound message was passed over: {key[:3]}"

    def _describe(self, uids: Iterable[int]) -> list[Row | int]:
        by_uid = {message.uid: message for message in self.messages}
        return [by_uid.get(uid, uid) for uid in uids]


def _day(at: datetime) -> str:
    return at.astimezone(SETTINGS.zone).date().isoformat()
