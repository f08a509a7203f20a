"""The end of waiting for proof: what is overdue becomes `unknown`, whether its phone is there or not."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from device_drivers.failpoints import failpoint
from host_controller.events import Bells
from host_controller.messaging import attempts, unproven
from host_controller.messaging.attempts import Verdict
from host_controller.rules.states import Evidence
from host_controller.rules.timings import Timings
from host_controller.store.models import AttemptRecord
from host_controller.store.store import Store

_log = logging.getLogger(__name__)
_ACTOR = "sweep"


def sweep_overdue(store: Store, bells: Bells, timings: Timings, now: datetime) -> int:
    """Settle as unknown every open attempt past the horizon; give how many. A late row can still prove them."""
    before = now - timedelta(seconds=timings.confirm_horizon_s)
    with store.reading() as session:
        if not unproven.overdue_attempts(session, before) and not unproven.future_attempts(session, now):
            return 0

    def work(session: Session) -> int:
        for attempt_id in unproven.future_attempts(session, now):
            # The host's clock was set back: the horizon counts from here, not from a time that is yet to come.
            session.get_one(AttemptRecord, attempt_id).intent_at = now
        overdue = unproven.overdue_attempts(session, before)
        for attempt_id in overdue:
            reason = f"no row in the phone's sent box within {timings.confirm_horizon_s:g} s; it may have left"
            attempts.settle_unknown(session, attempt_id, Verdict(now, _ACTOR, reason, Evidence.NONE))
        return len(overdue)

    failpoint("unknown.before")
    count = store.write(work)
    failpoint("unknown.after")
    bells.ring()  # the lanes remember what is open
    if count:
        _log.warning("%s messages are without proof and are now unknown", count)
    return count
