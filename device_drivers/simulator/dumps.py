"""What `dumpsys` prints about battery, screen and power saving on each Android version, in AOSP's formats."""

from __future__ import annotations

from dataclasses import dataclass, field

from device_drivers.simulator.profile import Profile


@dataclass
class Body:
    """The changeable state of a handset."""

    battery_percent: int = 87
    battery_tenths_c: int = 291
    battery_health: int = 2
    """BatteryManager's BATTERY_HEALTH_*: 2 good, 3 overheat, 7 cold."""
    charging: bool = True
    rsrp_dbm: int = -93
    in_service: bool = True
    roaming: bool = False
    screen_lock: bool = False
    doze: bool = True
    default_sms_app: str | None = "com.google.android.apps.messaging"
    properties: dict[str, str] = field(default_factory=dict)
    """System properties beyond the usual ones, or instead of them."""


def battery(body: Body, profile: Profile) -> str:
    """`dumpsys battery`."""
    dock = "  Dock powered: false\n" if profile.api_level >= 34 else ""
    currents = "  Max charging current: 500000\n  Max charging voltage: 5000000\n  Charge counter: 2610000\n"
    return (
        "Current Battery Service state:\n  AC powered: false\n"
        f"  USB powered: {str(body.charging).lower()}\n  Wireless powered: false\n{dock}"
        f"{currents if profile.api_level >= 28 else ''}"
        f"  status: {2 if body.charging else 3}\n  health: {body.battery_health}\n  present: true\n"
        f"  level: {body.battery_percent}\n  scale: 100\n  voltage: 4231\n"
        f"  temperature: {body.battery_tenths_c}\n  technology: Li-ion\n"
    )


def windows(profile: Profile, *, focus: str, guard_dialogs: int) -> str:
    """`dumpsys window windows`: an alert of the phone process for each guard dialog, above the app in front."""
    lines = ["WINDOW MANAGER WINDOWS (dumpsys window windows)"]
    for number in range(guard_dialogs):
        name = f"Window{{a1b2c{number} u0 com.android.phone}}"
        kind = "ty=SYSTEM_ALERT fmt=TRANSLUCENT" if profile.api_level >= 28 else "ty=2003 fl=#1820002 fmt=-3"
        start = "mAttrs={" if profile.api_level >= 28 else "mAttrs=WM.LayoutParams{"
        lines += [
            f"  Window #{number + 1} {name}:",
            "    mDisplayId=0 mSession=Session{e09d58 1432:1001} mClient=android.os.BinderProxy@a330d87",
            "    mOwnerUid=1001 mShowToOwnerOnly=false package=com.android.phone appop=SYSTEM_ALERT_WINDOW",
            f"    {start}(0,0)(wrapxwrap) gr=CENTER sim={{adjust=pan}} {kind} wanim=0x10302f4}}",
        ]
    lines += [
        f"  Window #{guard_dialogs + 1} Window{{f00d1 u0 {focus}}}:",
        f"    mOwnerUid=10123 package={focus.split('/')[0]} appop=NONE",
        "    mAttrs={(0,0)(fillxfill) ty=BASE_APPLICATION fmt=TRANSPARENT}",
    ]
    front = "com.android.phone" if guard_dialogs else focus
    return "\n".join([*lines, f"  mCurrentFocus=Window{{f00d1 u0 {front}}}"]) + "\n"


def deviceidle(body: Body, profile: Profile) -> str:
    """`dumpsys deviceidle`; there is no doze before Android 6."""
    enabled = str(body.doze).lower()
    if profile.api_level == 23:
        return f"  Whitelist system apps:\n  mEnabled={enabled} mForceIdle=false\n  mState=ACTIVE\n"
    return f"  Whitelist system apps:\n  mLightEnabled={enabled}  mDeepEnabled={enabled}\n  mState=ACTIVE\n"
