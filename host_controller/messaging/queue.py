"""The heads of the queue, held in memory between claims: a rack asks for its next message hundreds of times a second.

Only works of the store's one writer look into it, so nothing changes under a claim. What it holds is a hint: a claim
takes a message by a guarded update, and drops the hint where that finds the message gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from heapq import merge
from typing import Any

from sqlalchemy import Transaction
from sqlalchemy.orm import Session

from host_controller.events import Bells, Counts
from host_controller.messaging.depth import Depth
from host_controller.messaging.queue_sql import (
    ANY_BOUND,
    ARRIVED,
    BECOME_DUE,
    FIRST_DUE,
    NEWEST,
    OF_CLASS,
    OF_PHONE,
    OF_SIM,
    PARK,
    PUT_ASIDE,
    TAKE_UP,
)
from host_controller.rules.classes import MessageClass
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.store.store import Store

_WINDOW = 256
# How many windows further a claim looks for a message that its SIMs may take.
_DEEPEST = 8
# So many that they hold up nobody: some milliseconds.
_DUE_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message that may go as soon as a SIM may send it."""

    message_id: int
    uid: int
    msisdn: str = field(repr=False)
    text: str = field(repr=False)
    parts: int
    message_class: MessageClass
    created_at: datetime
    batch_id: int | None
    only_phone_id: int | None
    only_sim_id: int | None
    expires_at: datetime | None
    last_n: int
    """Attempts that were made so far."""


class Queue:
    """What waits, for all lanes."""

    def __init__(self, bells: Bells, window: int = _WINDOW) -> None:
        """`window` says how many messages of one kind are held in memory."""
        self._bells = bells
        self._window = window
        self._seen: Counts | None = None
        self._windows: dict[_Key, _Window] = {}
        self._has_bound = True
        self._newest_id = 0
        self._due_at: datetime | None = None
        self._looked_anew = 0
        self._has_let_go: Transaction | None = None
        """In which transaction messages were let go last."""

    def is_empty(
        self,
        phone_id: int,
        sim_ids: Collection[int],
        now: datetime,
        classes: Collection[MessageClass] = tuple(MessageClass),
    ) -> bool:
        """Tell, from any thread and without the database, whether surely nothing of some classes is there for a phone.

        A message that is bound to the phone or to a SIM counts, whatever its class.
        """
        if self._seen != self._bells.counts or self.has_due(now):
            return False
        windows = [self._windows.get(key) for key in (*classes, *self._bound_keys(phone_id, sim_ids))]
        return all(window is not None and window.is_whole and not window.messages for window in windows)

    def has_any(self) -> bool:
        """Tell, from any thread, whether messages were seen that nobody has taken yet."""
        return any(window.messages for window in list(self._windows.values()))

    @property
    def has_bound(self) -> bool:
        """Tell, from any thread, whether messages may be there that only one SIM or phone can take."""
        return self._has_bound

    @property
    def due_at(self) -> datetime | None:
        """When the first of the messages is due that wait for a time; None where none does."""
        return self._due_at

    def has_due(self, now: datetime) -> bool:
        """Tell, from any thread, whether messages that wait for a time are due, and not let go yet."""
        return self._due_at is not None and self._due_at <= now

    def messages(
        self,
        session: Session,
        phone_id: int,
        sim_ids: Collection[int],
        now: datetime,
        *,
        classes: Collection[MessageClass] = tuple(MessageClass),
        own_first: bool = False,
        depth: Depth | None = None,
        phones: int = 1,
    ) -> Iterator[QueuedMessage]:
        """Give what a phone's SIMs might take of some classes, the highest first, of a class the oldest.

        With `own_first`, of a class what no other phone can take comes before the rest. `depth` says how far the phone
        has looked, and is told; without it, it looks from the beginning. `phones` may look as often.
        """
        self.refresh(session, now)
        depth = depth or Depth()
        depth.begin(now, self._looked_anew, phones)
        cuts: dict[_Key, int] = {}
        keys = self._bound_keys(phone_id, sim_ids)
        bound = [list(self._look_into(session, key, depth.after(key), cuts.__setitem__)) for key in keys]
        for message_class in classes:
            mine = [[one for one in found if one.message_class is message_class] for found in bound]
            free = self._look_into(session, message_class, depth.after(message_class), depth.cut)
            if own_first:
                yield from merge(*mine, key=_by_id)
                yield from free
            else:
                yield from merge(free, *mine, key=_by_id)
        # Of these it is known only here that none suits.
        for key, after in cuts.items():
            depth.cut(key, after)

    def drop(self, message: QueuedMessage) -> None:
        """It is taken, or gone."""
        window = self._windows.get(_key_of(message))
        if window is not None:
            window.messages.pop(message.message_id, None)

    def park(self, session: Session, waits: Mapping[QueuedMessage, Wait]) -> None:
        """Put messages aside until a time, or, where none can be told, until somebody changes what holds them."""
        if not waits:
            return
        values = [
            {"message": message.message_id, "why": wait.reason, "until": wait.until} for message, wait in waits.items()
        ]
        session.connection().execute(PARK, values)
        for message, wait in waits.items():
            self.drop(message)
            if wait.until is not None and (self._due_at is None or wait.until < self._due_at):
                self._due_at = wait.until

    def forget(self) -> None:
        """What is in memory may be wrong, since a transaction was rolled back. From any thread."""
        self._seen = None

    def _bound_keys(self, phone_id: int, sim_ids: Collection[int]) -> list[_Key]:
        return [("phone", phone_id), *(("sim", sim_id) for sim_id in sim_ids)] if self._has_bound else []

    def refresh(self, session: Session, now: datetime) -> None:
        """Take in what has come, and let go what is due: of very much, a part in each transaction."""
        seen, counts = self._seen, self._bells.counts
        if seen is None or counts.changes != seen.changes:
            self._look_anew(session)
        elif counts.arrivals != seen.arrivals:
            self._take_in(session)
        if self.has_due(now):
            self._let_go(session, now)
        self._seen = counts

    def _let_go(self, session: Session, now: datetime) -> None:
        # A hundred lanes that share a transaction would let go a hundred parts in it.
        transaction = session.connection().get_transaction()
        if transaction is self._has_let_go:
            return
        self._has_let_go = transaction
        due = session.connection().execute(BECOME_DUE, {"now": now, "most": _DUE_AT_ONCE}).rowcount
        self._look_anew(session)
        # Who went to sleep before these were put aside does not know of their time.
        self._bells.ring_in(due)

    def _look_anew(self, session: Session) -> None:
        self._windows = {}
        self._looked_anew += 1
        self._due_at = session.scalar(FIRST_DUE)
        self._newest_id = session.scalar(NEWEST) or 0
        self._has_bound = session.scalar(ANY_BOUND) is not None

    def _take_in(self, session: Session) -> None:
        """Put new messages where the old ones stand: a hundred lanes that look again, each for itself, cost more."""
        rows = session.execute(ARRIVED, {"after": self._newest_id, "most": self._window}).all()
        if len(rows) == self._window:
            for window in self._windows.values():
                window.is_whole = False
            self._has_bound = True
        for message in (_message(*row) for row in rows[: self._window - 1]):
            key = _key_of(message)
            self._has_bound = self._has_bound or not isinstance(key, MessageClass)
            self._append(key, message)
        self._due_at = session.scalar(FIRST_DUE)
        self._newest_id = session.scalar(NEWEST) or 0

    def _append(self, key: _Key, message: QueuedMessage) -> None:
        window = self._windows.get(key)
        if window is None or not window.is_whole:
            return  # it is found when the window is filled
        if len(window.messages) < self._window:
            window.messages[message.message_id] = message
            window.last_id = message.message_id
        else:
            window.is_whole = False

    def _look_into(
        self, session: Session, key: _Key, passed: int, note_cut: Callable[[_Key, int], None]
    ) -> Iterator[QueuedMessage]:
        """Give the window that all phones share, and some more from `passed` on; say where it ends before all is seen.

        That is said when more is asked for: nothing of it suited.
        """
        window = self._windows.setdefault(key, _Window())
        if len(window.messages) <= self._window // 4 and not window.is_whole:
            found = _page(session, key, window.last_id, self._window)
            window.messages |= {message.message_id: message for message in found}
            window.last_id = found[-1].message_id if found else window.last_id
            window.is_whole = len(found) < self._window
        yield from list(window.messages.values())
        after, is_whole = max(window.last_id, passed), window.is_whole
        for _ in range(_DEEPEST):
            if is_whole:
                return
            deeper = _page(session, key, after, self._window)
            yield from deeper
            after, is_whole = (deeper[-1].message_id if deeper else after), len(deeper) < self._window
        if not is_whole:
            note_cut(key, after)


def look_anew(store: Store) -> None:
    """Have everything judged again that was put aside by a rule: the daemon starts, and its settings may be others."""
    after = 0
    while True:
        with store.reading() as session:
            found = session.scalars(PUT_ASIDE, {"why": _BY_RULE, "after": after, "most": _DUE_AT_ONCE}).all()
        if not found:
            return
        store.write(lambda session, ids=found: session.execute(TAKE_UP, {"why": _BY_RULE, "ids": ids}).rowcount)  # type: ignore[misc]
        after = found[-1]


def move_due(store: Store, queue: Queue, clock: Callable[[], datetime]) -> None:
    """Let go what is due and what no lane has come for: very much of it takes many transactions. A job of the clock.

    Between two of them the others have their turn.
    """
    while queue.has_due(clock()):
        store.write(lambda session: queue.refresh(session, clock()))


# What is put aside for another reason knows itself when it goes on.
_BY_RULE = [
    WaitReason.QUIET_HOURS,
    WaitReason.RECIPIENT_HOUR,
    WaitReason.SAME_TEXT,
    WaitReason.PREFIX_CAP,
    WaitReason.TOO_LONG,
]

_Key = MessageClass | tuple[str, int | None]
"""Of one class and for any SIM; or for one SIM or one phone alone."""


@dataclass(slots=True)
class _Window:
    """The oldest messages of one kind, by id."""

    messages: dict[int, QueuedMessage] = field(default_factory=dict)
    last_id: int = 0
    is_whole: bool = False
    """No more of them are in the database."""


def _page(session: Session, key: _Key, after: int, most: int) -> list[QueuedMessage]:
    if isinstance(key, MessageClass):
        rows = session.execute(OF_CLASS, {"target": key.value, "after": after, "most": most})
    else:
        kind, target = key
        query = OF_SIM if kind == "sim" else OF_PHONE
        rows = session.execute(query, {"target": target, "after": after, "most": most})
    return [_message(*row) for row in rows]


def _message(id_: int, uid: int, msisdn: str, body: str, parts: int, class_: str, *rest: Any) -> QueuedMessage:
    return QueuedMessage(id_, uid, msisdn, body, parts, MessageClass(class_), *rest)


def _key_of(message: QueuedMessage) -> _Key:
    """Where it stands; with its SIM, where it is bound to its phone as well."""
    if message.only_sim_id is not None:
        return "sim", message.only_sim_id
    return message.message_class if message.only_phone_id is None else ("phone", message.only_phone_id)


def _by_id(message: QueuedMessage) -> int:
    return message.message_id
