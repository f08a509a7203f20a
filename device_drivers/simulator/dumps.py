"""What `dumpsys` prints on each Android version, in AOSP's formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from device_drivers.simulator.profile import Profile
from device_drivers.simulator.radio import SimCard

_NONE = 2147483647


@dataclass
class Body:
    """The changeable state of a handset."""

    battery_percent: int = 87
    battery_tenths_c: int = 291
    charging: bool = True
    rsrp_dbm: int = -93
    in_service: bool = True


def battery(body: Body, profile: Profile) -> str:
    """`dumpsys battery`."""
    dock = "  Dock powered: false\n" if profile.api_level >= 34 else ""
    return (
        "Current Battery Service state:\n  AC powered: false\n"
        f"  USB powered: {str(body.charging).lower()}\n  Wireless powered: false\n{dock}"
        "  Max charging current: 500000\n  Max charging voltage: 5000000\n  Charge counter: 2610000\n"
        f"  status: {2 if body.charging else 3}\n  health: 2\n  present: true\n"
        f"  level: {body.battery_percent}\n  scale: 100\n  voltage: 4231\n"
        f"  temperature: {body.battery_tenths_c}\n  technology: Li-ion\n"
    )


def telephony_registry(body: Body, profile: Profile, sims: Sequence[SimCard]) -> str:
    """`dumpsys telephony.registry`."""
    voice = "0(IN_SERVICE)" if body.in_service else "1(OUT_OF_SERVICE)"
    rsrp = body.rsrp_dbm if body.in_service else _NONE
    index = f" cqiTableIndex={_NONE}" if profile.api_level >= 34 else ""
    lines = ["last known state:"]
    for sim in sims:
        lines += [
            f"  Phone Id={sim.slot_index}",
            "    mCallState=0",
            "    mCallIncomingNumber=",
            f"    mServiceState={{mVoiceRegState={voice}, mDataRegState={voice}, mChannelNumber=1300,"
            f" duplexMode()=1, mOperatorAlphaLong={sim.operator}}}",
            "    mSignalStrength=SignalStrength:{mCdma=CellSignalStrengthCdma:"
            f" cdmaDbm={_NONE} cdmaEcio={_NONE} evdoDbm={_NONE} evdoEcio={_NONE} evdoSnr={_NONE} level=0,"
            f"mGsm=CellSignalStrengthGsm: rssi={_NONE} ber={_NONE} mTa={_NONE} mLevel=0,"
            f"mWcdma=CellSignalStrengthWcdma: ss={_NONE} ber={_NONE} rscp={_NONE} ecno={_NONE} level=0,"
            f"mTdscdma=CellSignalStrengthTdscdma: rssi={_NONE} ber={_NONE} rscp={_NONE} level=0,"
            f"mLte=CellSignalStrengthLte: rssi=-67 rsrp={rsrp} rsrq=-10 rssnr={_NONE}{index} cqi={_NONE}"
            f" ta={_NONE} level=3,mNr=CellSignalStrengthNr:{{ csiRsrp = {_NONE} csiRsrq = {_NONE}"
            f" csiSinr = {_NONE} ssRsrp = {_NONE} ssRsrq = {_NONE} ssSinr = {_NONE} level = 0 }},"
            "primary=CellSignalStrengthLte}",
        ]
    lines += [
        "local logs:",
        "  Phone Id=0",
        "    mServiceState={mVoiceRegState=3(POWER_OFF)}",
        "registrations: count=0",
    ]
    return "\n".join(lines) + "\n"


def isub(profile: Profile, sims: Sequence[SimCard]) -> str:
    """`dumpsys isub`; the tail of an ICCID and the number are masked, as on user builds."""
    default = sims[0].subscription_id if sims else -1
    return _isub_service(sims, default) if profile.isub_is_service else _isub_controller(sims, default)


def _isub_controller(sims: Sequence[SimCard], default: int) -> str:
    lines = ["SubscriptionController:", f" defaultSubId={default}", f" defaultSmsSubId={default}"]
    lines += [f" sSlotIndexToSubId[{s.slot_index}]: subIds={s.slot_index}=[{s.subscription_id}]" for s in sims]
    border = "++++++++++++++++++++++++++++++++"
    entries = [
        f"  {{id={s.subscription_id}, iccId={_masked(s)} simSlotIndex={s.slot_index} displayName={s.operator}"
        f" carrierName={s.operator} nameSource=0 iconTint=-16746133 mNumber=[****] dataRoaming=0 iconBitmap=null"
        f" mcc {s.mcc_mnc[0]} mnc {s.mcc_mnc[1]} isEmbedded false}}"
        for s in sims
    ]
    lines += [border, " ActiveSubInfoList:", *entries, border, " AllSubInfoList:", *entries, border]
    return "\n".join(lines) + "\n"


def _isub_service(sims: Sequence[SimCard], default: int) -> str:
    lines = ["SubscriptionManagerService:", "Logical SIM slot sub id mapping:"]
    lines += [f"  Logical SIM slot {s.slot_index}: subId={s.subscription_id}" for s in sims]
    lines += [f"defaultSubId={default}", f"defaultSmsSubId={default}", "Active subscriptions:"]
    entries = [
        f"  [SubscriptionInfoInternal: id={s.subscription_id} iccId={_masked(s)} simSlotIndex={s.slot_index}"
        f" portIndex=0 isEmbedded=0 displayName={s.operator} carrierName={s.operator} isOpportunistic=0"
        f" number=[****] mcc={s.mcc_mnc[0]} mnc={s.mcc_mnc[1]}]"
        for s in sims
    ]
    return "\n".join([*lines, *entries, "All subscriptions:", *entries]) + "\n"


def _masked(sim: SimCard) -> str:
    return f"{sim.iccid[:9]}[****]"
