"""The end of waiting for proof: what is overdue becomes `unknown`, whether its phone is there or not."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from host_controller.messaging import attempts
from host_controller.rules.timings import Timings
from host_controller.store.store import Store

_log = logging.getLogger(__name__)
_ACTOR = "sweep"


def sweep_overdue(store: Store, timings: Timings, now: datetime) -> int:
    """Settle as unknown every open attempt past the horizon; give how many. A late row can still prove them."""
    before = now - timedelta(seconds=timings.confirm_horizon_s)
    with store.reading() as session:
        if not attempts.overdue_attempts(session, before):
            return 0

    def work(session: Session) -> int:
        overdue = attempts.overdue_attempts(session, before)
        for attempt_id in overdue:
            reason = f"no row in the phone's sent box within {timings.confirm_horizon_s:g} s; it may have left"
            attempts.settle_unknown(session, attempt_id, now=now, actor=_ACTOR, reason=reason)
        return len(overdue)

    count = store.write(work)
    _log.warning("%s messages are without proof and are now unknown", count)
    return count
