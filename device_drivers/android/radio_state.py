"""Reader of `dumpsys telephony.registry`: service and signal of each slot. Pure; None where the phone does not say."""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNKNOWN = 2147483647
_IN_SERVICE = 0  # android.telephony.ServiceState
_GSM_ASU_UNKNOWN = 99
_WEAKEST_DBM, _STRONGEST_DBM = -160, -20
_PHONE_BLOCK = re.compile(r"^\s*Phone Id=(\d{1,3})\s*$", re.MULTILINE)
# 5 to 8 write the number alone, 9 on `{mVoiceRegState=0(IN_SERVICE)`.
_SERVICE_STATE = re.compile(r"^\s*mServiceState=\{?(?:mVoiceRegState=)?(\d{1,3})", re.MULTILINE)
_NAMED_SIGNAL = re.compile(r"^\s*mSignalStrength=(SignalStrength:\{.*\})\s*$", re.MULTILINE)
_PLAIN_SIGNAL = re.compile(r"^\s*mSignalStrength=SignalStrength: (-?\d{1,10}(?: -?\d{1,10}){8,40})", re.MULTILINE)
# Which figure stands for the bars, by the radio technology that Android calls primary.
_NAMED_FIELDS = {
    "CellSignalStrengthLte": re.compile(r"mLte=CellSignalStrengthLte:[^,]*? rsrp ?= ?(-?\d{1,10})"),
    "CellSignalStrengthNr": re.compile(r"mNr=CellSignalStrengthNr:[^,]*? ssRsrp ?= ?(-?\d{1,10})"),
    "CellSignalStrengthGsm": re.compile(r"mGsm=CellSignalStrengthGsm: rssi ?= ?(-?\d{1,10})"),
    "CellSignalStrengthWcdma": re.compile(r"mWcdma=CellSignalStrengthWcdma:[^,]*? rscp ?= ?(-?\d{1,10})"),
    "CellSignalStrengthTdscdma": re.compile(r"mTdscdma=CellSignalStrengthTdscdma:[^,]*? rscp ?= ?(-?\d{1,10})"),
}
# Positions that hold from Android 5 to 9.
_GSM_ASU, _LTE_RSRP = 0, 8


@dataclass(frozen=True)
class RadioState:
    """One slot's radio."""

    slot_index: int
    in_service: bool | None
    signal_dbm: int | None


def parse_radio(registry: str) -> tuple[RadioState, ...]:
    """Give one entry for each slot, from the dump's last known state only: later logs repeat the field names."""
    state = registry.split("local logs", 1)[0]
    blocks = _PHONE_BLOCK.split(state)[1:]
    return tuple(
        RadioState(int(slot), _in_service(block), _signal_dbm(block))
        for slot, block in zip(blocks[::2], blocks[1::2], strict=True)
    )


def _in_service(block: str) -> bool | None:
    match = _SERVICE_STATE.search(block)
    return int(match[1]) == _IN_SERVICE if match else None


def _signal_dbm(block: str) -> int | None:
    named, plain = _NAMED_SIGNAL.search(block), _PLAIN_SIGNAL.search(block)
    if named:
        return _plausible(_named_dbm(named[1]))
    return _plausible(_plain_dbm([int(word) for word in plain[1].split(" ")])) if plain else None


def _named_dbm(strength: str) -> int:
    primary = re.search(r",\s?primary=(\w+)\}", strength)
    field = _NAMED_FIELDS.get(primary[1]) if primary else None
    match = field.search(strength) if field else None
    return int(match[1]) if match else _UNKNOWN


def _plain_dbm(fields: list[int]) -> int:
    if fields[_LTE_RSRP] != _UNKNOWN:
        # Some radios give it without its sign.
        return -abs(fields[_LTE_RSRP])
    asu = fields[_GSM_ASU]
    return -113 + 2 * asu if 0 <= asu < _GSM_ASU_UNKNOWN else _UNKNOWN


def _plausible(dbm: int) -> int | None:
    return dbm if _WEAKEST_DBM <= dbm <= _STRONGEST_DBM else None
