"""What an operator does with the rules about what comes in: words, who may see it elsewhere, and the answer to STOP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from host_controller.consent.policy import ConsentPolicy, change_policy, read_policy
from host_controller.consent.stop_lists import edit, edits, tables_in_force, take_back
from host_controller.errors import TooManyPartsError
from host_controller.store.store import Store
from host_controller.text.parts import count_parts
from host_controller.text.sms_text import parse_sms_text
from host_controller.text.stop_words import StopDecision, judge_stop

_LONGEST_ANSWER = 2


@dataclass(frozen=True)
class WordEdit:
    """A word that was added to a list, or taken out of it."""

    id: int
    listed_in: str
    word: str
    is_added: bool
    actor: str
    created_at: datetime


class RulesCare:
    """The operator's hand on the rules. What is stored already stays as it was judged."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def edits(self) -> list[WordEdit]:
        """Give what was changed in the word lists."""
        with self._store.reading() as session:
            return [
                WordEdit(row.id, row.listed_in, row.word, row.is_added, row.actor, row.created_at)
                for row in edits(session)
            ]

    def words(self) -> dict[str, tuple[str, ...]]:
        """Give the lists that replies are judged by."""
        with self._store.reading() as session:
            return tables_in_force(session).by_name()

    def edit(self, listed_in: str, word: str, actor: str, *, is_added: bool) -> int:
        """Add a word to a list, or take a shipped one out; give the edit's id. Raises InvalidStopWordError."""
        return self._store.write(
            lambda session: edit(session, listed_in, word, is_added=is_added, now=self._clock(), actor=actor)
        )

    def take_back(self, edit_id: int) -> None:
        """Undo an edit. Raises UnknownStopWordError."""
        self._store.write(lambda session: take_back(session, edit_id))

    def judge(self, text: str) -> StopDecision:
        """Say what a reply of this text would ask for."""
        with self._store.reading() as session:
            return judge_stop(text, sender_is_msisdn=True, tables=tables_in_force(session))

    def policy(self) -> ConsentPolicy:
        """Give what is chosen."""
        with self._store.reading() as session:
            return read_policy(session)

    def change_policy(self, policy: ConsentPolicy, actor: str) -> None:
        """Choose. Raises InvalidTextError or TooManyPartsError for an answer that cannot be sent."""
        if policy.stop_answer is not None:
            parts = count_parts(parse_sms_text(policy.stop_answer).reveal())
            if parts > _LONGEST_ANSWER:
                raise TooManyPartsError(f"the answer needs {parts} parts and {_LONGEST_ANSWER} are allowed; shorten it")
        self._store.write(lambda session: change_policy(session, policy, now=self._clock(), actor=actor))
