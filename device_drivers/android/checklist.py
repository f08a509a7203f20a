"""The check list of an enrolment: what was found on a phone, judged, with a next step for each thing that is not right.

Pure. FAIL stops the phone from sending; WARN is for a person to look at. Each check is one function of the facts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from device_drivers.android.device_state import DEFAULT_GUARD, Battery
from device_drivers.android.isms import IsmsSignatures
from device_drivers.android.journal import JournalState
from device_drivers.base import Check, EnrolOptions, SendGuard, SendWay, Sim, Verdict

_PASS, _WARN, _FAIL = Verdict.PASS, Verdict.WARN, Verdict.FAIL
_FIRST_WITH_DOZE, _FIRST_WITH_KEY_EXPIRY, _FIRST_WITH_LOCKSETTINGS = 23, 30, 26
_MOST_CLOCK_OFFSET_S = 60
_HOT_C = 42.0
# Messaging apps that can take a chat over to RCS, out of sight of content://sms.
_RCS_APPS = frozenset({"com.google.android.apps.messaging", "com.samsung.android.messaging"})
Judgement = tuple[Verdict, str, str | None]


@dataclass(frozen=True)
class Facts:
    """What was read from one phone."""

    api_level: int
    shell: str
    signatures: IsmsSignatures | None
    table_differs: bool
    """The phone's own framework names other codes than Android's table."""
    send_op: str
    """Output of `appops get`."""
    can_count: bool
    can_read_hex: bool
    journal: JournalState
    sims: tuple[Sim, ...]
    unanchored_slots: tuple[int, ...]
    """Slots whose SIM has no line in `dumpsys isub` that a send could be anchored to."""
    default_sms_app: str | None
    guard: SendGuard
    premium_prompt: str
    clock_offset_s: float
    stay_on: str
    doze: bool | None
    key_expiry_ms: str
    tcp_port: str
    wireless_debugging: str
    battery: Battery
    lock_disabled: bool | None
    has_radio_log: bool
    boot_id: str | None


def judge(facts: Facts, options: EnrolOptions) -> tuple[Check, ...]:
    """Go through the whole list."""
    return tuple(Check(name, *check(facts, options)) for name, check in _CHECKS.items())


def _shell(facts: Facts, _: EnrolOptions) -> Judgement:
    if facts.shell == "shell_v2":
        return _PASS, "adb gives exit codes and a stderr of its own", None
    return _WARN, "an adbd of Android 5 or 6: no exit codes; answers are checked by a marker instead", None


def _isms(facts: Facts, options: EnrolOptions) -> Judgement:
    found = facts.signatures
    if found is None and options.send_way is SendWay.APP:
        return _WARN, "its SMS service could not be made sure of; it sends by the messaging app", None
    if found is None:
        return (
            _FAIL,
            "its SMS service answers differently from every order of calls that we know",
            "send a report (`smsrack phones report`); `smsrack phones way SERIAL app` sends by the messaging app",
        )
    codes = f"text {found.text_code}, multipart {found.multipart_code}, as in {found.source}"
    if facts.table_differs:
        return _WARN, f"{codes}; that is not Android's own order", "nothing, but tell us: `smsrack phones report`"
    return _PASS, codes, None


def _send_sms(facts: Facts, _: EnrolOptions) -> Judgement:
    word = facts.send_op.strip()
    if "ignore" in word or "deny" in word:
        step = "run `adb shell cmd appops set com.android.shell SEND_SMS allow`, or allow it in the phone's settings"
        return _FAIL, "the phone ignores SMS from the shell without a word", step
    if "allow" in word or "No operations" in word or "default" in word:
        return _PASS, "the shell may send SMS", None
    return _WARN, "the phone does not say whether the shell may send SMS", None


def _read_sms(facts: Facts, options: EnrolOptions) -> Judgement:
    if facts.can_count:
        return _PASS, "the shell may read the SMS store", None
    return _cannot_read(facts, options, "the shell may not read the SMS store")


def _hex(facts: Facts, options: EnrolOptions) -> Judgement:
    if facts.can_read_hex:
        return _PASS, "texts can be read in hex, so that none of them can forge a row", None
    if not facts.can_count:
        return _WARN, "not tried, since the store cannot be read", None
    return _cannot_read(facts, options, "its SMS store refuses hex(), and nothing else is safe to read")


def _cannot_read(facts: Facts, options: EnrolOptions, finding: str) -> Judgement:
    witness = "the radio log is the only proof of sending" if facts.has_radio_log else "no sending can be proven"
    meaning = f"replies and STOP are not seen, and {witness}"
    if options.send_only:
        return _WARN, f"{finding}; accepted as send-only: {meaning}", None
    step = f"`smsrack phones enrol SERIAL --send-only` accepts that {meaning}"
    if facts.api_level >= 29:
        step = f"look for a developer option that restricts USB debugging, or: {step}"
    return _FAIL, finding, step


def _journal(facts: Facts, options: EnrolOptions) -> Judgement:
    if not facts.journal.works:
        words = "no directory could be made under /data/local/tmp: a send in doubt cannot be settled by the phone"
        return _WARN, words, "free some space on the phone, or restart it"
    if options.known_boot_id and options.known_boot_id not in facts.journal.boots:
        return _WARN, "the journal was wiped since the last enrolment", "do not clean /data/local/tmp on this phone"
    if facts.journal.boots - {facts.boot_id}:
        return _PASS, "works, and has outlived a restart of the phone", None
    return _PASS, "works; a restart of the phone was not seen yet", None


def _sims(facts: Facts, _: EnrolOptions) -> Judgement:
    if not facts.sims:
        return _FAIL, "no active SIM", "insert one, switch it on, and enter its PIN"
    if facts.unanchored_slots:
        slots = ", ".join(str(slot + 1) for slot in facts.unanchored_slots)
        return _FAIL, f"`dumpsys isub` does not say where the SIM of slot {slots} is", "send a report"
    found = "; ".join(f"slot {sim.slot_index + 1}: {sim.operator or 'no operator yet'}" for sim in facts.sims)
    return _PASS, found, None


def _default_app(facts: Facts, options: EnrolOptions) -> Judgement:
    if facts.default_sms_app:
        return _PASS, f"{facts.default_sms_app} stores what comes in", None
    verdict = _FAIL if options.send_way is SendWay.APP else _WARN
    return verdict, "no default messaging app: replies are not stored", "choose one in the phone's settings"


def _rcs(facts: Facts, _: EnrolOptions) -> Judgement:
    if facts.default_sms_app in _RCS_APPS:
        return _WARN, "its messaging app can chat over RCS, where a STOP is not seen", "switch RCS chats off in the app"
    return _PASS, "its messaging app is not known to use RCS", None


def _guard(facts: Facts, _: EnrolOptions) -> Judgement:
    words = f"{facts.guard.max_parts} parts in {facts.guard.interval_s:g} s"
    if facts.guard == DEFAULT_GUARD:
        return _PASS, f"Android's own: {words}; we stay below it", None
    return (
        _WARN,
        f"changed: {words}; in force only if the phone was started since",
        "restart the phone if that is not sure",
    )


def _premium(facts: Facts, _: EnrolOptions) -> Judgement:
    if facts.premium_prompt.strip() == "0":
        step = "`adb shell settings delete global sms_short_code_confirmation`"
        return _WARN, "the phone does not ask before an SMS to a premium number", step
    return _PASS, "the phone asks before an SMS to a premium number", None


def _clock(facts: Facts, _: EnrolOptions) -> Judgement:
    if abs(facts.clock_offset_s) <= _MOST_CLOCK_OFFSET_S:
        return _PASS, "the phone's clock is the host's, within a minute", None
    words = f"the phone's clock is {facts.clock_offset_s:+.0f} s off the host's"
    return _WARN, words, "let the phone take its time from the network"


def _stay_awake(facts: Facts, _: EnrolOptions) -> Judgement:
    if facts.stay_on.strip() in ("0", "null", ""):
        return _PASS, "the display goes off by itself", None
    return _WARN, "the display stays on while charging, and wears out", "`adb shell svc power stayon false`"


def _doze(facts: Facts, _: EnrolOptions) -> Judgement:
    if facts.api_level < _FIRST_WITH_DOZE or facts.doze is False:
        return _PASS, "no doze", None
    if facts.doze is None:
        return _WARN, "the phone does not say whether it dozes", None
    return _WARN, "it dozes when it runs on battery", "`adb shell dumpsys deviceidle disable`, after each restart"


def _adb_timeout(facts: Facts, _: EnrolOptions) -> Judgement:
    if facts.api_level < _FIRST_WITH_KEY_EXPIRY or facts.key_expiry_ms.strip() == "0":
        return _PASS, "this computer's key stays accepted", None
    step = "switch on the developer option `Disable adb authorization timeout`"
    return _WARN, "this computer's key is forgotten after 7 days without use", step


def _tcp_adb(facts: Facts, _: EnrolOptions) -> Judgement:
    if facts.tcp_port.strip() not in ("", "0", "-1"):
        return _WARN, "adb listens on the network: whoever reaches it may try", "`adb usb`"
    if facts.wireless_debugging.strip() == "1":
        return _WARN, "wireless debugging is on: the phone may appear twice", "switch it off in the developer options"
    return _PASS, "adb listens on USB only", None


def _battery(facts: Facts, _: EnrolOptions) -> Judgement:
    battery = facts.battery
    if battery.health not in (None, "good"):
        return _WARN, f"battery {battery.health}", "take the phone out of the rack and look at its battery"
    if battery.temperature_c is not None and battery.temperature_c > _HOT_C:
        return _WARN, f"battery at {battery.temperature_c:g} °C", "cool the rack"
    return _PASS, "battery good" if battery.health else "the phone says nothing of its battery", None


def _screen_lock(facts: Facts, _: EnrolOptions) -> Judgement:
    step = "switch the screen lock off: after a restart nothing runs before somebody unlocks"
    if facts.api_level < _FIRST_WITH_LOCKSETTINGS or facts.lock_disabled is None:
        return _WARN, "the phone does not say whether it has a screen lock", step
    if facts.lock_disabled:
        return _PASS, "no screen lock", None
    return _WARN, "there is a screen lock", step


_CHECKS: dict[str, Callable[[Facts, EnrolOptions], Judgement]] = {
    "shell": _shell,
    "isms": _isms,
    "send_sms": _send_sms,
    "read_sms": _read_sms,
    "hex": _hex,
    "journal": _journal,
    "sims": _sims,
    "default_sms_app": _default_app,
    "rcs": _rcs,
    "guard": _guard,
    "premium_prompt": _premium,
    "clock": _clock,
    "stay_awake": _stay_awake,
    "doze": _doze,
    "adb_timeout": _adb_timeout,
    "tcp_adb": _tcp_adb,
    "battery": _battery,
    "screen_lock": _screen_lock,
}
CHECK_NAMES = tuple(_CHECKS)
