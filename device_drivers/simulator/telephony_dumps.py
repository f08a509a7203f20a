"""What `dumpsys` prints about SIMs and their radios on each Android version, in AOSP's formats."""

from __future__ import annotations

from collections.abc import Sequence

from device_drivers.simulator.dumps import Body
from device_drivers.simulator.profile import Profile
from device_drivers.simulator.radio import SimCard

_NONE = 2147483647
_BORDER = "++++++++++++++++++++++++++++++++"


def telephony_registry(body: Body, profile: Profile, sims: Sequence[SimCard]) -> str:
    """`dumpsys telephony.registry`."""
    lines = ["last known state:"]
    indent = "    " if profile.api_level >= 28 else "  "
    for sim in sims:
        lines.append(f"  Phone Id={sim.slot_index}")
        state, strength = _service_state(body, profile, sim), _signal_strength(body, profile)
        lines += [indent + line for line in ("mCallState=0", f"mServiceState={state}", f"mSignalStrength={strength}")]
    lines += [
        "local logs:",
        "  Phone Id=0",
        "    mServiceState={mVoiceRegState=3(POWER_OFF)}",
        "registrations: count=0",
    ]
    return "\n".join(lines) + "\n"


def _service_state(body: Body, profile: Profile, sim: SimCard) -> str:
    state = 0 if body.in_service else 1
    number = "".join(sim.mcc_mnc)
    if profile.api_level >= 28:
        words = f"{state}({'IN_SERVICE' if body.in_service else 'OUT_OF_SERVICE'})"
        roaming = "roaming" if body.roaming else "home"
        kind = f"mVoiceRoamingType={roaming}, " if profile.api_level >= 29 else f"voice {roaming}, "
        return (
            f"{{mVoiceRegState={words}, mDataRegState={words}, mChannelNumber=1300, duplexMode()=1, {kind}"
            f"mVoiceOperatorAlphaLong={sim.operator}, mOperatorNumeric={number}}}"
        )
    roaming = "roaming" if body.roaming else "home"
    names = f"{sim.operator} {sim.operator} {number}"
    return f"{state} {state} voice {roaming} data {roaming} {names} LTE LTE CSS not supported"


def _signal_strength(body: Body, profile: Profile) -> str:
    rsrp = body.rsrp_dbm if body.in_service else _NONE
    if profile.api_level >= 29:
        return _named_strength(rsrp, profile)
    fields = [99, 0, -120, -160, -120, -160, -1, 31 if body.in_service else 99, rsrp, -10, 120, _NONE]
    if profile.api_level >= 26:
        fields.append(0)  # lteRsrpBoost
    if profile.api_level >= 24:
        fields.append(_NONE)  # tdscdmaRscp
    if profile.api_level == 28:
        fields += [99, 255, -120]  # wcdma
        return (
            "SignalStrength: "
            + " ".join(map(str, fields))
            + " gsm|lte use_only_rsrp_for_lte_level rscp [-128, -118] [-115, -105]"
        )
    return "SignalStrength: " + " ".join(map(str, fields)) + " gsm|lte"


def _named_strength(rsrp: int, profile: Profile) -> str:
    index = f" cqiTableIndex={_NONE}" if profile.api_level >= 34 else ""
    return (
        f"SignalStrength:{{mCdma=CellSignalStrengthCdma: cdmaDbm={_NONE} cdmaEcio={_NONE} evdoDbm={_NONE}"
        f" evdoEcio={_NONE} evdoSnr={_NONE} level=0,"
        f"mGsm=CellSignalStrengthGsm: rssi={_NONE} ber={_NONE} mTa={_NONE} mLevel=0,"
        f"mWcdma=CellSignalStrengthWcdma: ss={_NONE} ber={_NONE} rscp={_NONE} ecno={_NONE} level=0,"
        f"mTdscdma=CellSignalStrengthTdscdma: rssi={_NONE} ber={_NONE} rscp={_NONE} level=0,"
        f"mLte=CellSignalStrengthLte: rssi=-67 rsrp={rsrp} rsrq=-10 rssnr={_NONE}{index} cqi={_NONE}"
        f" ta={_NONE} level=3,mNr=CellSignalStrengthNr:{{ csiRsrp = {_NONE} csiRsrq = {_NONE}"
        f" csiSinr = {_NONE} ssRsrp = {_NONE} ssRsrq = {_NONE} ssSinr = {_NONE} level = 0 }},"
        "primary=CellSignalStrengthLte}"
    )


def isub(profile: Profile, sims: Sequence[SimCard]) -> str:
    """`dumpsys isub`; from Android 6 on the tail of an ICCID is masked, as on user builds."""
    default = sims[0].subscription_id if sims else -1
    if profile.api_level >= 34:
        return _isub_service(sims, default)
    lines = ["SubscriptionController:", f" defaultSubId={default}", f" defaultSmsSubId={default}"]
    lines += [" " + _mapping(profile, sim) for sim in sims]
    entries = ["  " + _entry(profile, sim) for sim in sims]
    lines += [_BORDER, " ActiveSubInfoList:", *entries, _BORDER, " AllSubInfoList:", *entries, _BORDER]
    return "\n".join(lines) + "\n"


def _mapping(profile: Profile, sim: SimCard) -> str:
    if profile.api_level == 21:
        return f"mSimInfo[{sim.slot_index}]: subId={sim.subscription_id}"
    if profile.api_level <= 27:
        return f"sSlotIdxToSubId[{sim.slot_index}]: subId={sim.subscription_id}"
    if profile.api_level == 28:
        return f"sSlotIndexToSubId[{sim.slot_index}]: subId={sim.subscription_id}"
    return f"sSlotIndexToSubId[{sim.slot_index}]: subIds={sim.slot_index}=[{sim.subscription_id}]"


def _entry(profile: Profile, sim: SimCard) -> str:
    if profile.api_level == 21:
        return (
            f"{{mSubId={sim.subscription_id}, mIccId={sim.iccid} mSlotId={sim.slot_index} mDisplayName={sim.operator}"
            f" mNameSource=0 mColor=0 mNumber= mDisplayNumberFormat=1 mDataRoaming=0"
            f" mMcc {sim.mcc_mnc[0]} mMnc {sim.mcc_mnc[1]}}}"
        )
    comma = "," if profile.api_level <= 30 else ""
    return (
        f"{{id={sim.subscription_id}{comma} iccId={_iccid(profile, sim)} simSlotIndex={sim.slot_index}"
        f" displayName={sim.operator} carrierName={sim.operator} nameSource=0 iconTint=-16746133 mNumber=[****]"
        f" dataRoaming=0 iconBitmap=null mcc {sim.mcc_mnc[0]} mnc {sim.mcc_mnc[1]} isEmbedded false}}"
    )


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


def _iccid(profile: Profile, sim: SimCard) -> str:
    return sim.iccid if profile.api_level <= 22 else _masked(sim)


def _masked(sim: SimCard) -> str:
    return f"{sim.iccid[:9]}[****]"
