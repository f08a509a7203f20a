"""Reader of `dumpsys isub`: which SIM is in which slot. Pure.

Formats: Android 5.0 (`mSimInfo`, `mSubId`), 5.1 to 8 (`sSlotIdxToSubId`), 9 (`sSlotIndexToSubId[0]: subId=1`), 10 to 13
(`subIds=0=[1]`), 14 on (SubscriptionManagerService).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from device_drivers.base import Sim

# A display name is the user's own text: only lines of the active block count, each from its start.
_ACTIVE_BLOCK = re.compile(r"^( *)(?:ActiveSubInfoList|Active subscriptions):\s*\n((?:\1 +[{\[].*\n?)*)", re.MULTILINE)
_SUBSCRIPTION = re.compile(
    r"^ +(?:\{id|\[SubscriptionInfoInternal: id|\{mSubId)=(\d{1,10}),? m?[iI]ccId=(\S*) "
    r"(?:simSlotIndex|mSlotId)=(\d{1,3}) ",
    re.MULTILINE,
)
_DEFAULT_SMS = re.compile(r"^ ?defaultSmsSubId=(\d{1,10})\s*$", re.MULTILINE)


def parse_sims(isub: str, operators: str) -> tuple[Sim, ...]:
    """Read the active subscriptions, by slot; `operators` is `gsm.sim.operator.alpha`, one name for each slot."""
    block = _ACTIVE_BLOCK.search(isub.replace("\r\n", "\n"))
    names = per_slot(operators)
    sims = [
        Sim(int(slot), int(subscription_id), iccid or None, names[int(slot)] if int(slot) < len(names) else None)
        for subscription_id, iccid, slot in _SUBSCRIPTION.findall(block[2] if block else "")
    ]
    return tuple(sorted(sims, key=lambda sim: sim.slot_index))


def per_slot(values: str) -> list[str | None]:
    """Split a property that holds one value for each slot; an empty one is None."""
    return [value.strip() or None for value in values.strip("\r\n").split(",")]


def default_sms_subscription(isub: str) -> int | None:
    """Give the subscription that messaging apps send from."""
    found = _DEFAULT_SMS.search(isub)
    return int(found[1]) if found else None


def mapping_line(isub: str, sim: Sim) -> str | None:
    """Find the line of this dump that says that this SIM is in this slot, or None.

    It anchors each send to its SIM: the framework takes an unknown subscription id for the default one.
    """
    lines = {line.strip() for line in isub.split("\n")}
    return next((line for line in _mappings(sim.slot_index, sim.subscription_id) if line in lines), None)


def _mappings(slot: int, subscription_id: int) -> Sequence[str]:
    return (
        f"Logical SIM slot {slot}: subId={subscription_id}",
        f"sSlotIndexToSubId[{slot}]: subIds={slot}=[{subscription_id}]",
        f"sSlotIndexToSubId[{slot}]: subId={subscription_id}",
        f"sSlotIdxToSubId[{slot}]: subId={subscription_id}",
        f"mSimInfo[{slot}]: subId={subscription_id}",
    )
