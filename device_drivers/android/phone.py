"""`AndroidPhone`: the driver of a stock phone through an adb link. Android 5 to 16."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from device_drivers.adb.command import DeviceCommand, call, in_order, when_output_has_line
from device_drivers.adb.link import AdbLink, CommandResult, ShellKind
from device_drivers.android import (
    device_state,
    isms,
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
    CLOCK,
    GUARD_SETTINGS,
    ISUB,
    SIM_OPERATORS,
    Enroller,
    Known,
)
from device_drivers.android.framework import FRAMEWORK_JAR, MAX_JAR_BYTES, FrameworkCache
from device_drivers.android.radio_log import LogPosition
from device_drivers.base import (
    Enrolment,
    EnrolOptions,
    MessageQuery,
    MessageRows,
    PhoneDriver,
    PhoneHealth,
    RadioAnswers,
    SendGuard,
    SendWay,
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

# `content` starts a VM (up to 1.5 s) and a first read may give thousands of rows; dumpsys may wait for its services.
_READ_LIMIT_S = 30.0
# The framework's call returns at once when healthy; after this long its outcome is unknown.
_SUBMIT_LIMIT_S = 20.0
_PULL_LIMIT_S = 180.0
_SIM_HAS_CHANGED = "sim-has-changed"
_NETWORK_OPERATORS = call("getprop", "gsm.operator.alpha")
_ROAMING = call("getprop", "gsm.operator.isroaming")
_AIRPLANE_MODE = call("settings", "get", "global", "airplane_mode_on")
_REGISTRY = call("dumpsys", "telephony.registry")
_WINDOWS = call("dumpsys", "window", "windows")


class AndroidPhone(PhoneDriver):
    """One phone; call it from one thread at a time."""

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

    def submit(self, attempt_id: int, sim: Sim, msisdn: str, parts: Sequence[str]) -> SubmitReceipt:
        """See PhoneDriver."""
        known = self._known
        if known is None:
            raise NotSubmittedError(self._serial, "the phone has not been enrolled")
        anchor = known.anchors.get(sim.subscription_id)
        if anchor is None:
            raise NotSubmittedError(self._serial, f"the SIM in slot {sim.slot_index + 1} is not the enrolled one")
        if known.options.send_way is SendWay.APP:
            return self._submit_by_app(known, attempt_id, sim, msisdn, "".join(parts))
        if known.signatures is None:
            raise NotSubmittedError(self._serial, "its SMS service was not made sure of")
        send = isms.send_command(known.signatures, attempt_id, sim.subscription_id, msisdn, parts)
        changed = call("echo", _SIM_HAS_CHANGED)
        guarded = when_output_has_line(ISUB, anchor, then=send, otherwise=changed)
        steps = [CLOCK, guarded] if known.can_read_sms else [CLOCK, radio_log.log_command(), guarded]
        clock, *log, answer = self._hand_over(in_order("submit", steps))
        if answer == _SIM_HAS_CHANGED + "\n":
            raise NotSubmittedError(self._serial, f"the SIM in slot {sim.slot_index + 1} is not the enrolled one")
        with _doubt(self._serial):
            reply, clock_ms = parcel.parse_reply(answer), self._clock_ms(clock)
        if reply.exception is not None:
            raise SubmitRejectedError(self._serial, reply.exception)
        self._log_position = (attempt_id, radio_log.position(log[0])) if log else None
        return SubmitReceipt(clock_ms)

    def _submit_by_app(self, known: Known, attempt_id: int, sim: Sim, msisdn: str, text: str) -> SubmitReceipt:
        """Write the message into the messaging app, look for it on the screen, tap once."""
        with _certainty(self._serial):
            isub, _ = self._ask_in_order("compose", [ISUB, messaging_app.compose_command(msisdn, text)])
            if subscriptions.default_sms_subscription(isub) != sim.subscription_id:
                raise NotSubmittedError(
                    self._serial, "its messaging app sends from the other SIM; make this one the default for SMS"
                )
            witness = [] if known.can_read_sms else [radio_log.log_command()]
            clock, _, screen, *log = self._ask_in_order("look", [CLOCK, *messaging_app.look_commands(), *witness])
            clock_ms = self._clock_ms(clock)
            point = messaging_app.find_button(screen, known.messaging_app or "", text)
        (answer,) = self._hand_over(in_order("tap", [messaging_app.tap_command(attempt_id, point)]))
        if answer != messaging_app.TAPPED + "\n":
            raise SubmitOutcomeUnknownError(self._serial, "the tap on the send button is not certain")
        self._log_position = (attempt_id, radio_log.position(log[0])) if log else None
        return SubmitReceipt(clock_ms)

    def read_radio_answers(self, attempt_id: int) -> RadioAnswers | None:
        """See PhoneDriver."""
        if self._log_position is None or self._log_position[0] != attempt_id:
            return None
        log = self._run(radio_log.log_command(), _READ_LIMIT_S).stdout
        return radio_log.answers_since(log, self._log_position[1])

    def read_messages(self, query: MessageQuery) -> MessageRows:
        """See PhoneDriver."""
        known = self._known
        by_app = known is not None and known.options.send_way is SendWay.APP and known.messaging_app
        try:
            command = message_rows.query_command(query, by_app or isms.CALLING_PACKAGE)
            clock, rows = self._ask_in_order("read messages", [CLOCK, command])
            sent, inbox = message_rows.parse_rows(rows)
        except message_rows.RowGrammarError as error:
            raise PhoneAnswerError(self._serial, f"the message store's answer was refused: {error}") from error
        return MessageRows(self._clock_ms(clock), sent, inbox)

    def _hand_over(self, command: DeviceCommand) -> list[str]:
        """Run what may send; say of every failure what it means for the message."""
        try:
            sections = command.split(self._run(command, _SUBMIT_LIMIT_S).stdout)
        except LinkError as error:
            kind = SubmitOutcomeUnknownError if error.reached_phone else NotSubmittedError
            raise kind(self._serial, error.reason) from error
        except PhoneAnswerError as error:
            raise SubmitOutcomeUnknownError(self._serial, error.reason) from error
        if sections is None:
            raise SubmitOutcomeUnknownError(self._serial, "the answer to a send is not complete")
        return sections

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
