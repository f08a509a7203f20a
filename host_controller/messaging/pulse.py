"""When the rack could send last, and what follows from a long time in which it could not.

A lane whose phone is ready and whose SIMs nobody holds says so before it looks for a message: that is the sign of life.
It takes in every outage alike: no daemon, no power for the phones, no network, a rack that was stopped.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from host_controller.errors import StoreError
from host_controller.messaging.stale import OpensAt, hold_stale
from host_controller.rules.outage import Outage
from host_controller.rules.ramp import NO_RAMP, Ramp
from host_controller.settings import Settings
from host_controller.store.models import RackRecord
from host_controller.store.store import Store

_log = logging.getLogger(__name__)
# On disk the sign may be so much older than it is: an outage of hours is told well enough, for a write now and then.
_WRITTEN_EVERY = timedelta(minutes=5)
# A restart, an upgrade, or a reboot of the host with all its phones takes less: after those nothing is slowed.
RAMP_AFTER = timedelta(hours=1)
# Clocks of lanes, and a clock that is set right by a little, are not worth a word.
_IS_BACK_AFTER = timedelta(minutes=5)
# A clock that is behind is believed after so long: after a boot it may be so until the network has told the time.
_BELIEVED_AFTER = timedelta(minutes=15)
# No clock is right that shows an earlier time: a host without a battery begins in 1970.
_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
_ROW = 1


class Pulse:
    """The rack's sign of life. Thread-safe."""

    def __init__(self, store: Store, settings: Settings, opens_at: OpensAt) -> None:
        """Load what is on record. Raises StoreError."""
        self._store = store
        self._opens_at = opens_at
        self._stale_after = timedelta(hours=settings.messages.stale_after_h)
        self._ramp_lasts = timedelta(minutes=settings.ramp_up.minutes)
        self._lock = threading.Lock()
        with store.reading() as session:
            record = session.get(RackRecord, _ROW)
            # A rack that has never sent has had no outage.
            self._able_at = self._written_at = record.able_at if record else None
            last = _last_outage(record)
        self._ramp = NO_RAMP
        if last is not None:
            self._ramp = self._ramp_after(last)
        marks = [after for after in (self._stale_after, self._ramp_lasts and RAMP_AFTER) if after]
        self._shortest = min(marks, default=timedelta.max)
        self._behind_since: datetime | None = None

    def ramp(self) -> Ramp:
        """What slows the SIMs since the last outage, or did."""
        return self._ramp

    def beat(self, now: datetime) -> bool:
        """A SIM is free to send: to be called before a message is looked for, and not within a work of the writer.

        True after an outage: to hold what is stale took its time, and whatever was looked at before, the phone and the
        queue, must be looked at again. Nobody gets by before that is done. Raises StoreError then: nothing may be sent
        yet.
        """
        self._look_back(now)
        was_late = self._is_late(now)
        if not was_late:
            if self._able_at is None or now > self._able_at:
                self._able_at = now
            if self._written_at is not None and now - self._written_at < _WRITTEN_EVERY:
                return False
        with self._lock:
            is_noted = self._written_at is not None and now - self._written_at < _WRITTEN_EVERY
            if self._is_late(now) or not is_noted:
                self._take_note(now)
        return was_late

    def _look_back(self, now: datetime) -> None:
        """Take the sign for one of a clock that was ahead, where the clock has been behind it for long.

        It would hide every outage until its time comes.
        """
        able_at = self._able_at
        if able_at is None or able_at - now <= _IS_BACK_AFTER:
            self._behind_since = None
            return
        with self._lock:
            if self._behind_since is None or now < self._behind_since:
                self._behind_since = now
            elif now - self._behind_since >= _BELIEVED_AFTER and now >= _EARLIEST:
                _log.warning("the clock was set back from %s; outages are told by what it shows now", able_at)
                self._able_at, self._written_at, self._behind_since = now, None, None

    def _is_late(self, now: datetime) -> bool:
        return self._able_at is not None and now - self._able_at >= self._shortest

    def _take_note(self, now: datetime) -> None:
        if self._is_late(now) and self._able_at is not None:
            self._end(Outage(self._able_at, now))
        else:
            # A sign that is not written makes an outage look longer by minutes: no lane should stumble over that.
            with suppress(StoreError):
                self._store.write(lambda session: _write(session, now, None))
        self._written_at = now
        # Last of all: from here on the others pass.
        self._able_at = max(now, self._able_at or now)

    def _end(self, outage: Outage) -> None:
        held = 0
        if timedelta() < self._stale_after < outage.length:
            held = hold_stale(self._store, outage, self._stale_after, self._opens_at)
        self._store.write(lambda session: _write(session, outage.until, outage))
        self._tell(outage, held)
        self._ramp = self._ramp_after(outage)

    def _ramp_after(self, outage: Outage) -> Ramp:
        return Ramp.up(outage.until, self._ramp_lasts) if outage.length >= RAMP_AFTER else self._ramp

    def _tell(self, outage: Outage, held: int) -> None:
        hours = outage.length / timedelta(hours=1)
        if held:
            _log.error(
                "nothing could be sent for %.1f h: %s messages are held; `smsrack stale` releases or cancels them",
                hours,
                held,
            )
        else:
            _log.info("nothing could be sent for %.1f h", hours)


def _last_outage(record: RackRecord | None) -> Outage | None:
    if record is None or record.outage_since is None or record.outage_until is None:
        return None
    return Outage(record.outage_since, record.outage_until)


def _write(session: Session, now: datetime, outage: Outage | None) -> None:
    record = session.get(RackRecord, _ROW)
    if record is None:
        record = RackRecord(id=_ROW, able_at=now)
        session.add(record)
    record.able_at = now
    if outage is not None:
        record.outage_since, record.outage_until = outage.since, outage.until
