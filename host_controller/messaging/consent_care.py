"""What an operator does with the opt-out list: add, lift, import, look at what happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from host_controller.consent.opt_outs import EVERY_BRAND, OptOutSource, Origin, in_force, lift
from host_controller.errors import ControllerError, UnknownOptOutError
from host_controller.messaging.opting_out import OptedOut, opt_out
from host_controller.settings import Settings
from host_controller.store import inbound_queries
from host_controller.store.inbound_queries import OptOutView
from host_controller.store.store import Store
from host_controller.text.msisdn import parse_msisdn, parse_sender

# Some tenths of a second: the one writer is needed for every message that is sent.
_AT_ONCE = 100


@dataclass(frozen=True)
class ImportRow:
    """One line of a list from elsewhere."""

    number: str
    brand: str = EVERY_BRAND
    note: str | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class Imported:
    """What became of a list; a bad line keeps none of the others out."""

    added: int
    known: int
    cancelled: int
    errors: tuple[tuple[int, str], ...]
    """(line, why), lines from 1."""


class ConsentCare:
    """The operator's hand on the opt-out list."""

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._home_region = settings.messages.home_region
        self._clock = clock

    def opt_out(self, number: str, actor: str, *, brand: str = EVERY_BRAND, note: str | None = None) -> OptedOut:
        """Put a number on the list and cancel what is queued for it. Raises InvalidMsisdnError."""
        e164 = self.number(number)
        origin = Origin(OptOutSource.OPERATOR, actor, note=note)
        with self._store.refusals.writing([e164]):
            return self._store.write(lambda session: opt_out(session, e164, origin, now=self._clock(), brand=brand))

    def lift(self, number: str, actor: str, reason: str, *, brand: str | None = None) -> int:
        """Let a number be written to again, whoever had set that; give how many opt-outs that lifted.

        Raises InvalidMsisdnError, and UnknownOptOutError where there is none.
        """
        e164 = self.number(number)

        def work(session: Session) -> int:
            found = in_force(session, e164, brand=brand)
            if not found:
                raise UnknownOptOutError(
                    "this number has not opted out; `smsrack optouts show` says what happened to it"
                )
            return lift(found, now=self._clock(), actor=actor, reason=reason)

        return self._store.write(work)

    def number(self, written: str) -> str:
        """Give a number in E.164; any that could have written to us can be on the list. Raises InvalidMsisdnError."""
        sender = parse_sender(written, self._home_region)
        return sender.e164 if sender else parse_msisdn(written, self._home_region).e164

    def history(self, number: str) -> list[OptOutView]:
        """Give every opt-out of a number, lifted ones too, newest first. Raises InvalidMsisdnError."""
        e164 = self.number(number)
        with self._store.reading() as session:
            return inbound_queries.list_opt_outs(session, number=e164, lifted=True)

    def take_in(self, rows: Sequence[ImportRow], actor: str) -> Imported:
        """Put a list of numbers on the list, in pieces; what is known stays as it is, so that it can be done again."""
        errors: list[tuple[int, str]] = []
        checked: list[tuple[str, ImportRow]] = []
        for line, row in enumerate(rows, start=1):
            try:
                checked.append((self.number(row.number), row))
            except ControllerError as error:
                errors.append((line, str(error)))

        def work(session: Session, piece: Sequence[tuple[str, ImportRow]]) -> list[OptedOut]:
            now = self._clock()
            return [
                opt_out(
                    session,
                    number,
                    Origin(OptOutSource.IMPORT, actor, note=row.note),
                    now=now,
                    brand=row.brand,
                    since=row.since,
                )
                for number, row in piece
            ]

        outcomes: list[OptedOut] = []
        for start in range(0, len(checked), _AT_ONCE):
            piece = checked[start : start + _AT_ONCE]
            with self._store.refusals.writing([number for number, _ in piece]):
                outcomes += self._store.write(partial(work, piece=piece))
        added = sum(outcome.is_new for outcome in outcomes)
        cancelled = sum(outcome.cancelled for outcome in outcomes)
        return Imported(added, len(outcomes) - added, cancelled, tuple(errors))
