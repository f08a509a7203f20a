"""Enrolling a phone: everything is read in one shell call, the SMS service is probed, nothing is sent."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from device_drivers.adb.command import DeviceCommand, call
from device_drivers.adb.link import ShellKind
from device_drivers.android import device_state, isms, journal, message_rows, radio_log, subscriptions
from device_drivers.android.checklist import Facts, judge
from device_drivers.android.framework import FIRST_API_LEVEL, FrameworkCache
from device_drivers.android.isms import IsmsSignatures
from device_drivers.base import Capabilities, Enrolment, EnrolOptions, PhoneIdentity, Sim
from device_drivers.errors import LinkError, PhoneAnswerError

ISUB = call("dumpsys", "isub")
SIM_OPERATORS = call("getprop", "gsm.sim.operator.alpha")
BOOT_ID = call("cat", "/proc/sys/kernel/random/boot_id")
BATTERY = call("dumpsys", "battery")
GUARD_SETTINGS = ("sms_outgoing_check_max_count", "sms_outgoing_check_interval_ms")
_FIRST_WITH_CMD = 24
_DOZE = re.compile(r"\bm(?:Deep)?Enabled=(true|false)")
# One command each, by the name under which its answer is looked up.
_QUESTIONS: dict[str, DeviceCommand] = {
    **{
        name: call("getprop", name)
        for name in (
            "ro.serialno",
            "ro.product.manufacturer",
            "ro.product.model",
            "ro.build.version.release",
            "ro.build.version.sdk",
            "ro.build.fingerprint",
            "service.adb.tcp.port",
        )
    },
    **{
        name: call("settings", "get", "global", name)
        for name in (
            *GUARD_SETTINGS,
            "sms_short_code_confirmation",
            "stay_on_while_plugged_in",
            "adb_allowed_connection_time",
            "adb_wifi_enabled",
        )
    },
    "sms_default_application": call("settings", "get", "secure", "sms_default_application"),
    "clock": journal.CLOCK,
    "operators": SIM_OPERATORS,
    "isub": ISUB,
    "boot_id": BOOT_ID,
    "battery": BATTERY,
    "deviceidle": call("dumpsys", "deviceidle"),
    "lock": call("locksettings", "get-disabled"),
    "radio_log": radio_log.log_command(),
    "count": message_rows.count_command(),
    "hex": message_rows.hex_command(),
}


@dataclass(frozen=True)
class Known:
    """What the driver remembers of an enrolled phone."""

    signatures: IsmsSignatures | None
    anchors: dict[int, str]
    """Subscription id -> the line of `dumpsys isub` that stands for it."""
    options: EnrolOptions
    enrolment: Enrolment
    messaging_app: str | None

    @property
    def can_read_sms(self) -> bool:
        """Whether rows can be read."""
        return self.enrolment.capabilities.can_read_sms

    @property
    def has_journal(self) -> bool:
        """Whether the phone can arbitrate that an attempt is begun once."""
        return self.enrolment.capabilities.has_journal


class Enroller:
    """Enrols one phone through two ways of asking it."""

    def __init__(
        self,
        serial: str,
        shell: ShellKind,
        ask: Callable[[str, Sequence[DeviceCommand]], list[str]],
        pull: Callable[[BinaryIO], None],
        frameworks: FrameworkCache | None,
    ) -> None:
        """`ask(name, commands)` gives one output for each; `pull` writes the phone's framework.jar to a file."""
        self._serial = serial
        self._shell = shell
        self._ask = ask
        self._pull = pull
        self._frameworks = frameworks

    def enrol(self, options: EnrolOptions) -> Known:
        """See PhoneDriver."""
        host_ms = time.time() * 1000
        answers = dict(zip(_QUESTIONS, self._ask("enrol", list(_QUESTIONS.values())), strict=True))
        identity = self._identity(answers)
        sims = subscriptions.parse_sims(answers["isub"], answers["operators"])
        boot_id = device_state.parse_boot_id(answers["boot_id"])
        op, *journal_answers = self._ask(
            "enrol further", [_send_op(identity.api_level), *journal.probe_commands(secrets.token_hex(4), boot_id)]
        )
        signatures, table_differs = self._signatures(identity, sims)
        anchors = {s.subscription_id: subscriptions.mapping_line(answers["isub"], s) for s in sims}
        app = answers["sms_default_application"].strip()
        facts = Facts(
            api_level=identity.api_level,
            shell=self._shell,
            signatures=signatures,
            table_differs=table_differs,
            send_op=op,
            can_count=message_rows.is_count(answers["count"]),
            can_read_hex=message_rows.is_hex_readable(answers["hex"]),
            journal=journal.parse_probe(journal_answers),
            sims=sims,
            unanchored_slots=tuple(s.slot_index for s in sims if anchors[s.subscription_id] is None),
            default_sms_app=app if app not in ("", "null") else None,
            guard=device_state.parse_guard(*(answers[name] for name in GUARD_SETTINGS)),
            premium_prompt=answers["sms_short_code_confirmation"],
            clock_offset_s=((device_state.parse_clock_ms(answers["clock"]) or 0) - host_ms) / 1000,
            stay_on=answers["stay_on_while_plugged_in"],
            doze=_doze(answers["deviceidle"]),
            key_expiry_ms=answers["adb_allowed_connection_time"],
            tcp_port=answers["service.adb.tcp.port"],
            wireless_debugging=answers["adb_wifi_enabled"],
            battery=device_state.parse_battery(answers["battery"]),
            lock_disabled={"true": True, "false": False}.get(answers["lock"].strip()),
            has_radio_log=radio_log.is_readable(answers["radio_log"]),
            boot_id=boot_id,
        )
        enrolment = Enrolment(identity, sims, facts.guard, boot_id, _capabilities(facts), judge(facts, options))
        found = {subscription_id: line for subscription_id, line in anchors.items() if line is not None}
        return Known(signatures, found, options, enrolment, facts.default_sms_app)

    def _identity(self, answers: dict[str, str]) -> PhoneIdentity:
        api_level = answers["ro.build.version.sdk"].strip()
        if not re.fullmatch(r"[0-9]{1,3}", api_level):
            raise PhoneAnswerError(self._serial, "ro.build.version.sdk is not a number")
        return PhoneIdentity(
            serial=self._serial,
            hardware_serial=answers["ro.serialno"].strip(),
            manufacturer=answers["ro.product.manufacturer"].strip(),
            model=answers["ro.product.model"].strip(),
            android_release=answers["ro.build.version.release"].strip(),
            api_level=int(api_level),
            build_fingerprint=answers["ro.build.fingerprint"].strip(),
        )

    def _signatures(self, identity: PhoneIdentity, sims: tuple[Sim, ...]) -> tuple[IsmsSignatures | None, bool]:
        """Give what fits this phone, and whether that is not what Android's own table says."""
        if not sims:
            return None, False
        asked_for = sims[0].subscription_id
        table = isms.CANDIDATES.get(identity.api_level, ())
        own = self._from_framework(identity)
        if own is not None:
            differs = not any(
                (own.text_code, own.multipart_code, own.layout) == (c.text_code, c.multipart_code, c.layout)
                for c in table
            )
            # What the phone's own code says wins; the probe must fit all the same.
            return isms.choose([own], self._asker(own, asked_for)), differs
        return (isms.choose(table, self._asker(table[0], asked_for)) if table else None), False

    def _asker(self, signatures: IsmsSignatures, subscription_id: int) -> Callable[[int], str]:
        def ask(code: int) -> str:
            return self._ask("probe isms", [isms.probe_command(signatures.layout, code, subscription_id)])[0]

        return ask

    def _from_framework(self, identity: PhoneIdentity) -> IsmsSignatures | None:
        if self._frameworks is None or identity.api_level < FIRST_API_LEVEL or self._shell is not ShellKind.V2:
            return None
        try:
            interface = self._frameworks.get(identity.build_fingerprint, self._pull)
        except (PhoneAnswerError, LinkError):
            return None  # a help that is not there: the table and the probe decide
        return isms.from_framework(interface.codes, interface.parameters) if interface else None


def _send_op(api_level: int) -> DeviceCommand:
    words = ("appops", "get", isms.CALLING_PACKAGE, "SEND_SMS")
    return call("cmd", *words) if api_level >= _FIRST_WITH_CMD else call(*words)


def _doze(output: str) -> bool | None:
    found = _DOZE.search(output)
    return found[1] == "true" if found else None


def _capabilities(facts: Facts) -> Capabilities:
    found = facts.signatures
    return Capabilities(
        shell=facts.shell,
        text_code=found.text_code if found else None,
        multipart_code=found.multipart_code if found else None,
        codes_from=found.source if found else None,
        can_read_sms=facts.can_count and facts.can_read_hex,
        has_journal=facts.journal.works,
        has_radio_log=facts.has_radio_log,
    )
