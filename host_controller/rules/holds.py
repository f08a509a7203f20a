"""What holds a message or a SIM apart from limits and hours, the weightiest reason first. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from host_controller.rules.waiting import Wait, WaitReason


@dataclass(frozen=True, slots=True)
class MessageFlags:
    """What is on record of a queued message."""

    restored: bool = False
    """It comes from a backup, and not every phone has said what it has sent since."""
    stale: bool = False
    """An outage has made it too late to go by itself."""
    batch_paused: bool = False
    retry_at: datetime | None = None
    """When it may be tried again, where it did not leave."""


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


def message_hold(flags: MessageFlags, now: datetime) -> Wait | None:
    """What holds a message on every SIM; None where nothing does."""
    if flags.restored:
        return Wait(None, WaitReason.RESTORED)
    if flags.stale:
        return Wait(None, WaitReason.STALE)
    if flags.batch_paused:
        return Wait(None, WaitReason.BATCH_PAUSED)
    if flags.retry_at is not None and flags.retry_at > now:
        return Wait(flags.retry_at, WaitReason.RETRY)
    return None


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
