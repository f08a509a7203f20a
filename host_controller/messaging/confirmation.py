"""The reading rounds of one phone: inbound messages in, proofs of sending out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy.orm import Session

from device_drivers.base import MessageQuery, MessageRows, PhoneDriver, SentRow
from device_drivers.failpoints import failpoint
from host_controller.messaging import attempts
from host_controller.messaging.attempts import Verdict
from host_controller.messaging.evidence import Judgement, Sightings, match_rows
from host_controller.messaging.hands import Hands
from host_controller.messaging.unproven import UnprovenAttempt
from host_controller.rules.states import Evidence
from host_controller.rules.timings import Timings
from host_controller.store.store import Store

_WITHDRAWN = "the phone recorded it as sent and then as failed; it may have left"


class Received(Protocol):
    """What was read of an inbox."""

    @property
    def new(self) -> int:
        """Messages that were not known."""
        ...

    @property
    def phone_clock_ms(self) -> int:
        """At the last page."""
        ...


class Receiver(Protocol):
    """Where inbound messages go."""

    def position(self, phone_id: int) -> tuple[int, int | None]:
        """Give (date in ms by the phone's clock, row id) to go on reading from."""
        ...

    def receive(self, phone_id: int, rows: MessageRows, read: Callable[[MessageQuery], MessageRows]) -> Received:
        """Store what is new of a first page, and of those after it."""
        ...


@dataclass(frozen=True)
class Round:
    """What one reading round gave."""

    phone_clock_ms: int
    new_inbound: int
    unproven: int
    """Open attempts that still lack their proof."""
    sighted: bool
    """A row of an open attempt was seen for the first time: a second look proves it."""
    late_sighted: bool
    """A row of an attempt that was given up was seen for the first time: a second look should come soon."""
    withdrawn: bool = False
    """A row was there and is gone, or says now that it failed."""


class Confirmation:
    """Reads one phone, from one thread."""

    def __init__(
        self,
        store: Store,
        hands: Hands,
        inbox: Receiver,
        timings: Timings,
        clock: Callable[[], datetime],
        actor: str,
        elapsed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`elapsed_s` is a clock that is never set."""
        self._elapsed_s = elapsed_s
        self._store = store
        self._hands = hands
        self._inbox = inbox
        self._ask_radio_after = timedelta(seconds=timings.ask_radio_after_s)
        self._clock = clock
        self._actor = actor
        self._sightings = Sightings(timings.second_read_s)

    def read(self, driver: PhoneDriver, phone_id: int, *, late: bool) -> Round:
        """Do one round; with `late` also look for rows of messages that were given up as unknown.

        Raises LinkError or PhoneAnswerError; then nothing has changed.
        """
        wanted = self._hands.to_confirm(late=late)
        since_ms, after_row_id = self._inbox.position(phone_id)
        sent_since_ms = min((attempt.phone_clock_ms for attempt in wanted), default=None)
        began_s = self._elapsed_s()
        rows = driver.read_messages(MessageQuery(sent_since_ms, since_ms, after_row_id))
        span_s = began_s, self._elapsed_s()
        # Inbound first: one of them may be a STOP.
        received = self._inbox.receive(phone_id, rows, driver.read_messages)
        judgement = self._judge(wanted, rows.sent, span_s)
        if judgement.confirmed or judgement.withdrawn:
            failpoint("proof.before")
            self._store.write(lambda session: self._settle(session, judgement))
            failpoint("proof.after")
            for attempt_id, row in judgement.confirmed.items():
                self._hands.note_proven(attempt_id, row)
            if judgement.withdrawn:
                self._hands.forget(judgement.withdrawn)
        settled = {*judgement.confirmed, *judgement.withdrawn}
        still_open = sum(attempt.is_open and attempt.attempt_id not in settled for attempt in wanted)
        sighted = any(attempt.is_open and attempt.attempt_id in judgement.sighted for attempt in wanted)
        late_sighted = any(not attempt.is_open and attempt.attempt_id in judgement.sighted for attempt in wanted)
        return Round(
            received.phone_clock_ms, received.new, still_open, sighted, late_sighted, bool(judgement.withdrawn)
        )

    def read_radio(self, driver: PhoneDriver) -> Round:
        """Do one round on a phone whose messages cannot be read: the radio's answers are the only witness.

        Only the last attempt can be open on such a phone. A part that the radio refused may be tried again by the
        phone's framework, so a refusal proves nothing. Raises LinkError or PhoneAnswerError.
        """
        clock_ms = driver.read_clock_ms()
        still_open = sum(not self._ask_radio(driver, attempt) for attempt in self._hands.open)
        return Round(clock_ms, 0, still_open, sighted=False, late_sighted=False)

    def ask_radio_for_rowless(self, driver: PhoneDriver) -> None:
        """Look in the radio's log for messages whose row is overdue. Raises as `read_radio`."""
        overdue = self._clock() - self._ask_radio_after
        for attempt in self._hands.open:
            if attempt.intent_at < overdue:
                self._ask_radio(driver, attempt)

    def _ask_radio(self, driver: PhoneDriver, attempt: UnprovenAttempt) -> bool:
        answers = driver.read_radio_answers(attempt.wire_id)
        if answers is None or answers.sent < attempt.part_count:
            return False
        failpoint("radio.before")
        self._store.write(
            lambda session: attempts.settle_sent_by_radio(
                session, attempt.attempt_id, now=self._clock(), actor=self._actor
            )
        )
        failpoint("radio.after")
        self._hands.forget()
        return True

    def _judge(
        self, wanted: Sequence[UnprovenAttempt], sent: Sequence[SentRow], span_s: tuple[float, float]
    ) -> Judgement:
        claimed = self._hands.claimed_since(min(row.date_ms for row in sent)) if sent else set()
        matches = match_rows(wanted, sent, claimed)
        return self._sightings.judge([attempt.attempt_id for attempt in wanted], matches, *span_s)

    def _settle(self, session: Session, judgement: Judgement) -> None:
        now = self._clock()
        if judgement.confirmed:
            attempts.settle_sent(session, judgement.confirmed, now=now, actor=self._actor)
        for attempt_id in judgement.withdrawn:
            if attempts.is_open(session, attempt_id):
                verdict = Verdict(now, self._actor, _WITHDRAWN, Evidence.WITHDRAWN)
                attempts.settle_unknown(session, attempt_id, verdict)
