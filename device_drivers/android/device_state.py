"""Readers for what Android's shell tools print about the handset. Pure; None where the phone does not say."""

from __future__ import annotations

import re
from dataclasses import dataclass

from device_drivers.base import SendGuard

# SmsUsageMonitor's defaults, in force where the settings are not set.
DEFAULT_GUARD = SendGuard(max_parts=30, interval_s=60.0)
_CLOCK = re.compile(r"(\d{10})(\d{3})?\S*\s*", re.ASCII)
# BatteryManager.BATTERY_HEALTH_*.
_BATTERY_HEALTH = {2: "good", 3: "overheated", 4: "dead", 5: "over voltage", 6: "failing", 7: "cold"}
_CHARGING, _FULL = 2, 5
_BOOT_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\s*", re.ASCII)
_WINDOW = re.compile(r"^  Window #\d+ Window\{", re.MULTILINE)
# An alert of the phone process; Android 8 and older print the window's type as its number.
_GUARD_DIALOG = (re.compile(r"\bpackage=com\.android\.phone\b"), re.compile(r"\bty=(?:SYSTEM_ALERT|2003)\b"))


@dataclass(frozen=True)
class Battery:
    """`dumpsys battery`."""

    percent: int | None = None
    temperature_c: float | None = None
    charging: bool | None = None
    health: str | None = None


def parse_clock_ms(output: str) -> int | None:
    """Read `date +%s%3N`; a phone whose `date` knows no milliseconds gives whole seconds, rounded down."""
    match = _CLOCK.fullmatch(output)
    return int(match[1]) * 1000 + int(match[2] or 0) if match else None


def parse_guard(max_count: str, interval_ms: str) -> SendGuard:
    """Read the two settings of Android's send guard; `null` or nonsense means its defaults."""
    count, interval = _positive(max_count), _positive(interval_ms)
    return SendGuard(count or DEFAULT_GUARD.max_parts, interval / 1000 if interval else DEFAULT_GUARD.interval_s)


def parse_battery(output: str) -> Battery:
    """Read `dumpsys battery`."""

    def field(name: str) -> int | None:
        match = re.search(rf"^  {name}: (-?\d{{1,9}})\s*$", output, re.MULTILINE)
        return int(match[1]) if match else None

    level, scale, tenths, status, health = map(field, ("level", "scale", "temperature", "status", "health"))
    return Battery(
        percent=round(100 * level / scale) if level is not None and scale else None,
        temperature_c=tenths / 10 if tenths is not None else None,
        charging=status in (_CHARGING, _FULL) if status is not None else None,
        health=_BATTERY_HEALTH.get(health, "unknown") if health is not None else None,
    )


def parse_boot_id(output: str) -> str | None:
    """Read the kernel's boot id."""
    return output.strip() if _BOOT_ID.fullmatch(output) else None


def parse_switch(output: str) -> bool | None:
    """Read a setting that is 0 or 1."""
    return {"0": False, "1": True}.get(output.strip())


def shows_guard_dialog(windows: str) -> bool | None:
    """Tell from `dumpsys window windows` whether a dialog of the phone process is on the screen."""
    blocks = _WINDOW.split(windows)[1:]
    if not blocks:
        return None
    return any(all(sign.search(block) for sign in _GUARD_DIALOG) for block in blocks)


def _positive(text: str) -> int | None:
    word = text.strip()
    return int(word) if re.fullmatch(r"[0-9]{1,9}", word) and int(word) > 0 else None
