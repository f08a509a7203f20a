"""Taking in what an Odoo sends to us, as to its own provider; each of its uuids once, however often it comes.

What is answered for each message is in Odoo's words for an answer (see mapping). A uuid that is left out of the answer
stays in Odoo's queue and comes again with its next run: so ends what is too much for one call, and what could not be
written down here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.errors import RefConflictError, StoreError
from host_controller.events import Bells
from host_controller.messaging.submit import Accepted, Checked, Draft, Rejected, accept_all, check
from host_controller.rules.classes import MessageClass
from host_controller.rules.states import MessageState
from host_controller.settings import MessageSettings, OdooSettings
from host_controller.store.bulk import insert_rows
from host_controller.store.models import MessageRecord, OdooSmsRecord
from host_controller.store.odoo_objects import note_success, read_cursor
from host_controller.store.store import Store
from odoo_sync.mailings import batch_of
from odoo_sync.mapping import TAKEN_WORD, answer_of, answer_of_refusal, is_uuid

_log = logging.getLogger(__name__)
SENDS = "sends"
"""The sync object of what Odoo sends; its cursor is the uuid of Odoo's database."""
MOST = 500
"""SMS of one call, as Odoo itself cuts them."""
# The line that a mailing ends with, where its recipients may unsubscribe: an address of Odoo, mailing and code.
_UNSUBSCRIBE = re.compile(r"/sms/(\d{1,9})/\w{3}\s*$")
_BAD_UUID = "server_error"
_NEW = {"sms_id": None, "number": None, "body": None, "posted_at": None, "repeat_at": None}


@dataclass(frozen=True)
class Asked:
    """One SMS as Odoo asks for it."""

    uuid: str
    number: str = field(repr=False)
    text: str = field(repr=False)


class Intake:
    """Takes in what one Odoo database sends. Thread-safe."""

    def __init__(
        self,
        name: str,
        store: Store,
        odoo: OdooSettings,
        settings: MessageSettings,
        clock: Callable[[], datetime],
        bells: Bells,
    ) -> None:
        """`name` is the connection's."""
        self.name = name
        self._store = store
        self._odoo = odoo
        self._settings = settings
        self._clock = clock
        self._bells = bells

    def take(self, asked: Sequence[Asked], dbuuid: str) -> dict[str, str]:
        """Queue what may be sent; give the word of the answer by uuid. What is answered is durable."""
        malformed = {item.uuid: _BAD_UUID for item in asked if not is_uuid(item.uuid)}
        first = list({item.uuid: item for item in asked if is_uuid(item.uuid)}.values())[:MOST]
        checked = {item.uuid: check(self._draft(item), self._settings) for item in first}
        try:
            mailings = {item.uuid: _mailing(item.text) for item in first}
            words, queued = self._store.write(lambda session: self._take(session, checked, mailings, dbuuid))
        except StoreError as error:
            _log.warning("Odoo %s: its messages stay there for now: %s", self.name, error)
            return malformed
        self._bells.ring_in(queued)
        if queued:
            _log.info("Odoo %s: %s messages taken over", self.name, queued)
        return malformed | words

    def _draft(self, item: Asked) -> Draft:
        mailing = _mailing(item.text)
        return Draft(
            item.number,
            item.text,
            # The ref makes a second message of the same uuid impossible, whatever happens here.
            f"odoo/{self.name}/{item.uuid}",
            batch=None if mailing is None else batch_of(self.name, mailing),
            message_class=MessageClass(self._odoo.message_class) if mailing is None else MessageClass.MARKETING,
            brand=self._odoo.brand,
        )

    def _take(
        self,
        session: Session,
        checked: Mapping[str, Checked | Rejected],
        mailings: Mapping[str, int | None],
        dbuuid: str,
    ) -> tuple[dict[str, str], int]:
        now = self._clock()
        known = {record.uuid: record for record in self._known(session, checked)}
        outcomes = accept_all(session, self._settings, list(checked.values()), now=now, actor=f"odoo {self.name}")
        states = _states(session, known.values())
        words, rows, queued = {}, [], 0
        for uuid, outcome in zip(checked, outcomes, strict=True):
            record = known.get(uuid)
            if record is not None and record.message_id is not None:
                words[uuid] = self._answer_again(record, outcome, states[record.message_id], now)
                continue
            values = {**_values(outcome, now), "mailing_id": mailings[uuid]}
            words[uuid] = values["reported"] or TAKEN_WORD
            queued += isinstance(outcome, Accepted) and not outcome.repeated
            if record is None:
                rows.append({**_NEW, "database": self.name, "uuid": uuid, **values})
            else:
                for name, value in values.items():
                    setattr(record, name, value)
        insert_rows(session, OdooSmsRecord, rows)
        self._note_database(session, dbuuid, now)
        return words, queued

    def _known(self, session: Session, uuids: Mapping[str, object]) -> Sequence[OdooSmsRecord]:
        of_these = (OdooSmsRecord.database == self.name, OdooSmsRecord.uuid.in_(uuids))
        return session.scalars(select(OdooSmsRecord).where(*of_these)).all()

    def _answer_again(self, record: OdooSmsRecord, outcome: Accepted | Rejected, word: str, now: datetime) -> str:
        """Odoo has not heard our answer, or somebody there asks once more: it hears what became of the message."""
        if isinstance(outcome, Rejected) and outcome.code == RefConflictError.code:
            return answer_of_refusal(outcome.code)
        record.answered_at = now
        record.reported = record.posted_at = record.repeat_at = None  # to be told once more, should it miss this too
        return word

    def _note_database(self, session: Session, dbuuid: str, now: datetime) -> None:
        before = read_cursor(session, self.name, SENDS)
        if before not in (None, dbuuid):
            _log.warning("Odoo %s: another database sends with its token now; is it a copy?", self.name)
        note_success(session, self.name, SENDS, now=now, cursor=dbuuid)


def _mailing(text: str) -> int | None:
    """Give the mailing whose unsubscribe line a text ends with."""
    found = _UNSUBSCRIBE.search(text)
    return int(found.group(1)) if found else None


def _values(outcome: Accepted | Rejected, now: datetime) -> dict[str, Any]:
    """What a row says of a message that is new here; a refusal is told by the answer, which is its only report."""
    if isinstance(outcome, Accepted):
        return {
            "message_id": outcome.message_id,
            "refusal": None,
            "reported": None,
            "reported_at": None,
            "answered_at": now,
        }
    word = answer_of_refusal(outcome.code)
    return {
        "message_id": None,
        "refusal": outcome.code,
        "reported": word,
        "reported_at": now,
        "answered_at": now,
    }


def _states(session: Session, records: Any) -> dict[int, str]:
    """Give the word for each message that is here already."""
    ids = [record.message_id for record in records if record.message_id is not None]
    query = select(MessageRecord.id, MessageRecord.state, MessageRecord.failure_code).where(MessageRecord.id.in_(ids))
    return {
        message_id: answer_of(MessageState(state), failure_code)
        for message_id, state, failure_code in session.execute(query)
    }
