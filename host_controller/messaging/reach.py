"""Whether any phone of the rack could ever take a message, by what is on record of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, joinedload

from device_drivers.base import SendGuard
from host_controller.fleet.phone_filter import FILTER_FIELDS
from host_controller.fleet.sim_limits import limits_of, rack_sim
from host_controller.rules.choice import QueuedMessage, SimView, never
from host_controller.rules.classes import MessageClass
from host_controller.rules.configured import prefix_caps
from host_controller.rules.limits import Reserve
from host_controller.rules.prefixes import PrefixTable
from host_controller.rules.quiet_hours import region_of
from host_controller.rules.recipient_filter import EVERYBODY, Facts, Node, parse_filter
from host_controller.rules.waiting import NeverReason
from host_controller.settings import Settings
from host_controller.store.models import PhoneRecord, SimRecord
from host_controller.text.msisdn import Msisdn

NEVER_WORDS = {
    NeverReason.NO_SUCH_PHONE: "the phone that it must leave from is not in the rack",
    NeverReason.NO_SUCH_SIM: "the SIM that it must leave from is not in the rack",
    NeverReason.CONTRADICTION: "the SIM that it must leave from is not in the phone that it must leave from",
    NeverReason.NO_MATCH: "the recipient filter of every phone that it may leave from is against its recipient; see"
    " `smsrack phones filter`",
    NeverReason.TOO_LONG: "it has more parts than any SIM that it may leave from ever sends of its class, or than the"
    " cap of its number ever lets through; see `smsrack phones limit` and `prefix_caps`",
}
# Whether a message could ever go does not depend on its age.
_NO_TIME = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message, as far as it matters who could take it."""

    msisdn: str = field(repr=False)
    message_class: MessageClass
    parts: int
    only_phone_id: int | None = None
    only_sim_id: int | None = None


def facts_of(msisdn: str, message_class: MessageClass, parts: int) -> Facts:
    """What is known of a message and its recipient, for the filters of phones; see FILTER_FIELDS."""
    return {"number": msisdn, "country": region_of(msisdn), "class": message_class.value, "parts": parts}


def filter_of(phone: PhoneRecord) -> Node:
    """Whom a phone may write to, as its record says."""
    return parse_filter(phone.recipient_filter, FILTER_FIELDS) if phone.recipient_filter else EVERYBODY


class Reach:
    """The SIMs on record, in the transaction of one call. What it is not asked for it does not read.

    With `absent`, SIMs count too that are not in their phone at the moment: what waits for one of them may still go.
    """

    def __init__(self, session: Session, settings: Settings, *, absent: bool = False) -> None:
        self._session = session
        self._settings = settings
        self._absent = absent
        caps = {prefix: cap.most_parts for prefix, cap in prefix_caps(settings.prefix_caps).items()}
        self._caps = PrefixTable(caps) if caps else None
        self._least_cap = min((parts for parts in caps.values() if parts is not None), default=None)
        self._sims: list[SimView] | None = None
        self._kind_views: list[SimView] | None = None
        self._rooms: tuple[bool, int | None] | None = None

    def never(self, letter: Letter) -> NeverReason | None:
        """Say why none of the SIMs could ever take a message; None where one could, or will when a phone comes."""
        if self._is_over_cap(letter):
            return NeverReason.TOO_LONG
        is_bound = letter.only_phone_id is not None or letter.only_sim_id is not None
        if not is_bound and self.takes_all(letter.message_class, letter.parts):
            return None
        only_sims = None if letter.only_sim_id is None else frozenset((letter.only_sim_id,))
        facts = facts_of(letter.msisdn, letter.message_class, letter.parts)
        message = QueuedMessage(
            0, letter.message_class, _NO_TIME, letter.parts, letter.msisdn, facts, letter.only_phone_id, only_sims
        )
        found = never(message, self.sims() if is_bound else self._kinds())
        return found.reason if found else None

    def takes_all(self, message_class: MessageClass, parts: int) -> bool:
        """Say by one small question whether no filter, and no limit or cap, can ever be against such a message."""
        if self._least_cap is not None and parts > self._least_cap:
            return False
        if self._rooms is None:
            filters, *least = self._session.connection().execute(_ROOMS[self._absent]).one()
            self._rooms = filters > 0, min((cap for cap in least if cap is not None), default=None)
        has_filters, least_cap = self._rooms
        if has_filters or least_cap is None:
            return not has_filters
        reserve = self._settings.reserve
        kept = Reserve(reserve.otp_percent, reserve.transactional_percent).of(least_cap)[message_class.rank]
        return parts <= least_cap - kept

    def sims(self) -> list[SimView]:
        """Every SIM, with its limits and the filter of its phone."""
        if self._sims is None:
            records = self._session.scalars(_SIMS[self._absent].options(joinedload(SimRecord.phone))).all()
            filters = {phone.id: filter_of(phone) for phone in {record.phone for record in records}}
            self._sims = [_view(record, filters[record.phone_id], self._settings) for record in records]
        return self._sims

    def _is_over_cap(self, letter: Letter) -> bool:
        found = self._caps.longest(Msisdn(letter.msisdn)) if self._caps else None
        return found is not None and found[1] is not None and letter.parts > found[1]

    def _kinds(self) -> list[SimView]:
        """One SIM of each kind: to a message for any SIM a hundred equal ones are one."""
        if self._kind_views is None:
            self._kind_views = list({(sim.recipients, sim.limits): sim for sim in self.sims()}.values())
        return self._kind_views


def _in_the_rack(query: Select[*tuple[Any, ...]], *, absent: bool) -> Select[*tuple[Any, ...]]:
    query = query.join(PhoneRecord, PhoneRecord.id == SimRecord.phone_id).where(PhoneRecord.removed_at.is_(None))
    return query if absent else query.where(SimRecord.active)


_CAPS = (SimRecord.parts_per_hour, SimRecord.parts_per_day, SimRecord.parts_per_month)
_LEAST = select(func.count(PhoneRecord.recipient_filter), *map(func.min, _CAPS)).select_from(SimRecord)
# Built once: to build a statement takes as long as to run it.
_ROOMS = {absent: _in_the_rack(_LEAST, absent=absent) for absent in (False, True)}
_SIMS = {absent: _in_the_rack(select(SimRecord), absent=absent).order_by(SimRecord.id) for absent in (False, True)}


def _view(record: SimRecord, recipients: Node, settings: Settings) -> SimView:
    guard = SendGuard(record.phone.guard_max_parts, record.phone.guard_interval_s)
    return SimView(record.id, record.phone_id, limits_of(rack_sim(record), guard, settings), recipients)
