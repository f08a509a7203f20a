"""Which SIM a recipient or a batch is bound to: the same sender for the same person, and SIMs in turn. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from host_controller.rules.waiting import Wait


@dataclass(frozen=True, slots=True)
class Sticky:
    """The SIM that wrote to a recipient last, and when."""

    sim_id: int
    last_at: datetime


@dataclass(frozen=True)
class StickyRule:
    """How long a recipient keeps a SIM."""

    expires_after: timedelta = timedelta(days=30)
    """Since the last message."""
    fails_over_after: timedelta = timedelta(minutes=10)
    """A SIM that is held for longer than this, or will be, is not waited for."""


def is_kept(sticky: Sticky, rule: StickyRule, wait: Wait | None, away_since: datetime | None, now: datetime) -> bool:
    """Say whether a message must leave from the SIM that the recipient knows.

    `wait` is what holds it there, `away_since` since when the SIM as a whole has been held.
    """
    if now - sticky.last_at >= rule.expires_after:
        return False
    if wait is None:
        return True
    if away_since is not None and now - away_since >= rule.fails_over_after:
        return False
    if wait.until is None:
        # No time can be told: it is waited for as long as it is not known to be away for long.
        return away_since is not None
    return wait.until - now <= rule.fails_over_after


class SimMode(StrEnum):
    """How a batch is spread over the SIMs that were named for it."""

    AUTO = "auto"
    """Any SIM."""
    SINGLE = "single"
    """The one that was named."""
    SPLIT = "split"
    """Those that were named, in turn."""


def sims_for(mode: SimMode, sim_ids: Sequence[int], index: int) -> frozenset[int] | None:
    """The SIMs that message `index` of a batch, from 0, may leave from; None for any."""
    if mode is SimMode.AUTO or not sim_ids:
        return None
    place = index % len(sim_ids) if mode is SimMode.SPLIT else 0
    return frozenset((sim_ids[place],))
