"""Which phone of Odoo's module `sms_gateway` is told of a received message: one, whatever the pairings say.

The first that is paired with the SIM that it came to; else the first with the phone; else the first that stands for the
whole rack. Where a phone does not say which SIM it was, the first that has anything to do with the phone.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, false, or_

from host_controller.store.models import InboundRecord
from odoo_sync.stand_in import Route


def heard_by(routes: Sequence[Route], index: int) -> ColumnElement[bool]:
    """Say in SQL which rows of `inbound` the phone with the route at `index` is told of."""
    route, before = routes[index], routes[:index]
    sims = [other.sim_id for other in routes if other.sim_id is not None]
    whole_phones = [other.phone_id for other in routes if other.sim_id is None and other.phone_id is not None]
    any_phones = [other.phone_id for other in routes if other.phone_id is not None]
    of_sim, of_phone, no_sim = InboundRecord.sim_id, InboundRecord.phone_id, InboundRecord.sim_id.is_(None)
    cases: list[ColumnElement[bool]] = []
    if route.phone_id is None:
        if all(other.phone_id is not None for other in before):
            cases.append(and_(no_sim, of_phone.not_in(any_phones)))
            cases.append(and_(of_sim.not_in(sims), of_phone.not_in(whole_phones)))
        return or_(false(), *cases)
    if all(other.phone_id != route.phone_id for other in before):
        cases.append(and_(no_sim, of_phone == route.phone_id))
    if all((other.sim_id, other.phone_id) != (route.sim_id, route.phone_id) for other in before):
        if route.sim_id is None:
            cases.append(and_(of_phone == route.phone_id, of_sim.not_in(sims)))
        else:
            cases.append(of_sim == route.sim_id)
    return or_(false(), *cases)
