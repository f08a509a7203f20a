"""The one message that a STOP may be answered with. Not to what answers by itself: one a day for each number."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.messaging.submit import new_uid
from host_controller.messaging.transitions import note_accepted
from host_controller.rules.classes import MessageClass
from host_controller.rules.destinations import destination_refusal
from host_controller.rules.states import MessageState
from host_controller.store.bulk import insert_rows, next_ids
from host_controller.store.models import InboundRecord, MessageRecord
from host_controller.text.msisdn import Msisdn
from host_controller.text.parts import count_parts

# Who asked is told at once or not at all: the rules of the United States know five minutes.
_WORTH_ANSWERING = timedelta(minutes=5)
_NOT_AGAIN_WITHIN = timedelta(days=1)


def answer_stop(
    session: Session, record: InboundRecord, msisdn: Msisdn, text: str, allowed_regions: Collection[str], now: datetime
) -> int | None:
    """Queue the answer to a STOP that has just been obeyed, from the SIM that it came to; give its id.

    None where it came too long ago, where the number had an answer within the last day, or where it is one that the
    rack does not write to, or never has: a sender can be forged, and the answer would be paid for.
    """
    if now - record.received_at > _WORTH_ANSWERING or destination_refusal(msisdn, allowed_regions) is not None:
        return None
    to_them = select(MessageRecord.id).where(MessageRecord.msisdn == msisdn.e164).limit(1)
    is_answer = MessageRecord.answers_stop
    if session.scalar(to_them.where(is_answer.is_(False))) is None:
        return None
    if session.scalar(to_them.where(is_answer, MessageRecord.created_at > now - _NOT_AGAIN_WITHIN)) is not None:
        return None
    (message_id,) = next_ids(session, MessageRecord, 1)
    row = {
        "id": message_id,
        "uid": new_uid(),
        "msisdn": msisdn.e164,
        "text": text,
        "part_count": count_parts(text),
        "state": MessageState.QUEUED,
        "message_class": MessageClass.TRANSACTIONAL,
        "only_sim_id": record.sim_id,
        "answers_stop": True,
        "expires_at": now + _WORTH_ANSWERING,
        "created_at": now,
        "changed_at": now,
    }
    insert_rows(session, MessageRecord, [row])
    note_accepted(session, [message_id], now=now, actor=f"inbound {record.id}")
    return message_id
