"""An opt-out with all that follows from it, in the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from host_controller.consent.opt_outs import EVERY_BRAND, Origin, add_opt_out
from host_controller.messaging.transitions import cancel_queued
from host_controller.rules.states import FailureCode


@dataclass(frozen=True)
class OptedOut:
    """What an opt-out did."""

    is_new: bool
    """False where this source had already said so."""
    cancelled: int
    """Queued messages that were cancelled."""


def opt_out(
    session: Session,
    number: str,
    origin: Origin,
    *,
    now: datetime,
    brand: str = EVERY_BRAND,
    since: datetime | None = None,
) -> OptedOut:
    """Put a number (E.164) on the list and cancel what is queued for it."""
    is_new = add_opt_out(session, number, origin, now=now, brand=brand, since=since)
    cancelled = cancel_queued(
        session,
        number,
        now=now,
        actor=origin.actor,
        reason="the recipient has opted out",
        failure=FailureCode.OPTED_OUT,
        brand=brand,
    )
    return OptedOut(is_new, cancelled)
