"""Readers for what Android's shell tools print about the phone itself. Pure; None where the phone does not say."""

from __future__ import annotations

import re

from device_drivers.base import SendGuard, Sim, SimHealth

# SmsUsageMonitor's defaults, in force where the settings are not set.
DEFAULT_GUARD = SendGuard(max_parts=30, interval_s=60.0)
_UNKNOWN_SIGNAL = 2147483647
_STATE_IN_SERVICE = 0  # android.telephony.ServiceState
_CLOCK = re.compile(r"(\d{10})(\d{3})?\S*\s*", re.ASCII)
_ACTIVE_BLOCK = re.compile(r"^( *)(?:ActiveSubInfoList|Active subscriptions):\s*\n((?:\1 +[{\[].*\n?)*)", re.MULTILINE)
_SUBSCRIPTION = re.compile(
    r"^ +(?:\{|\[SubscriptionInfoInternal: )id=(\d+),? iccId=(\S*) simSlotIndex=(\d+) ", re.MULTILINE
)
_PHONE_BLOCK = re.compile(r"^\s*Phone Id=(\d+)\s*$", re.MULTILINE)
_SERVICE_STATE = re.compile(r"^\s*mServiceState=\{?(?:mVoiceRegState=)?(\d+)", re.MULTILINE)
_SIGNAL = re.compile(r"^\s*mSignalStrength=(SignalStrength:\{.*\})\s*$", re.MULTILINE)
# Which figure stands for the bars, by the radio technology that Android calls primary.
_SIGNAL_FIELDS = {
    "CellSignalStrengthLte": re.compile(r"mLte=CellSignalStrengthLte:.*? rsrp ?= ?(-?\d+)"),
    "CellSignalStrengthNr": re.compile(r"mNr=CellSignalStrengthNr:.*? ssRsrp ?= ?(-?\d+)"),
    "CellSignalStrengthGsm": re.compile(r"mGsm=CellSignalStrengthGsm: rssi ?= ?(-?\d+)"),
    "CellSignalStrengthWcdma": re.compile(r"mWcdma=CellSignalStrengthWcdma:.*? rscp ?= ?(-?\d+)"),
}


def parse_clock_ms(output: str) -> int | None:
    """Read `date +%s%3N`; a phone whose `date` knows no milliseconds gives whole seconds, rounded down."""
    match = _CLOCK.fullmatch(output)
    return int(match[1]) * 1000 + int(match[2] or 0) if match else None


def parse_guard(max_count: str, interval_ms: str) -> SendGuard:
    """Read the two settings of Android's send guard; `null` or nonsense means its defaults."""
    count, interval = max_count.strip(), interval_ms.strip()
    return SendGuard(
        max_parts=int(count) if count.isdecimal() and int(count) > 0 else DEFAULT_GUARD.max_parts,
        interval_s=int(interval) / 1000 if interval.isdecimal() and int(interval) > 0 else DEFAULT_GUARD.interval_s,
    )


def parse_sims(isub: str, operators: str) -> tuple[Sim, ...]:
    """Read the active subscriptions from `dumpsys isub`, by slot; `operators` is `gsm.sim.operator.alpha`."""
    block = _ACTIVE_BLOCK.search(isub)
    names = [name.strip() or None for name in operators.strip("\r\n").split(",")]
    sims = []
    for subscription_id, iccid, slot in _SUBSCRIPTION.findall(block[2] if block else ""):
        name = names[int(slot)] if int(slot) < len(names) else None
        sims.append(Sim(int(slot), int(subscription_id), iccid or None, name))
    return tuple(sorted(sims, key=lambda sim: sim.slot_index))


def slot_mapping_line(api_level: int, sim: Sim) -> str:
    """The line of `dumpsys isub` that says that this SIM is in this slot now.

    Anchors a send to its SIM: the framework takes an unknown subscription id for the default one.
    """
    if api_level >= 34:
        return f"Logical SIM slot {sim.slot_index}: subId={sim.subscription_id}"
    return f"sSlotIndexToSubId[{sim.slot_index}]: subIds={sim.slot_index}=[{sim.subscription_id}]"


def parse_battery(output: str) -> tuple[int | None, float | None, bool | None]:
    """Read `dumpsys battery`: percent, temperature in °C, charging."""

    def field(name: str) -> str | None:
        match = re.search(rf"^  {name}: (\S+)\s*$", output, re.MULTILINE)
        return match[1] if match else None

    level, scale, tenths, status = field("level"), field("scale"), field("temperature"), field("status")
    percent = round(100 * int(level) / int(scale)) if level and scale and int(scale) else None
    # BatteryManager: 2 charging, 5 full.
    return percent, int(tenths) / 10 if tenths else None, status in ("2", "5") if status else None


def parse_radio(registry: str) -> tuple[SimHealth, ...]:
    """Read `dumpsys telephony.registry`, one entry for each slot, from its last known state only."""
    # Later logs in the same dump repeat the field names.
    state = registry.split("local logs", 1)[0]
    blocks = _PHONE_BLOCK.split(state)[1:]
    return tuple(
        SimHealth(int(slot), _in_service(block), _signal_dbm(block))
        for slot, block in zip(blocks[::2], blocks[1::2], strict=True)
    )


def _in_service(block: str) -> bool | None:
    match = _SERVICE_STATE.search(block)
    return int(match[1]) == _STATE_IN_SERVICE if match else None


def _signal_dbm(block: str) -> int | None:
    strength = _SIGNAL.search(block)
    primary = re.search(r",\s?primary=(\w+)\}", strength[1]) if strength else None
    field = _SIGNAL_FIELDS.get(primary[1]) if primary else None
    match = field.search(strength[1]) if strength and field else None
    dbm = int(match[1]) if match else _UNKNOWN_SIGNAL
    return None if dbm == _UNKNOWN_SIGNAL else dbm
