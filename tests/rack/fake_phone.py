"""A phone driver in memory, for the controller's tests: at the driver seam, with faults by name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

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
    SimHealth,
    SubmitReceipt,
    Verdict,
)
from device_drivers.errors import (
    LinkError,
    NotSubmittedError,
    PhoneAnswerError,
    SubmitOutcomeUnknownError,
    SubmitRejectedError,
)
from device_drivers.stop import Stop
from host_controller.fleet.joining import SIMULATED_MANUFACTURER


@dataclass(frozen=True)
class OnAir:
    subscription_id: int
    msisdn: str
    text: str
    parts: int


@dataclass
class FakePhone(PhoneDriver):
    """Sends at once and writes its row at once, unless `faults` holds one of the words below.

    refused: certainly not handed over; cut: the link broke before the phone began, and nobody knows;
    rejected: exception of the framework; lost: sent, but no answer;
    silent: no row and nothing on air; no_row: on air without a row; withdrawn: row appears once, then is gone.
    """

    serial_name: str = "fake-1"
    sims: tuple[Sim, ...] = (Sim(0, 41, "8942001", "Op A"), Sim(1, 52, "8942002", "Op B"))
    guard: SendGuard = field(default_factory=lambda: SendGuard(1000, 60.0))
    faults: list[str] = field(default_factory=list)
    air: list[OnAir] = field(default_factory=list)
    sent_rows: list[SentRow] = field(default_factory=list)
    inbox_rows: list[InboxRow] = field(default_factory=list)
    reads: int = 0
    clock_offset_ms: int = 0
    link_down: bool = False
    in_service: bool = True
    can_read_sms: bool = True
    has_radio_log: bool = False
    guard_dialog: bool = False
    hardware_serial: str = ""
    build_fingerprint: str = "fake/fingerprint"
    boot_id: str = "00000000-0000-0000-0000-000000000001"
    options: EnrolOptions | None = None
    begun: dict[int, tuple[int | None, int | None]] = field(default_factory=dict)
    radio_sent: dict[int, int] = field(default_factory=dict)
    before_submit: threading.Event | None = None
    before_open: Callable[[str], None] | None = None
    after_open: Callable[[str], None] | None = None
    """Called with the number of each message that was claimed, before the phone is reached, and as it is."""
    before_answer: Callable[[MessageQuery], None] | None = None
    denied: bool = False
    deaf: bool = False
    """Its log cannot be listened to, or no longer."""
    listens: int = 0
    """How often somebody has begun to."""
    ears: list[Callable[[], None]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _withdrawing: list[SentRow] = field(default_factory=list)

    @property
    def serial(self) -> str:
        return self.serial_name

    def enrol(self, options: EnrolOptions) -> Enrolment:
        self._check_link()
        self.options = options
        hardware_serial = self.hardware_serial or f"hw-{self.serial}"
        identity = PhoneIdentity(
            self.serial, hardware_serial, SIMULATED_MANUFACTURER, "Fake", "14", 34, self.build_fingerprint
        )
        can = Capabilities("shell_v2", 5, 8, "Android 11 to 16", self.can_read_sms, True, self.has_radio_log)
        read = Verdict.PASS if self.can_read_sms else Verdict.WARN if options.send_only else Verdict.FAIL
        checks = (
            Check("shell", Verdict.PASS, "fine"),
            Check("read_sms", read, "reading SMS", "try SERIAL --send-only"),
        )
        return Enrolment(identity, self.sims, self.guard, self.boot_id, can, checks)

    def read_clock_ms(self) -> int:
        self._check_link()
        return int(time.time() * 1000) + self.clock_offset_ms

    def read_newest_row_id(self) -> int:
        self._check_link()
        return max((row.row_id for row in (*self.inbox_rows, *self.sent_rows)), default=0)

    def read_health(self) -> PhoneHealth:
        self._check_link()
        radio = tuple(SimHealth(sim.slot_index, self.in_service, -80) for sim in self.sims)
        return PhoneHealth(90, 25.0, True, radio, self.sims, guard_dialog=self.guard_dialog)

    def read_report(self) -> dict[str, str]:
        self._check_link()
        return {"battery": "level: 90"}

    def set_guard(self, guard: SendGuard | None) -> None:
        self._check_link()
        self.guard = guard or SendGuard(30, 60.0)

    def revoke(self, attempt_id: int) -> JournalAnswer:
        self._check_link()
        with self.lock:
            if attempt_id in self.begun:
                clock_ms, subscription_id = self.begun[attempt_id]
                word = JournalWord.BEGUN if clock_ms else JournalWord.REVOKED
                return JournalAnswer(word, self.boot_id, None, clock_ms, subscription_id)
            self.begun[attempt_id] = None, None
            return JournalAnswer(JournalWord.REVOKED, self.boot_id)

    def read_journal(self) -> frozenset[int] | None:
        self._check_link()
        return frozenset(self.begun)

    def forget(self, attempt_ids: Collection[int]) -> None:
        self._check_link()
        with self.lock:
            for attempt_id in attempt_ids:
                del self.begun[attempt_id]

    def read_radio_answers(self, attempt_id: int) -> RadioAnswers | None:
        self._check_link()
        return RadioAnswers(self.radio_sent.get(attempt_id, 0), 0)

    def submit(
        self, attempt_id: int, sim: Sim, msisdn: str, parts: Sequence[str], last_look=nullcontext
    ) -> SubmitReceipt:
        if self.before_submit is not None:
            self.before_submit.wait(10)
        with self.lock:
            clock_ms = self.read_clock_ms() if not self.link_down else 0
            fault = self.faults.pop(0) if self.faults else ""
            if fault == "refused" or self.link_down:
                raise NotSubmittedError(self.serial, "the link was down")
            if fault == "cut":
                raise SubmitOutcomeUnknownError(self.serial, "no answer")
            if self.before_open is not None:
                self.before_open(msisdn)
            with last_look():
                if self.after_open is not None:
                    self.after_open(msisdn)
            if attempt_id in self.begun:
                raise SubmitOutcomeUnknownError(self.serial, "begun before")
            self.begun[attempt_id] = clock_ms, sim.subscription_id
            if fault == "rejected":
                raise SubmitRejectedError(self.serial, "SecurityException: no")
            text = "".join(parts)
            row = SentRow(self._next_id(), clock_ms, sim.subscription_id, msisdn, text)
            if fault != "silent":
                self.radio_sent[attempt_id] = len(parts)
                self.air.append(OnAir(sim.subscription_id, msisdn, text, len(parts)))
            if fault == "withdrawn":
                self._withdrawing.append(row)
            elif fault not in ("silent", "no_row"):
                self.sent_rows.append(row)
            if fault == "lost":
                raise SubmitOutcomeUnknownError(self.serial, "no answer")
            return SubmitReceipt(clock_ms)

    def read_messages(self, query: MessageQuery) -> MessageRows:
        self._check_link()
        with self.lock:
            self.reads += 1
            if self.denied:
                raise PhoneAnswerError(self.serial, "its messages can no longer be read")
            since_ms = query.sent_since_ms
            shown = [*self.sent_rows, *self._withdrawing]
            self._withdrawing.clear()
            sent = [] if since_ms is None else [row for row in shown if row.date_ms >= since_ms]
            after, page = query.inbox_after_row_id, query.inbox_page_after_row_id
            inbox = [
                row
                for row in sorted(self.inbox_rows, key=lambda row: row.row_id)
                if (row.date_ms >= query.inbox_since_ms or (after is not None and row.row_id > after))
                and (page is None or row.row_id > page)
            ]
            if self.before_answer is not None:
                self.before_answer(query)
            page_rows = tuple(inbox[: query.inbox_limit])
            return MessageRows(self.read_clock_ms(), tuple(sent), page_rows, len(inbox) >= query.inbox_limit)

    def write_row(self, msisdn: str, text: str, *, subscription_id: int | None = None) -> None:
        """The phone writes a row late, by default for a message of its first SIM."""
        with self.lock:
            sub_id = subscription_id or self.sims[0].subscription_id
            self.sent_rows.append(SentRow(self._next_id(), self.read_clock_ms(), sub_id, msisdn, text))

    def receive(
        self,
        sender: str,
        body: str,
        *,
        row_id: int | None = None,
        date_ms: int | None = None,
        sent_at_ms: int | None = None,
    ) -> None:
        with self.lock:
            now_ms = self.read_clock_ms()
            row = InboxRow(
                row_id or self._next_id(),
                date_ms or now_ms,
                sent_at_ms or now_ms,
                self.sims[0].subscription_id,
                sender,
                body,
            )
            self.inbox_rows.append(row)
            ears = list(self.ears)
        for hear in ears:
            hear()

    def listen(self, on_message: Callable[[], None], stop: Stop) -> None:
        self.listens += 1
        self.ears.append(on_message)
        try:
            while not stop.wait(0.005):
                self._check_link()
                if self.deaf:
                    raise LinkError(self.serial, "its log has ended")
        finally:
            if on_message in self.ears:
                self.ears.remove(on_message)

    def _next_id(self) -> int:
        return 1 + max((row.row_id for row in (*self.sent_rows, *self.inbox_rows)), default=0)

    def _check_link(self) -> None:
        if self.link_down:
            raise LinkError(self.serial, "the link was down")
