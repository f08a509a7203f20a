"""What remote phones ask for: to be handed messages, to report on them, and to be heard of at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from device_drivers.failpoints import failpoint
from host_controller.messaging import attempts, remote_figures, remote_reports
from host_controller.messaging.attempts import Verdict
from host_controller.messaging.dispatcher import Dispatcher
from host_controller.messaging.leases import lease_until, parts_in_hands
from host_controller.messaging.remote_phone import RemotePhone
from host_controller.messaging.remote_phones import RemotePhones
from host_controller.messaging.remote_terms import (
    Handed,
    Heartbeat,
    PickUp,
    Reconciled,
    RemoteFigures,
    Report,
    ReportOutcome,
    SimFigures,
)
from host_controller.messaging.taking import Blown, Idle, Taken
from host_controller.rules.states import Evidence
from host_controller.rules.timings import Timings
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.store.models import AttemptRecord
from host_controller.store.refusals import RefusedMeanwhileError
from host_controller.store.store import Store

MOST_COUNTED = 1000
"""So many messages that wait are counted at most: the app only wants to know whether to ask."""
_LIMITS = (WaitReason.HOUR, WaitReason.QUOTA, WaitReason.MONTH, WaitReason.RECIPIENTS, WaitReason.RESERVE)


class RemoteCare:
    """All remote phones of the rack. Thread-safe."""

    def __init__(
        self,
        store: Store,
        phones: RemotePhones,
        dispatcher: Dispatcher,
        timings: Timings,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._phones = phones
        self._shared = dispatcher
        self._timings = timings
        self._clock = clock

    def refresh(self) -> None:
        """Somebody has added a phone, taken one out, or changed limits."""
        self._phones.refresh()

    def heartbeat(self, phone_id: int, beat: Heartbeat) -> None:
        """It is there; what it does not say of itself stays as it was. Raises UnknownPhoneError or StoreError."""
        phone, now = self._phones.get(phone_id), self._clock()
        said = {"battery_percent": beat.battery_percent, "signal_dbm": beat.signal_dbm}
        values: dict[str, object] = {name: value for name, value in said.items() if value is not None}
        values |= {"heartbeat_at": now, "unsynced_count": beat.unsynced_count}
        phone.note(values)
        phone.heartbeat_at = now
        phone.blocked(now)  # lets the others know that it takes messages

    def pick_up(self, phone_id: int, limit: int, *, parts_per_day: int | None = None) -> PickUp:
        """Hand it up to `limit` messages, each under a lease.

        What it is handed is on record before it is answered; an answer that is lost leaves messages that the phone
        never reports on. Raises UnknownPhoneError or StoreError.
        """
        with self._phones.held(phone_id) as phone:
            now, refusals = self._clock(), self._store.refusals
            phone.bound_day(now, parts_per_day)
            blocked = phone.blocked(now)
            if blocked is not None:
                return self._nothing(phone, blocked, now)
            stamp = refusals.stamp()
            try:
                failpoint("intent.before")
                taken, outcome = self._store.write(lambda session: self._take(session, phone, now, limit))
                failpoint("intent.after")
            except Exception:
                phone.recount(now)
                raise
            if isinstance(outcome, Blown):
                self._shared.hold_rack(outcome.words, now)
            elif not taken and outcome is not None:
                return self._nothing(phone, outcome, now)
            phone.tell(None)
            handed = [self._handed(one, stamp, phone, now) for one in taken]
        return PickUp(tuple(sorted((one for one in handed if one), key=lambda one: one.message_id)))

    def report(self, phone_id: int, reports: Sequence[Report]) -> list[ReportOutcome]:
        """Take what it says of messages, in one transaction and in this order. Raises StoreError."""
        self._phones.get(phone_id)
        now = self._clock()

        def work(session: Session) -> list[ReportOutcome]:
            last = remote_reports.last_attempts(session, phone_id, [report.message_id for report in reports])
            return [remote_reports.take_report(session, last.get(report.message_id), report, now) for report in reports]

        failpoint("proof.before")
        outcomes = self._store.write(work)
        failpoint("proof.after")
        if any(report.error is not None for report in reports):
            # What did not leave counts no more against any limit.
            self._shared.rules.forget()
            with self._phones.held(phone_id) as phone:
                phone.recount(now)
        return outcomes

    def reconcile(self, phone_id: int, message_ids: Sequence[int]) -> Reconciled:
        """Say what is known of messages that it could not report on. Raises UnknownPhoneError or StoreError."""
        self._phones.get(phone_id).note({"reconciled_at": self._clock()})
        with self._store.reading() as session:
            return remote_reports.reconcile(session, phone_id, message_ids)

    def figures(self, phone_id: int) -> RemoteFigures:
        """Give what it has sent and what waits for it. Raises UnknownPhoneError or StoreError."""
        phone, now = self._phones.get(phone_id), self._clock()
        pending = phone.count(now, MOST_COUNTED)
        with self._store.reading() as session:
            in_hands = remote_figures.leased(session, [sim.sim_id for sim in phone.enrolled.sims])
            sims = tuple(_sim(session, phone, n, pending, in_hands, now) for n in range(len(phone.enrolled.sims)))
        return RemoteFigures(phone_id, phone.serial, phone.is_online(now), sims)

    def _take(
        self, session: Session, phone: RemotePhone, now: datetime, limit: int
    ) -> tuple[list[Taken], Idle | Blown | Wait | None]:
        taken, outcome = phone.take(session, now, limit)
        for sim in phone.enrolled.sims:
            ids = [claim.attempt_id for claim, used in taken if used.sim_id == sim.sim_id]
            if ids:
                until = lease_until(now, parts_in_hands(session, sim.sim_id), sim.parts_per_minute, self._timings)
                leased = update(AttemptRecord).where(AttemptRecord.id.in_(ids)).values(lease_until=until)
                session.connection().execute(leased)
        return taken, outcome

    def _nothing(self, phone: RemotePhone, why: Idle | Wait | Blown, now: datetime) -> PickUp:
        phone.tell(why if isinstance(why, Wait) else None)
        if not isinstance(why, Wait) or why.reason not in _LIMITS:
            return PickUp(())
        if not phone.count(now, 1):
            return PickUp(())  # a limit is spent, but nothing waits for it
        return PickUp((), True, None if why.until is None else max(0.0, (why.until - now).total_seconds()))

    def _handed(self, taken: Taken, stamp: int, phone: RemotePhone, now: datetime) -> Handed | None:
        """Give it as the phone gets it; None where its recipient has opted out since the claim began."""
        claim, sim = taken
        message = claim.message
        try:
            with self._store.refusals.last_look(message.msisdn, stamp):
                pass
        except RefusedMeanwhileError:
            reason = "the recipient opted out before it was handed over"
            verdict = Verdict(now, f"remote phone {phone.serial}", reason, Evidence.OPTED_OUT)

            def give_back(session: Session) -> None:
                attempts.settle_not_sent(session, claim.attempt_id, verdict, self._timings)
                self._shared.rules.take_back(message, claim.intent_at)

            failpoint("not_sent.before")
            self._store.write(give_back)
            failpoint("not_sent.after")
            phone.recount(now)
            return None
        bound = sim.msisdn or "" if message.only_sim_id is not None else ""
        return Handed(message.message_id, message.msisdn, message.text, f"{message.uid:032x}", bound)


def _sim(
    session: Session, phone: RemotePhone, n: int, pending: Mapping[int, int], in_hands: Mapping[int, int], now: datetime
) -> SimFigures:
    sim = phone.enrolled.sims[n]
    today, month = remote_figures.starts(phone.limits(sim.sim_id), now)
    return SimFigures(
        sim.msisdn or "",
        remote_figures.sent_parts(session, sim.sim_id, today),
        sim.parts_per_day or 0,
        remote_figures.sent_parts(session, sim.sim_id, month),
        sim.parts_per_month or 0,
        remote_figures.sent_parts(session, sim.sim_id),
        pending.get(sim.sim_id, 0),
        in_hands.get(sim.sim_id, 0),
        sim.parts_per_minute,
    )
