"""A model of a phone at the driver seam: what it does is drawn, what it has put on the air is the ground truth.

It keeps the promises of a real one and no others: a directory can be made once, a start of the phone has an id of its
own, a row that was wrong is corrected within two seconds, nothing is in its hands for longer than a day.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from device_drivers.base import (
    Capabilities,
    Check,
    Enrolment,
    EnrolOptions,
    InboxRow,
    JournalAnswer,
    JournalWord,
    MessageQuery,
    MessageRows,
    PhoneDriver,
    PhoneHealth,
    PhoneIdentity,
    RadioAnswers,
    SendGuard,
    SentRow,
    Sim,
    SubmitReceipt,
    Verdict,
)
from device_drivers.errors import LinkError, NotSubmittedError, SubmitOutcomeUnknownError, SubmitRejectedError

_START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_START_MS = int(_START.timestamp() * 1000)
# How long each call takes.
_CALL_S = 0.2
_SLOW_CALL_S = 3.0
# Android corrects a row of a failed message within this.
_CORRECTED_AFTER_S = 1.5
# What was written before this is on the flash, whatever happens.
_FLUSHED_AFTER_S = 30.0
# Less than the day in which late rows are looked for, by more than the host's clock may be off.
_FORGOTTEN_AFTER_S = 75_000.0

LINKS = ("ok", "lost", "cut", "refused", "stuck", "killed_before", "killed_after")
"""ok; the answer is lost; the link breaks before the phone begins; it was down; the command waits in the phone; the
shell is killed after it began, before or after its call."""
ENDS = ("row", "silent", "late_row", "held", "no_row", "false_row", "failed_row", "partial", "refused", "no_space")
"""On air with a row; nothing at all; on air, the row later; neither yet; on air without a row; nothing, but a row for
a moment; on air, and a row for a moment; one part of several, and a row for a moment; exception; no journal."""
CALLS = ("ok", "broken", "lost", "slow")
"""ok; the link breaks before; after; the phone takes its time first."""


@dataclass(frozen=True)
class Fate:
    """What will become of a message that is handed over."""

    link: str = "ok"
    end: str = "row"


@dataclass(frozen=True)
class Intent:
    """What the database says about an attempt when the phone first hears of it."""

    uid: int
    intent_at: datetime


@dataclass(frozen=True)
class Order:
    """A message in the phone's hands."""

    wire_id: int
    intent: Intent
    subscription_id: int
    msisdn: str
    parts: tuple[str, ...]
    end: str

    @property
    def text(self) -> str:
        return "".join(self.parts)


@dataclass(frozen=True)
class OnAir:
    """What has left a SIM; `parts` of them, which may be fewer than all."""

    order: Order
    parts: int

    @property
    def is_whole(self) -> bool:
        return self.parts == len(self.order.parts)


@dataclass
class JournalEntry:
    made_s: float
    said: str | None = None
    clock_ms: int | None = None
    subscription_id: int | None = None


@dataclass
class Clock:
    """The host's clock, which may be set, beside one that only goes on."""

    now: datetime = _START
    elapsed_s: float = 0.0
    latest: datetime = _START

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, seconds: float) -> None:
        self.elapsed_s += seconds
        self._show(self.now + timedelta(seconds=seconds))

    def set_off_by(self, seconds: float) -> None:
        """Set it so much before or behind the true time."""
        shown = _START + timedelta(seconds=self.elapsed_s + seconds)
        self._show(shown)

    def _show(self, now: datetime) -> None:
        self.now, self.latest = now, max(now, self.latest)


@dataclass
class ModelPhone(PhoneDriver):
    """One phone; `at_call` is called at the start and at the end of each driver call, and may end the daemon."""

    name: str
    clock: Clock
    find_intent: Callable[[int], Intent | None]
    at_call: Callable[[], None]
    can_read_sms: bool = True
    has_radio_log: bool = True
    air: list[OnAir] = field(default_factory=list)
    sent_rows: dict[int, SentRow] = field(default_factory=dict)
    inbox_rows: dict[int, InboxRow] = field(default_factory=dict)
    inbox_page: int = 3
    """Rows that it gives at once, few, so that a short history has several pages."""
    rows_ever: set[SentRow] = field(default_factory=set)
    journal: dict[int, JournalEntry] = field(default_factory=dict)
    stuck: list[Order] = field(default_factory=list)
    held: list[tuple[float, Order]] = field(default_factory=list)
    rows_to_come: list[tuple[float, Order]] = field(default_factory=list)
    corrections: dict[int, float] = field(default_factory=dict)
    radio_log: dict[int, int] = field(default_factory=dict)
    starts: int = 1
    clock_offset_ms: int = 0
    plugged_in: bool = True
    fate: Fate = Fate()
    next_call: str = "ok"
    last_order: Order | None = None
    asked_for: str | None = None
    """The number of the message that is being handed over."""
    meanwhile: Callable[[], None] | None = None
    """Done once, while the phone is at work on a call."""
    _failed_ids: set[int] = field(default_factory=set)

    @property
    def serial(self) -> str:
        return self.name

    @property
    def boot_id(self) -> str:
        return f"{self.starts:08d}-0000-0000-0000-{self.name[-1] * 12}"

    @property
    def sims(self) -> tuple[Sim, ...]:
        return tuple(Sim(slot, 10 + slot, f"89420{self.name[-1]}{slot}", "Op") for slot in (0, 1))

    @property
    def clock_ms(self) -> int:
        return _START_MS + round(self.clock.elapsed_s * 1000) + self.clock_offset_ms

    # What the controller asks.

    def enrol(self, options: EnrolOptions) -> Enrolment:
        with_link = self._call()
        identity = PhoneIdentity(self.name, self.name, "Model", "Phone", "14", 34, "model/phone")
        can = Capabilities("shell_v2", 5, 8, "Android 11 to 16", self.can_read_sms, True, self.has_radio_log)
        check = Check("shell", Verdict.PASS, "fine")
        return with_link(Enrolment(identity, self.sims, SendGuard(1000, 60.0), self.boot_id, can, (check,)))

    def read_clock_ms(self) -> int:
        return self._call()(self.clock_ms)

    def read_newest_row_id(self) -> int:
        return self._call()(max((*self.inbox_rows, *self.sent_rows), default=0))

    def read_health(self) -> PhoneHealth:
        return self._call()(PhoneHealth(90, 25.0, True, (), self.sims))

    def read_report(self) -> dict[str, str]:
        return {}

    def set_guard(self, guard: SendGuard | None) -> None:
        raise NotImplementedError

    def submit(
        self, attempt_id: int, sim: Sim, msisdn: str, parts: Sequence[str], last_look=nullcontext
    ) -> SubmitReceipt:
        intent = self.find_intent(attempt_id)
        # I7: whoever looks into the database now finds the intent.
        assert intent is not None, "I7: the phone hears of an attempt that is not in the database"
        self.at_call()
        self.clock.go_on(_CALL_S)
        fate, self.fate = self.fate, Fate()
        order = Order(attempt_id, intent, sim.subscription_id, msisdn, tuple(parts), fate.end)
        self.asked_for = msisdn
        self.last_order = order
        self._do_meanwhile()
        self.asked_for = None
        if fate.link != "refused" and self.plugged_in:
            with last_look():
                pass
        if fate.link == "refused" or not self.plugged_in:
            raise NotSubmittedError(self.name, "the link was down")
        if fate.link in ("cut", "stuck"):
            if fate.link == "stuck":
                self.stuck.append(order)
            raise SubmitOutcomeUnknownError(self.name, "no answer")
        clock_ms = self.clock_ms
        said = self._begin(order, fate.link)
        self.clock.go_on(_CALL_S)
        self.at_call()
        if fate.link == "lost" or said is None:
            raise SubmitOutcomeUnknownError(self.name, "no answer")
        if said == "refused":
            raise SubmitRejectedError(self.name, "SecurityException: no")
        if said != "returned":
            raise NotSubmittedError(self.name, said)
        return SubmitReceipt(clock_ms)

    def revoke(self, attempt_id: int) -> JournalAnswer:
        with_link = self._call()
        entry = self.journal.setdefault(attempt_id, JournalEntry(self.clock.elapsed_s, "revoked"))
        word = {
            "revoked": JournalWord.REVOKED,
            "refused": JournalWord.REFUSED,
            "returned": JournalWord.RETURNED,
            None: JournalWord.BEGUN,
        }[entry.said]
        reason = "SecurityException: no" if entry.said == "refused" else None
        return with_link(JournalAnswer(word, self.boot_id, reason, entry.clock_ms, entry.subscription_id))

    def read_journal(self) -> frozenset[int] | None:
        return self._call()(frozenset(self.journal))

    def forget(self, attempt_ids: Collection[int]) -> None:
        raise NotImplementedError

    def read_radio_answers(self, attempt_id: int) -> RadioAnswers | None:
        with_link = self._call()
        return with_link(RadioAnswers(self.radio_log.get(attempt_id, 0), 0) if self.has_radio_log else None)

    def read_messages(self, query: MessageQuery) -> MessageRows:
        with_link = self._call()
        clock_ms = self.clock_ms
        self._correct_rows()
        since_ms, after, page = query.sent_since_ms, query.inbox_after_row_id, query.inbox_page_after_row_id
        sent = [row for _, row in sorted(self.sent_rows.items()) if since_ms is not None and row.date_ms >= since_ms]
        inbox = [
            row
            for row_id, row in sorted(self.inbox_rows.items())
            if (row.date_ms >= query.inbox_since_ms or (after is not None and row_id > after))
            and (page is None or row_id > page)
        ]
        rows = tuple(inbox[: self.inbox_page])
        return with_link(MessageRows(clock_ms, tuple(sent), rows, more_inbox=len(inbox) >= self.inbox_page))

    # What happens to it.

    def set_clock(self, offset_ms: int) -> None:
        self.clock_offset_ms = offset_ms

    def receive(self, sender: str, body: str) -> None:
        now_ms = self.clock_ms
        row = InboxRow(self._next_row_id(), now_ms, now_ms, self.sims[0].subscription_id, sender, body)
        self.inbox_rows[row.row_id] = row

    def delete_newest_row(self) -> None:
        """Its id is used again for the next one."""
        self._correct_rows()
        newest = self._next_row_id() - 1
        self.sent_rows.pop(newest, None)
        self.inbox_rows.pop(newest, None)
        self.corrections.pop(newest, None)

    def go_on_with_stuck(self) -> None:
        """The command that had waited runs now; nobody hears its answer."""
        if self.stuck:
            self._begin(self.stuck.pop(0), "ok")

    def go_on_with_held(self, *, send: bool) -> None:
        """Somebody taps on the dialog, or the radio finds its network."""
        self.forget_old()
        if self.held:
            _, order = self.held.pop(0)
            if send:
                self._put_on_air(order, len(order.parts))
                self._write_row(order)

    def write_late_row(self) -> None:
        self.forget_old()
        if self.rows_to_come:
            self._write_row(self.rows_to_come.pop(0)[1])

    def write_false_row(self) -> None:
        """The last message that it got has failed now: a row as if it were sent is there for a moment."""
        self._write_false_row(self.last_order)

    def forget_old(self) -> None:
        """Later than a day nothing comes any more: what would come then is a documented limit."""
        day_ago_s = self.clock.elapsed_s - _FORGOTTEN_AFTER_S
        self.held = [item for item in self.held if item[0] > day_ago_s]
        self.rows_to_come = [item for item in self.rows_to_come if item[0] > day_ago_s]

    def restart(self, lost_entries: int) -> None:
        """It starts anew; where its power failed, the last entries of the journal may be lost or cut off."""
        self._correct_rows()
        self.starts += 1
        self.stuck.clear()
        self.held.clear()
        self.rows_to_come.clear()
        self.radio_log.clear()
        fresh = [
            wire_id for wire_id, entry in self.journal.items() if entry.made_s > self.clock.elapsed_s - _FLUSHED_AFTER_S
        ]
        for wire_id in fresh[len(fresh) - lost_entries :] if lost_entries else []:
            del self.journal[wire_id]

    def recover(self) -> None:
        """No more faults from here on."""
        self.plugged_in = True
        self.fate, self.next_call, self.meanwhile = Fate(), "ok", None
        self.stuck.clear()

    # Inside.

    def _call(self) -> Callable:
        """Begin a call; give what its answer must pass through."""
        self.at_call()
        trouble, self.next_call = self.next_call, "ok"
        self.clock.go_on(_SLOW_CALL_S if trouble == "slow" else _CALL_S)
        if trouble == "broken" or not self.plugged_in:
            raise LinkError(self.name, "the link was down")
        self._do_meanwhile()

        def answer(value):
            self.clock.go_on(_CALL_S)
            self.at_call()
            if trouble == "lost":
                raise LinkError(self.name, "no answer")
            return value

        return answer

    def _do_meanwhile(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()

    def _begin(self, order: Order, link: str) -> str | None:
        """Do the order unless its attempt was begun before; give what the journal says, None where that is open."""
        entry = self.journal.get(order.wire_id)
        if entry is not None:
            return entry.said
        if order.end == "no_space":
            return "no journal"
        entry = self.journal[order.wire_id] = JournalEntry(
            self.clock.elapsed_s, clock_ms=self.clock_ms, subscription_id=order.subscription_id
        )
        if link == "killed_before":
            return None
        self._do(order)
        if link != "killed_after":
            entry.said = "refused" if order.end == "refused" else "returned"
        return entry.said

    def _do(self, order: Order) -> None:
        end, all_parts = order.end, len(order.parts)
        if end == "partial" and all_parts == 1:
            end = "failed_row"
        if end in ("row", "late_row", "no_row", "failed_row"):
            self._put_on_air(order, all_parts, noted=end != "failed_row")
        if end == "partial":
            self._put_on_air(order, all_parts - 1)
        if end == "row":
            self._write_row(order)
        if end in ("false_row", "failed_row", "partial"):
            self._write_false_row(order)
        if end == "late_row":
            self.rows_to_come.append((self.clock.elapsed_s, order))
        if end == "held":
            self.held.append((self.clock.elapsed_s, order))

    def _put_on_air(self, order: Order, parts: int, *, noted: bool = True) -> None:
        self.air.append(OnAir(order, parts))
        if noted:
            self.radio_log[order.wire_id] = self.radio_log.get(order.wire_id, 0) + parts

    def _write_row(self, order: Order) -> int:
        self._correct_rows()
        row = SentRow(self._next_row_id(), self.clock_ms, order.subscription_id, order.msisdn, order.text)
        self.sent_rows[row.row_id] = row
        self.rows_ever.add(row)
        return row.row_id

    def _write_false_row(self, order: Order) -> None:
        self.corrections[self._write_row(order)] = self.clock.elapsed_s + _CORRECTED_AFTER_S

    def _correct_rows(self) -> None:
        for row_id, at_s in list(self.corrections.items()):
            if self.clock.elapsed_s >= at_s:
                del self.corrections[row_id]
                # The row stays in the phone as a failed one, where nobody but the phone sees it; its id stays taken.
                row = self.sent_rows.pop(row_id)
                self.inbox_rows.pop(row_id, None)
                self._failed_ids.add(row.row_id)

    def _next_row_id(self) -> int:
        return 1 + max((*self.sent_rows, *self.inbox_rows, *self._failed_ids), default=0)
