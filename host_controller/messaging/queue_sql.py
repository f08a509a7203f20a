"""The statements of the queue. Each goes by an index, whatever the length of the queue; a test asks for their plans.

SQLite has no statistics here and takes the index of the states, behind which stands the whole queue: it is told.
"""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import Select, TextClause, bindparam, func, select, text, union_all, update

from host_controller.rules.states import MessageState
from host_controller.store.models import (
    READY,
    READY_FREE,
    READY_OF_PHONE,
    READY_OF_SIM,
    WAITING,
    AttemptRecord,
    MessageRecord,
)

_Query = TypeVar("_Query", bound=Select[*tuple[Any, ...]])
_TIME = MessageRecord.not_before.type
_LAST_N = (
    select(func.coalesce(func.max(AttemptRecord.n), 0))
    .where(AttemptRecord.message_id == MessageRecord.id)
    .correlate(MessageRecord)
    .scalar_subquery()
)


def by_index(query: _Query, name: str) -> _Query:
    """Let SQLite read messages by an index, `ix_message_<name>`; it refuses a query that cannot go by it."""
    return query.with_hint(MessageRecord, f"INDEXED BY ix_message_{name}", "sqlite")


def _ready(*conditions: TextClause) -> Select[*tuple[Any, ...]]:
    message = MessageRecord
    columns = (
        message.id,
        message.uid,
        message.msisdn,
        message.text,
        message.part_count,
        message.message_class,
        message.created_at,
        message.batch_id,
        message.only_phone_id,
        message.only_sim_id,
        message.expires_at,
    )
    query: Select[*tuple[Any, ...]] = select(*columns, _LAST_N)
    query = query.where(*conditions, message.restored.is_(False), text("id > :after"))
    return query.order_by(message.id).limit(bindparam("most"))


OF_CLASS = by_index(_ready(READY_FREE, text("message_class = :target")), "ready_free")
OF_SIM = by_index(_ready(READY_OF_SIM, text("only_sim_id = :target")), "ready_of_sim")
OF_PHONE = by_index(_ready(READY_OF_PHONE, text("only_phone_id = :target AND only_sim_id IS NULL")), "ready_of_phone")
ARRIVED = by_index(_ready(READY), "state_id")
NEWEST = select(func.max(MessageRecord.id))
ANY_BOUND = union_all(
    *(
        by_index(select(MessageRecord.id).where(bound), index).limit(1).subquery().select()
        for bound, index in ((READY_OF_SIM, "ready_of_sim"), (READY_OF_PHONE, "ready_of_phone"))
    )
).limit(1)
PARK = (
    update(MessageRecord)
    .where(MessageRecord.id == bindparam("message"), READY)
    .values(waiting_for=bindparam("why"), not_before=bindparam("until", type_=_TIME))
)
_BY_RULE = MessageRecord.waiting_for.in_(bindparam("why", expanding=True))
PUT_ASIDE = (
    by_index(select(MessageRecord.id), "state_id")
    .where(MessageRecord.state == MessageState.QUEUED, _BY_RULE, MessageRecord.id > bindparam("after"))
    .order_by(MessageRecord.id)
    .limit(bindparam("most"))
)
_LET_GO = update(MessageRecord).values(waiting_for=None, not_before=None).execution_options(synchronize_session=False)
TAKE_UP = _LET_GO.where(MessageRecord.id.in_(bindparam("ids", expanding=True)), WAITING, _BY_RULE)
# What waits for somebody and not for a time stands in the index as well, and may be very much.
FIRST_DUE = (
    by_index(select(MessageRecord.not_before), "waiting")
    .where(WAITING, MessageRecord.not_before.is_not(None))
    .order_by(MessageRecord.not_before)
    .limit(1)
)
BECOME_DUE = _LET_GO.where(
    MessageRecord.id.in_(
        by_index(select(MessageRecord.id), "waiting")
        .where(WAITING, MessageRecord.not_before <= bindparam("now", type_=_TIME))
        .order_by(MessageRecord.not_before)
        .limit(bindparam("most"))
    )
)
