"""`AndroidPhone`: the driver of a stock phone through an adb link. Android 5 to 16."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import BinaryIO

from device_drivers.adb.command import DeviceCommand, call, in_order, when_output_has_line
from device_drivers.adb.link import AdbLink, CommandResult, ShellKind
from device_drivers.android import (
    device_state,
    isms,
    journal,
    message_rows,
    messaging_app,
    parcel,
    radio_log,
    radio_state,
    report,
    subscriptions,
)
from device_drivers.android.enrolment import (
    BATTERY,
    BOOT_ID,
    GUARD_SETTINGS,
    ISUB,
    SIM_OPERATORS,
    Enroller,
    Known,
)
from device_drivers.android.framework import FRAMEWORK_JAR, MAX_JAR_BYTES, FrameworkCache
from device_drivers.android.journal import CLOCK, Entry
from device_drivers.android.radio_log import LogPosition
from device_drivers.base import (
    Enrolment,
    EnrolOptions,
    InboxRow,
    JournalAnswer,
    JournalWord,
    MessageQuery,
    MessageRows,
    PhoneDriver,
    PhoneHealth,
    RadioAnswers,
    SendGuard,
    SendWay,
    SentRow,
    Sim,
    SimHealth,
    SubmitReceipt,
)
from device_drivers.errors import (
    LinkError,
    NotSubmittedError,
    PhoneAnswerError,
    SubmitOutcomeUnknownError,
    SubmitRejectedError,
)
from device_drivers.last_look import LastLook
from device_drivers.stop import Stop

# `content` starts a VM (up to 1.5 s) and a first read may give thousands of rows; dumpsys may wait for its services.
_READ_LIMIT_S = 30.0
# The framework's call returns at once when healthy; after this long its outcome is unknown.
_SUBMIT_LIMIT_S = 20.0
_PULL_LIMIT_S = 180.0
_SIM_HAS_CHANGED = "sim-has-changed\n"
# What an entry of the journal says where certainly nothing was sent.
_NOT_BEGUN = {
    _SIM_HAS_CHANGED: "the SIM in its slot is not the enrolled one",
    journal.NO_JOURNAL: "it cannot keep its journal; free some space on it, or restart it",
    journal.REVOKED: "the attempt was revoked before it began",
}
_WORDS = {journal.NO_JOURNAL: JournalWord.SILENT, journal.REVOKED: JournalWord.REVOKED}
_NETWORK_OPERATORS = call("getprop", "gsm.operator.alpha")
_ROAMING = call("getprop", "gsm.operator.isroaming")
_AIRPLANE_MODE = call("settings", "get", "global", "airplane_mode_on")
_REGISTRY = call("dumpsys", "telephony.registry")
_WINDOWS = call("dumpsys", "window", "windows")


class AndroidPhone(PhoneDriver):
    """One phone; call it from one thread at a time, and `listen` from another."""

    def __init__(self, link: AdbLink, serial: str, frameworks: FrameworkCache | None = None) -> None:
        self._link = link
        self._serial = serial
        self._frameworks = frameworks
        self._shell = ShellKind.V2
        self._known: Known | None = None
        self._log_position: tuple[int, LogPosition] | None = None

    @property
    def serial(self) -> str:
        """See PhoneDriver."""
        return self._serial

    def enrol(self, options: EnrolOptions) -> Enrolment:
        """See PhoneDriver."""
        self._known = None
        self._shell = self._link.shell_kind(self._serial)
        enroller = Enroller(self._serial, self._shell, self._ask_in_order, self._pull_framework, self._frameworks)
        self._known = enroller.enrol(options)
        return self._known.enrolment

    def read_clock_ms(self) -> int:
        """See PhoneDriver."""
        return self._clock_ms(self._run(CLOCK, _READ_LIMIT_S).stdout)

    def read_newest_row_id(self) -> int:
        """See PhoneDriver."""
        answer = self._run(message_rows.newest_command(), _READ_LIMIT_S).stdout
        try:
            return message_rows.parse_newest(answer)
        except message_rows.RowGrammarError as error:
            raise PhoneAnswerError(self._serial, f"the message store's answer was refused: {error}") from error

    def read_health(self) -> PhoneHealth:
        """See PhoneDriver."""
        steps = [CLOCK, BOOT_ID, BATTERY, _REGISTRY, SIM_OPERATORS, _NETWORK_OPERATORS, _ROAMING, ISUB]
        answers = self._ask_in_order("health", [*steps, _AIRPLANE_MODE, _WINDOWS])
        clock, boot_id, battery_text, registry, operators, networks, roaming, isub, airplane, windows = answers
        battery = device_state.parse_battery(battery_text)
        return PhoneHealth(
            battery_percent=battery.percent,
            battery_temperature_c=battery.temperature_c,
            battery_health=battery.health,
            charging=battery.charging,
            sims=_sim_health(registry, networks, roaming),
            subscriptions=subscriptions.parse_sims(isub, operators),
            airplane_mode=device_state.parse_switch(airplane),
            guard_dialog=device_state.shows_guard_dialog(windows),
            boot_id=device_state.parse_boot_id(boot_id),
            clock_ms=device_state.parse_clock_ms(clock),
        )

    def read_report(self) -> dict[str, str]:
        """See PhoneDriver."""
        return report.mask(dict(zip(report.TOPICS, self._ask_in_order("report", report.COMMANDS), strict=True)))

    def set_guard(self, guard: SendGuard | None) -> None:
        """See PhoneDriver."""
        if guard is None:
            steps = [call("settings", "delete", "global", name) for name in GUARD_SETTINGS]
        else:
            values = (str(guard.max_parts), str(round(guard.interval_s * 1000)))
            steps = [call("settings", "put", "global", *pair) for pair in zip(GUARD_SETTINGS, values, strict=True)]
        steps += [call("settings", "get", "global", name) for name in GUARD_SETTINGS]
        found = device_state.parse_guard(*self._ask_in_order("set guard", steps)[-2:])
        if found != (guard or device_state.DEFAULT_GUARD):
            raise PhoneAnswerError(self._serial, "the phone did not take the settings of its send guard")

    def submit(
        self, attempt_id: int, sim: Sim, msisdn: str, parts: Sequence[str], last_look: LastLook = nullcontext
    ) -> SubmitReceipt:
        """See PhoneDriver."""
        known = self._known
        if known is None:
            raise NotSubmittedError(self._serial, "the phone has not been enrolled")
        anchor = known.anchors.get(sim.subscription_id)
        if anchor is None:
            raise NotSubmittedError(self._serial, f"the SIM in slot {sim.slot_index + 1} is not the enrolled one")
        if known.options.send_way is SendWay.APP:
            return self._submit_by_app(known, attempt_id, sim, msisdn, "".join(parts), last_look)
        if known.signatures is None:
            raise NotSubmittedError(self._serial, "its SMS service was not made sure of")
        send = isms.send_command(known.signatures, attempt_id, sim.subscription_id, msisdn, parts)
        guarded = when_output_has_line(ISUB, anchor, then=send, otherwise=call("echo", _SIM_HAS_CHANGED.strip()))
        noted = journal.noted(sim.subscription_id, guarded)
        step = journal.begin(attempt_id, noted) if known.has_journal else noted
        log, answer = self._hand_over("submit", step, last_look, witnessed=not known.can_read_sms)
        with _doubt(self._serial):
            entry = journal.parse_kept(answer) if known.has_journal else journal.parse_noted(answer)
            self._judge(entry)
        return self._receipt(attempt_id, entry, log)

    def _submit_by_app(
        self, known: Known, attempt_id: int, sim: Sim, msisdn: str, text: str, last_look: LastLook
    ) -> SubmitReceipt:
        """Write the message into the messaging app, look for it on the screen, tap once."""
        with _certainty(self._serial):
            isub, _ = self._ask_in_order("compose", [ISUB, messaging_app.compose_command(msisdn, text)])
            if subscriptions.default_sms_subscription(isub) != sim.subscription_id:
                raise NotSubmittedError(
                    self._serial, "its messaging app sends from the other SIM; make this one the default for SMS"
                )
            _, screen = self._ask_in_order("look", messaging_app.look_commands())
            point = messaging_app.find_button(screen, known.messaging_app or "", text)
        tap = journal.noted(sim.subscription_id, messaging_app.tap_command(point))
        begin = journal.begin(attempt_id, tap)
        log, answer = self._hand_over("tap", begin, last_look, witnessed=not known.can_read_sms)
        entry = journal.parse_kept(answer)
        with _doubt(self._serial):
            self._judge(entry, by_app=True)
        return self._receipt(attempt_id, entry, log)

    def _judge(self, entry: Entry, *, by_app: bool = False) -> None:
        """Return where the framework's call returned cleanly; raise what anything else means."""
        if entry.said in _NOT_BEGUN:
            raise NotSubmittedError(self._serial, _NOT_BEGUN[entry.said])
        if entry.said is None or (by_app and entry.said != messaging_app.TAPPED + "\n"):
            raise SubmitOutcomeUnknownError(self._serial, "it was begun, and its end is not known")
        if not by_app:
            reply = parcel.parse_reply(entry.said)
            if reply.exception is not None:
                raise SubmitRejectedError(self._serial, reply.exception)

    def _receipt(self, attempt_id: int, entry: Entry, log: str | None) -> SubmitReceipt:
        if entry.clock_ms is None:
            raise SubmitOutcomeUnknownError(self._serial, "the phone's clock cannot be read")
        self._log_position = (attempt_id, radio_log.position(log)) if log is not None else None
        return SubmitReceipt(entry.clock_ms)

    def revoke(self, attempt_id: int) -> JournalAnswer:
        """See PhoneDriver."""
        known = self._known
        if known is None or not (known.has_journal or known.options.send_way is SendWay.APP):
            return JournalAnswer(JournalWord.SILENT, None)
        boot_text, kept = self._ask_in_order("revoke", [BOOT_ID, journal.revoke(attempt_id)])
        entry, reason = journal.parse_kept(kept), None
        try:
            self._judge(entry, by_app=known.options.send_way is SendWay.APP)
            word = JournalWord.RETURNED
        except (NotSubmittedError, SubmitRejectedError) as error:
            word, reason = _WORDS.get(entry.said or "", JournalWord.REFUSED), error.reason
        except (SubmitOutcomeUnknownError, parcel.ParcelGrammarError):
            word = JournalWord.BEGUN
        boot_id = device_state.parse_boot_id(boot_text)
        return JournalAnswer(word, boot_id, reason, entry.clock_ms, entry.subscription_id)

    def read_journal(self) -> frozenset[int] | None:
        """See PhoneDriver."""
        if self._known is None or not self._known.has_journal:
            return None
        return journal.parse_list(self._run(journal.list_command(), _READ_LIMIT_S).stdout)

    def forget(self, attempt_ids: Collection[int]) -> None:
        """See PhoneDriver."""
        ids = sorted(attempt_ids)
        for start in range(0, len(ids), journal.MAX_FORGOTTEN):
            self._run(journal.forget_command(ids[start : start + journal.MAX_FORGOTTEN]), _READ_LIMIT_S)

    def read_radio_answers(self, attempt_id: int) -> RadioAnswers | None:
        """See PhoneDriver."""
        log = self._run(radio_log.log_command(), _READ_LIMIT_S).stdout
        by_id = radio_log.answers_to(log, attempt_id)
        if by_id is not None or self._log_position is None or self._log_position[0] != attempt_id:
            return by_id
        return radio_log.answers_since(log, self._log_position[1])

    def read_messages(self, query: MessageQuery) -> MessageRows:
        """See PhoneDriver."""
        known = self._known
        by_app = known is not None and known.options.send_way is SendWay.APP and known.messaging_app
        package = by_app or isms.CALLING_PACKAGE
        clock, sent, inbox = self._read_rows(message_rows.query_command(query, package))
        cut = len(sent) + len(inbox) >= query.inbox_limit
        if not sent and not inbox:
            self._make_sure_of_access()
        elif cut and not inbox:
            # The limit may have cut sent rows as well; each of them may be somebody's proof.
            inbox_only = replace(query, sent_since_ms=None)
            _, sent, _ = self._read_rows(message_rows.sent_command(query, package))
            clock, _, inbox = self._read_rows(message_rows.query_command(inbox_only, package))
            cut = len(inbox) >= query.inbox_limit
        return MessageRows(self._clock_ms(clock), sent, inbox, more_inbox=cut)

    def listen(self, on_message: Callable[[], None], stop: Stop) -> None:
        """See PhoneDriver."""
        command = radio_log.follow_command()
        new_messages = radio_log.NewMessages(command)

        def take(line: str) -> None:
            if new_messages.take(line):
                on_message()

        self._link.follow(self._serial, command, take, stop, self._shell)

    def _read_rows(self, command: DeviceCommand) -> tuple[str, tuple[SentRow, ...], tuple[InboxRow, ...]]:
        clock, rows = self._ask_in_order("read messages", [CLOCK, command])
        try:
            sent, inbox = message_rows.parse_rows(rows)
        except message_rows.RowGrammarError as error:
            raise PhoneAnswerError(self._serial, f"the message store's answer was refused: {error}") from error
        return clock, sent, inbox

    def _make_sure_of_access(self) -> None:
        """A shell that may no longer read SMS is told nothing else than that there are none."""
        if not message_rows.is_count(self._run(message_rows.count_command(), _READ_LIMIT_S).stdout):
            raise PhoneAnswerError(
                self._serial, "its messages can no longer be read: the shell's permission to read SMS was taken away"
            )

    def _hand_over(
        self, name: str, step: DeviceCommand, last_look: LastLook, *, witnessed: bool
    ) -> tuple[str | None, str]:
        """Run what may send; give the radio's log of before, if it is needed, and the answer.

        Says of every failure what it means for the message.
        """
        command = in_order(name, [radio_log.log_command(), step] if witnessed else [step])
        try:
            result = self._link.run(self._serial, command, _SUBMIT_LIMIT_S, self._shell, last_look)
            sections = command.split(result.stdout)
        except LinkError as error:
            kind = SubmitOutcomeUnknownError if error.reached_phone else NotSubmittedError
            raise kind(self._serial, error.reason) from error
        except PhoneAnswerError as error:
            raise SubmitOutcomeUnknownError(self._serial, error.reason) from error
        if sections is None:
            raise SubmitOutcomeUnknownError(self._serial, "the answer to a send is not complete")
        return (sections[0] if witnessed else None), sections[-1]

    def _ask_in_order(self, name: str, steps: Sequence[DeviceCommand]) -> list[str]:
        command = in_order(name, steps)
        sections = command.split(self._run(command, _READ_LIMIT_S).stdout)
        if sections is None:
            raise PhoneAnswerError(self._serial, f"the answer to {name!r} is not complete")
        return sections

    def _run(self, command: DeviceCommand, limit_s: float) -> CommandResult:
        return self._link.run(self._serial, command, limit_s, self._shell)

    def _pull_framework(self, target: BinaryIO) -> None:
        self._link.save(self._serial, call("cat", FRAMEWORK_JAR), target, MAX_JAR_BYTES, _PULL_LIMIT_S)

    def _clock_ms(self, output: str) -> int:
        clock_ms = device_state.parse_clock_ms(output)
        if clock_ms is None:
            raise PhoneAnswerError(self._serial, "the phone's clock cannot be read")
        return clock_ms


@contextmanager
def _doubt(serial: str) -> Iterator[None]:
    """The message is in the phone's hands: whatever cannot be read leaves its outcome unknown."""
    try:
        yield
    except (PhoneAnswerError, parcel.ParcelGrammarError) as error:
        raise SubmitOutcomeUnknownError(serial, "the answer to a send cannot be read") from error


@contextmanager
def _certainty(serial: str) -> Iterator[None]:
    """Nothing has been sent yet: whatever goes wrong, the message did not leave."""
    try:
        yield
    except (LinkError, PhoneAnswerError) as error:
        raise NotSubmittedError(serial, error.reason) from error
    except messaging_app.ScreenError as error:
        raise NotSubmittedError(serial, str(error)) from error


def _sim_health(registry: str, networks: str, roaming: str) -> tuple[SimHealth, ...]:
    names, roams = subscriptions.per_slot(networks), subscriptions.per_slot(roaming)

    def of_slot(values: Sequence[str | None], slot: int) -> str | None:
        return values[slot] if slot < len(values) else None

    return tuple(
        SimHealth(
            state.slot_index,
            state.in_service,
            state.signal_dbm,
            network=of_slot(names, state.slot_index),
            roaming={"true": True, "false": False}.get(of_slot(roams, state.slot_index) or ""),
        )
        for state in radio_state.parse_radio(registry)
    )
