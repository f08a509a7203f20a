"""What has changed about a phone since it was last here: another socket, another SIM, another build. Pure.

Each of these can mean that a message would leave from a SIM that nobody meant. So each stops the SIMs that it touches
until a person confirms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from device_drivers.base import Sim


class ChangeKind(StrEnum):
    """What kind of change it is."""

    MOVED = "moved"
    OS_CHANGED = "os_changed"
    SIM_SWAPPED = "sim_swapped"
    SIM_ADDED = "sim_added"


@dataclass(frozen=True)
class Change:
    """One change, in words; `slot_index` None touches every SIM of the phone."""

    kind: ChangeKind
    words: str
    slot_index: int | None = None


@dataclass(frozen=True)
class KnownSim:
    """A SIM as it was on record."""

    slot_index: int
    subscription_id: int
    iccid: str | None


@dataclass(frozen=True)
class KnownPhone:
    """A phone as it was on record."""

    usb_path: str | None
    build_fingerprint: str
    sims: tuple[KnownSim, ...]
    """Those that were active."""


def find_changes(
    known: KnownPhone, *, usb_path: str | None, build_fingerprint: str, sims: Sequence[Sim]
) -> tuple[Change, ...]:
    """Compare a phone with its record. A phone that is reached over TCP has no place that could change."""
    changes = []
    if known.usb_path and usb_path and known.usb_path != usb_path:
        words = f"the phone was moved from USB port {known.usb_path} to {usb_path}"
        changes.append(Change(ChangeKind.MOVED, words))
    if known.build_fingerprint != build_fingerprint:
        words = f"its Android changed from {known.build_fingerprint} to {build_fingerprint}"
        changes.append(Change(ChangeKind.OS_CHANGED, words))
    before = {sim.slot_index: sim for sim in known.sims}
    for sim in sims:
        old = before.get(sim.slot_index)
        if old is None:
            words = "a SIM was put into a slot that was empty"
            changes.append(Change(ChangeKind.SIM_ADDED, words, sim.slot_index))
        elif not _same_card(old, sim):
            words = "another SIM is in the slot"
            changes.append(Change(ChangeKind.SIM_SWAPPED, words, sim.slot_index))
    return tuple(changes)


def _same_card(old: KnownSim, new: Sim) -> bool:
    """Android gives every card its own subscription id; the ICCID may be masked, or not readable yet."""
    same_iccid = old.iccid is None or new.iccid is None or old.iccid == new.iccid
    return same_iccid and old.subscription_id == new.subscription_id
