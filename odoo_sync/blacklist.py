"""Who must not be written to, both ways with `phone.blacklist`: a refusal wins.

What Odoo's people set there holds here as an opt-out of the source `odoo`, which they lift there. What is refused
here, by whom ever, is set there by our own user: that is how the two are told apart. What an operator of Odoo takes off
later than it was refused is lifted here; what the recipient or a program takes off is set again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from host_controller.consent.opt_outs import EVERY_BRAND, OptOutSource, Origin, in_force, lift
from host_controller.messaging.opting_out import opt_out
from host_controller.store.bulk import rows_in
from host_controller.store.models import OdooBlacklistRecord, OdooOutboxRecord, OptOutRecord
from host_controller.store.store import Store
from host_controller.text.msisdn import parse_sender
from odoo_sync.changes import ALSO_ARCHIVED, Changes, Row, parse_time
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooRecordError, OdooRejectedError
from odoo_sync.outbox import BATCH, Kind, Outbox
from odoo_sync.refusals import has_refused_since

_MODEL = "phone.blacklist"
_FIELDS = ["number", "active", "write_uid", "write_date"]
_WHOLE_EVERY = timedelta(hours=1)
# OdooBot: crons and modules.
_ROBOT = 1
# An operator's removal that comes so soon after a refusal may be older than it, by another clock.
_SKEW = timedelta(minutes=1)
# Some tenths of a second of the one writer.
_WRITTEN_AT_ONCE = 100
_REFUSED = "Odoo does not take this number"


class Blacklist:
    """The blacklist of one database."""

    def __init__(
        self,
        client: OdooClient,
        store: Store,
        outbox: Outbox,
        clock: Callable[[], datetime],
        home_region: str,
        brand: str | None,
        peers: Collection[str],
    ) -> None:
        """`peers` are the names of all connections of this brand, whose people's refusals are one opt-out here."""
        self._client = client
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._home_region = home_region
        self._brand = brand
        self._peers = peers
        self._changes = Changes(client.name, _MODEL, self._search, store, clock)
        self._whole_at: datetime | None = None
        self._compared: tuple[int, int] | None = None
        self._staff: dict[int, bool] = {_ROBOT: False}

    def run(self) -> int:
        """Take over what changed there, and set there what is refused here; give how many. Raises OdooSyncError."""
        count = self._read()
        state = self._state()
        if count or state != self._compared:
            while self._note_differences():
                count += self._push()
            self._compared = state
        return count + self._push()

    def _read(self) -> int:
        now = self._clock()
        whole = self._whole_at is None or now - self._whole_at >= _WHOLE_EVERY
        count, there = 0, set()
        for rows in self._changes.pages(whole=whole):
            count += self._take(rows)
            there |= {row["id"] for row in rows}
        if whole:
            self._store.write(lambda session: self._drop_deleted(session, there))
            self._whole_at, self._compared = now, None
        return count

    def _take(self, rows: Sequence[Row]) -> int:
        """Store what is new in rows of Odoo's, and obey it; give how many were new."""
        read = ((parse_sender(row["number"] or "", self._home_region), row) for row in rows)
        numbered = {number.e164: row for number, row in read if number}
        with self._store.reading() as session:
            known = self._known(session, numbered)
        new = [
            (number, row)
            for number, row in numbered.items()
            if number not in known
            or (known[number].is_active, known[number].written_at) != (row["active"], parse_time(row["write_date"]))
        ]
        ours = self._client.user_id
        self._look_up({row["write_uid"][0] for _, row in new if row["write_uid"]} - {ours})
        for start in range(0, len(new), _WRITTEN_AT_ONCE):
            piece = new[start : start + _WRITTEN_AT_ONCE]
            with self._store.refusals.writing([number for number, row in piece if row["active"]]):
                self._store.write(partial(self._obey, rows=piece, ours=ours))
        return len(new)

    def _obey(self, session: Session, rows: Sequence[tuple[str, Row]], ours: int) -> None:
        known = self._known(session, [number for number, _ in rows])
        for number, row in rows:
            record = known.get(number)
            author = row["write_uid"][0] if row["write_uid"] else None
            was_active, was_theirs = (record.is_active, record.is_theirs) if record else (False, False)
            # What our user once set, and nobody refuses here: of a database of ours that was lost. It stays refused.
            # But where we are about to tell of the number, it was lifted after a call whose answer was lost.
            is_told = self._outbox.is_open(session, Kind.BLACKLIST, number)
            is_forgotten = not was_active and not is_told and not in_force(session, number)
            if record is None:
                record = OdooBlacklistRecord(database=self._outbox.database, msisdn=number)
                session.add(record)
            record.odoo_id, record.is_active = row["id"], row["active"]
            record.is_theirs = row["active"] and (author != ours or is_forgotten)
            record.written_at = parse_time(row["write_date"])
            session.flush()
            if record.is_theirs:
                origin = Origin(OptOutSource.ODOO, self._actor)
                opt_out(
                    session,
                    number,
                    origin,
                    now=self._clock(),
                    brand=self._brand or EVERY_BRAND,
                    since=record.written_at,
                )
            elif was_theirs:
                self._lift_theirs(session, number)
            if was_active and not row["active"] and author != ours and self._staff.get(author or _ROBOT):
                self._lift_theirs(session, number)
                self._lift_older(session, number, record.written_at - _SKEW)

    def _lift_theirs(self, session: Session, number: str) -> None:
        """What Odoo's people have set does not hold any more, unless those of another database say so too."""
        query = select(OdooBlacklistRecord.id).where(
            OdooBlacklistRecord.msisdn == number,
            OdooBlacklistRecord.is_theirs,
            OdooBlacklistRecord.database.in_(self._peers),
        )
        if session.scalar(query.limit(1)) is None:
            found = in_force(session, number, brand=self._brand or EVERY_BRAND, sources=[OptOutSource.ODOO])
            lift(found, now=self._clock(), actor=self._actor, reason="taken off the blacklist in Odoo")

    def _lift_older(self, session: Session, number: str, before: datetime) -> None:
        found = [
            record
            for record in in_force(session, number, brand=self._brand)
            if record.source != OptOutSource.ODOO
            and record.created_at <= before
            and not (record.source == OptOutSource.INBOUND and has_refused_since(session, number, before))
        ]
        lift(found, now=self._clock(), actor=self._actor, reason="an operator of Odoo took it off the blacklist")

    def _drop_deleted(self, session: Session, there: Collection[int]) -> None:
        """A row that was deleted says nothing of who wants what: what is refused here is set there again.

        Nor does one that is gone because a backup was restored there: of all that it refused nothing would hold.
        """
        query = select(OdooBlacklistRecord).where(
            OdooBlacklistRecord.database == self._outbox.database, OdooBlacklistRecord.is_active
        )
        for record in session.scalars(query).all():
            if record.odoo_id not in there:
                record.is_active = record.is_theirs = False

    def _state(self) -> tuple[int, int]:
        """Give what changes with every opt-out that is set or lifted: comparing all of a long list takes its time."""
        with self._store.reading() as session:
            last, lifted = session.execute(select(func.max(OptOutRecord.id), func.count(OptOutRecord.lifted_at))).one()
        return last or 0, lifted

    def _note_differences(self) -> int:
        """Write down what is to be set there and to be taken off; give how many numbers."""
        with self._store.reading() as session:
            numbers = self._differences(session)
        if numbers:
            rows = [(number, None) for number in numbers]
            self._store.write(lambda session: self._outbox.add(session, Kind.BLACKLIST, rows))
        return len(numbers)

    def _differences(self, session: Session) -> list[str]:
        """Give numbers that are refused here and not there, or there and not here any more, unless they wait."""
        database = self._outbox.database
        open_row = select(OdooOutboxRecord.id).where(
            OdooOutboxRecord.database == database,
            OdooOutboxRecord.kind == Kind.BLACKLIST,
            OdooOutboxRecord.done_at.is_(None),
        )
        listed = select(OdooBlacklistRecord.id).where(
            OdooBlacklistRecord.database == database,
            OdooBlacklistRecord.is_active,
            OdooBlacklistRecord.msisdn == OptOutRecord.msisdn,
        )
        missing = (
            select(OptOutRecord.msisdn)
            .where(
                self._holds_here(),
                ~listed.exists(),
                ~open_row.where(OdooOutboxRecord.record == OptOutRecord.msisdn).exists(),
            )
            .distinct()
        )
        refused = select(OptOutRecord.id).where(self._holds_here(), OptOutRecord.msisdn == OdooBlacklistRecord.msisdn)
        lifted = select(OdooBlacklistRecord.msisdn).where(
            OdooBlacklistRecord.database == database,
            OdooBlacklistRecord.is_active,
            ~refused.exists(),
            ~open_row.where(OdooOutboxRecord.record == OdooBlacklistRecord.msisdn).exists(),
        )
        return [*session.scalars(missing.limit(BATCH)), *session.scalars(lifted.limit(BATCH))]

    def _push(self) -> int:
        items = self._outbox.take(Kind.BLACKLIST)
        if not items:
            return 0
        refused: set[str] = set()
        try:
            numbers = [item.record for item in items]
            self._take(self._ask(numbers))  # whatever happened in between
            adds, removes = self._wanted(numbers)
            self._create(adds, refused)
            for number in removes:
                self._client.call("phone.blacklist", "remove", [[], number])
            self._take(self._ask([*adds, *removes]))
            adds, removes = self._wanted(numbers)
            refused |= {*adds, *removes}
        except BaseException:
            self._outbox.give_back([item.id for item in items])  # all of it may be done twice
            raise
        for item in items:
            if item.record in refused:
                self._outbox.refuse(item.id, _REFUSED, for_ever=True)
        self._outbox.forget([item.id for item in items if item.record not in refused])
        return len(items) - len(refused)

    def _create(self, numbers: Sequence[str], refused: set[str]) -> None:
        """Set numbers; where Odoo refuses one of many, it takes none, so that they are halved."""
        if not numbers:
            return
        try:
            self._client.call("phone.blacklist", "create", [[{"number": number} for number in numbers]])
        except OdooRecordError:
            if len(numbers) == 1:
                refused.update(numbers)
                return
            half = len(numbers) // 2
            self._create(numbers[:half], refused)
            self._create(numbers[half:], refused)

    def _wanted(self, numbers: Collection[str]) -> tuple[list[str], list[str]]:
        """Give those that are to be set there, and those that are to be taken off."""
        with self._store.reading() as session:
            query = select(OptOutRecord.msisdn).where(self._holds_here())
            refused = {number for (number,) in rows_in(session, query, OptOutRecord.msisdn, numbers)}
            listed = {number for number, record in self._known(session, numbers).items() if record.is_active}
        wanted = sorted(set(numbers))
        return [n for n in wanted if n in refused - listed], [n for n in wanted if n in listed - refused]

    def _ask(self, numbers: Sequence[str]) -> Sequence[Row]:
        return self._search([["number", "in", list(numbers)]], ALSO_ARCHIVED) if numbers else []

    def _search(self, domain: list[Any], options: Mapping[str, Any]) -> Sequence[Row]:
        return cast(list[Row], self._client.call("phone.blacklist", "search_read", [domain, _FIELDS], options))

    def _known(self, session: Session, numbers: Iterable[str]) -> dict[str, OdooBlacklistRecord]:
        query = select(OdooBlacklistRecord).where(OdooBlacklistRecord.database == self._outbox.database)
        rows = rows_in(session, query, OdooBlacklistRecord.msisdn, numbers)
        return {record.msisdn: record for (record,) in rows}

    def _look_up(self, users: Collection[int]) -> None:
        """Learn which of these users are of the staff; who is not there any more, or not to be seen, is not."""
        unknown = [user for user in users if user not in self._staff]
        if not unknown:
            return
        try:
            rows = self._client.call("res.users", "search_read", [[["id", "in", unknown]], ["share"]], ALSO_ARCHIVED)
        except OdooRejectedError:
            return
        self._staff |= {row["id"]: not row["share"] for row in rows}

    def _holds_here(self) -> ColumnElement[bool]:
        """An opt-out that keeps this database's messages back."""
        holds = OptOutRecord.lifted_at.is_(None)
        return holds if self._brand is None else holds & OptOutRecord.brand.in_((EVERY_BRAND, self._brand))

    @property
    def _actor(self) -> str:
        return f"odoo {self._outbox.database}"
