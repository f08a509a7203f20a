"""What messages must leave from, as a call to the API names it: a SIM, a phone, or neither."""

from __future__ import annotations

from host_controller.errors import UnroutableError
from host_controller.fleet.enrolment import find_record_by_name, find_sims
from host_controller.rules.waiting import NeverReason
from host_controller.store.store import Store


class Binding:
    """Ids by names, each looked up once in a call."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sims: dict[str, int | UnroutableError] = {}
        self._phones: dict[str, int | UnroutableError] = {}

    def sim_id(self, name: str | None) -> int | None:
        """Give a SIM by its id, number, ICCID or `SERIAL:SLOT`; None for any. Raises UnroutableError."""
        if name is None:
            return None
        if name not in self._sims:
            self._sims[name] = self._find_sim(name)
        return _given(self._sims[name])

    def phone_id(self, name: str | None) -> int | None:
        """Give a phone by its serial or name; None for any. Raises UnroutableError."""
        if name is None:
            return None
        if name not in self._phones:
            self._phones[name] = self._find_phone(name)
        return _given(self._phones[name])

    def _find_sim(self, name: str) -> int | UnroutableError:
        with self._store.reading() as session:
            found = find_sims(session, name)
        if len(found) == 1:
            return found[0]
        problem = "no SIM of the rack is" if not found else "several SIMs are"
        advice = "write an id, a number, an ICCID or SERIAL:SLOT of `smsrack phones`"
        return UnroutableError(NeverReason.NO_SUCH_SIM, f"{problem} {name!r}; {advice}")

    def _find_phone(self, name: str) -> int | UnroutableError:
        with self._store.reading() as session:
            # What cannot be printed is nobody's serial; a database may not even take it.
            record = find_record_by_name(session, name) if name.isprintable() else None
            if record is not None:
                return record.id
        return UnroutableError(
            NeverReason.NO_SUCH_PHONE, f"no phone {name!r} is in the rack; `smsrack phones` lists them"
        )


def _given(found: int | UnroutableError) -> int:
    if isinstance(found, UnroutableError):
        raise found
    return found
