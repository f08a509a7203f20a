"""What holds a SIM apart from its limits, the weightiest reason first. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from host_controller.rules.waiting import Wait, WaitReason


@dataclass(frozen=True, slots=True)
class SimFlags:
    """How a SIM stands."""

    paused: bool = False
    """By a person: the SIM, its phone or the whole rack."""
    phone_ready: bool = True
    stopped: bool = False
    """Something about it has changed, and a person must confirm it."""
    has_service: bool = True
    busy: bool = False
    """As many of its messages as may be are on their way."""


def sim_hold(flags: SimFlags) -> Wait | None:
    """What holds a SIM for every message; None where nothing does. No time can be told for any of it."""
    if flags.paused:
        return Wait(None, WaitReason.PAUSED)
    if not flags.phone_ready:
        return Wait(None, WaitReason.NO_PHONE)
    if flags.stopped:
        return Wait(None, WaitReason.STOPPED)
    if not flags.has_service:
        return Wait(None, WaitReason.NO_SERVICE)
    if flags.busy:
        return Wait(None, WaitReason.BUSY)
    return None
