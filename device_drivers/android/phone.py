"""`AndroidPhone`: the driver of a stock phone through an adb link. Android 10 to 15."""

from __future__ import annotations

from collections.abc import Sequence

from device_drivers.adb.command import DeviceCommand, call, in_order, when_output_has_line
from device_drivers.adb.link import AdbLink, CommandResult
from device_drivers.android import isms, message_rows, parcel, parsers
from device_drivers.base import (
    Enrolment,
    MessageQuery,
    MessageRows,
    PhoneDriver,
    PhoneHealth,
    PhoneIdentity,
    Sim,
    SubmitReceipt,
)
from device_drivers.errors import (
    LinkError,
    NotSubmittedError,
    PhoneAnswerError,
    SubmitOutcomeUnknownError,
    SubmitRejectedError,
    UnsupportedPhoneError,
)

# `content` starts a VM (up to 1.5 s) and a first read may give thousands of rows; dumpsys may wait for its services.
_READ_LIMIT_S = 30.0
# The framework's call returns at once when healthy; after this long its outcome is unknown.
_SUBMIT_LIMIT_S = 20.0
_SIM_HAS_CHANGED = "sim-has-changed"
_CLOCK = call("date", "+%s%3N")
_ISUB = call("dumpsys", "isub")
_OPERATORS = call("getprop", "gsm.sim.operator.alpha")
_PROPERTIES = (
    "ro.serialno",
    "ro.product.manufacturer",
    "ro.product.model",
    "ro.build.version.release",
    "ro.build.version.sdk",
    "ro.build.fingerprint",
)
_GUARD_SETTINGS = ("sms_outgoing_check_max_count", "sms_outgoing_check_interval_ms")


class AndroidPhone(PhoneDriver):
    """One phone; call it from one thread at a time."""

    def __init__(self, link: AdbLink, serial: str) -> None:
        self._link = link
        self._serial = serial
        self._api_level: int | None = None

    @property
    def serial(self) -> str:
        """See PhoneDriver."""
        return self._serial

    def enrol(self) -> Enrolment:
        """See PhoneDriver."""
        steps = [call("getprop", name) for name in _PROPERTIES]
        steps += [call("settings", "get", "global", name) for name in _GUARD_SETTINGS]
        steps += [_OPERATORS, _ISUB, message_rows.count_command()]
        answers = self._ask_in_order("enrol", steps)
        hardware_serial, manufacturer, model, release, sdk, fingerprint = (text.strip() for text in answers[:6])
        if not sdk.isdecimal():
            raise PhoneAnswerError(self._serial, "ro.build.version.sdk is not a number")
        identity = PhoneIdentity(self._serial, hardware_serial, manufacturer, model, release, int(sdk), fingerprint)
        sims = parsers.parse_sims(answers[9], answers[8])
        self._check_isms(identity, sims)
        self._api_level = identity.api_level
        return Enrolment(
            identity=identity,
            sims=sims,
            guard=parsers.parse_guard(answers[6], answers[7]),
            can_read_sms=message_rows.is_count(answers[10]),
        )

    def _check_isms(self, identity: PhoneIdentity, sims: tuple[Sim, ...]) -> None:
        signatures = isms.SIGNATURES.get(identity.api_level)
        if signatures is None:
            raise UnsupportedPhoneError(
                self._serial,
                f"Android {identity.android_release} (API {identity.api_level}) is not supported; 10 to 15 are",
            )
        if not sims:
            raise UnsupportedPhoneError(self._serial, "no active SIM; insert one and switch it on")
        answers = self._ask_in_order("probe isms", isms.probe_commands(signatures, sims[0].subscription_id))
        if not isms.fits(*answers):
            raise UnsupportedPhoneError(
                self._serial, "its SMS service answers differently from Android's own; we will not send by guess"
            )

    def read_clock_ms(self) -> int:
        """See PhoneDriver."""
        return self._clock_ms(self._run(_CLOCK, _READ_LIMIT_S).stdout)

    def read_health(self) -> PhoneHealth:
        """See PhoneDriver."""
        steps = [call("dumpsys", "battery"), call("dumpsys", "telephony.registry"), _OPERATORS, _ISUB]
        battery, registry, operators, isub = self._ask_in_order("health", steps)
        percent, temperature_c, charging = parsers.parse_battery(battery)
        return PhoneHealth(
            battery_percent=percent,
            battery_temperature_c=temperature_c,
            charging=charging,
            sims=parsers.parse_radio(registry),
            subscriptions=parsers.parse_sims(isub, operators),
        )

    def submit(self, attempt_id: int, sim: Sim, msisdn: str, parts: Sequence[str]) -> SubmitReceipt:
        """See PhoneDriver."""
        command = self._submit_command(attempt_id, sim, msisdn, parts)
        try:
            result = self._run(command, _SUBMIT_LIMIT_S)
            sections = command.split(result.stdout)
            if sections is None:
                raise PhoneAnswerError(self._serial, "the answer to a send is not complete")
            if sections[1] == _SIM_HAS_CHANGED + "\n":
                raise NotSubmittedError(self._serial, f"the SIM in slot {sim.slot_index} is not the enrolled one")
            reply = parcel.parse_reply(sections[1])
            clock_ms = self._clock_ms(sections[0])
        except LinkError as error:
            kind = SubmitOutcomeUnknownError if error.reached_phone else NotSubmittedError
            raise kind(self._serial, error.reason) from error
        except (PhoneAnswerError, parcel.ParcelGrammarError) as error:
            raise SubmitOutcomeUnknownError(self._serial, "the answer to a send cannot be read") from error
        if reply.exception is not None:
            raise SubmitRejectedError(self._serial, reply.exception)
        return SubmitReceipt(clock_ms)

    def _submit_command(self, attempt_id: int, sim: Sim, msisdn: str, parts: Sequence[str]) -> DeviceCommand:
        if self._api_level is None:
            raise NotSubmittedError(self._serial, "the phone has not been enrolled")
        send = isms.send_command(isms.SIGNATURES[self._api_level], attempt_id, sim.subscription_id, msisdn, parts)
        guarded = when_output_has_line(
            _ISUB, parsers.slot_mapping_line(self._api_level, sim), then=send, otherwise=call("echo", _SIM_HAS_CHANGED)
        )
        return in_order("submit", [_CLOCK, guarded])

    def read_messages(self, query: MessageQuery) -> MessageRows:
        """See PhoneDriver."""
        clock, rows = self._ask_in_order("read messages", [_CLOCK, message_rows.query_command(query)])
        try:
            sent, inbox = message_rows.parse_rows(rows)
        except message_rows.RowGrammarError as error:
            raise PhoneAnswerError(self._serial, f"the message store's answer was refused: {error}") from error
        return MessageRows(self._clock_ms(clock), sent, inbox)

    def _ask_in_order(self, name: str, steps: Sequence[DeviceCommand]) -> list[str]:
        command = in_order(name, steps)
        sections = command.split(self._run(command, _READ_LIMIT_S).stdout)
        if sections is None:
            raise PhoneAnswerError(self._serial, f"the answer to {name!r} is not complete")
        return sections

    def _run(self, command: DeviceCommand, limit_s: float) -> CommandResult:
        return self._link.run(self._serial, command, limit_s)

    def _clock_ms(self, output: str) -> int:
        clock_ms = parsers.parse_clock_ms(output)
        if clock_ms is None:
            raise PhoneAnswerError(self._serial, "the phone's clock cannot be read")
        return clock_ms
