"""Which of many messages opt-outs keep back, asked once for all of them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.orm import Session

from host_controller.consent.opt_outs import Recipient, opted_out
from host_controller.consent.policy import barred_classes
from host_controller.rules.classes import MessageClass


class Refused:
    """Recipients that have opted out, and the classes of messages which that keeps back."""

    def __init__(self, session: Session, recipients: Iterable[Recipient]) -> None:
        self._recipients = opted_out(session, recipients)
        self._classes = barred_classes(session) if self._recipients else frozenset()

    def holds(self, recipient: Recipient, message_class: MessageClass) -> bool:
        """Tell whether a message of this class must not go to this recipient."""
        return recipient in self._recipients and message_class in self._classes
