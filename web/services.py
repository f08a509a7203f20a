"""What the site needs of the controller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from host_controller.access.reach_check import check_reach
from host_controller.consent.rules_care import RulesCare
from host_controller.events import Bells
from host_controller.fleet.care import PhoneCare
from host_controller.fleet.rack import Rack
from host_controller.fleet.remote_admin import RemoteAdmin
from host_controller.fleet.sim_limits import Changes, change_limits
from host_controller.inbox.care import InboxCare
from host_controller.inbox.conversations import mark_read, newest_inbound_id, reply
from host_controller.messaging.batch_changes import cancel_batch, change_window
from host_controller.messaging.batches import BatchDraft, make_batch
from host_controller.messaging.consent_care import ConsentCare
from host_controller.messaging.control import Control
from host_controller.messaging.dispatcher import Dispatcher
from host_controller.messaging.holds import Holds
from host_controller.messaging.journal_care import release_restored
from host_controller.messaging.judgement import Settlement, settle
from host_controller.messaging.remote_care import RemoteCare
from host_controller.messaging.stale import cancel_stale, release_stale
from host_controller.messaging.submit import Accepted, Draft, Rejected, submit
from host_controller.messaging.why import Why
from host_controller.messaging.why_queue import QueueWhy
from host_controller.rules.ramp import NO_RAMP, Ramp
from host_controller.scheduler import JobView
from host_controller.settings import Settings
from host_controller.store.store import Store
from host_controller.text.msisdn import parse_sender
from web.outlook import Forecast
from web.sim_cards import SpentOnRecord


@dataclass(frozen=True)
class Services:
    """The controller's parts, and the use-cases that the surfaces share."""

    store: Store
    rack: Rack | None
    """None where no daemon runs: then nothing is sent, but everything can be read and queued."""
    bells: Bells
    settings: Settings
    clock: Callable[[], datetime]
    jobs: Callable[[], Sequence[JobView]] = tuple
    """What the clock runs."""
    holds: Holds | None = None
    """What the lanes see of pauses and stops; None where there are no lanes, so that the database is all."""
    spent: SpentOnRecord = field(default_factory=SpentOnRecord)
    """What SIMs without a lane have spent."""
    forecast: Forecast = field(default_factory=Forecast)
    dispatcher: Dispatcher | None = None
    """What the lanes choose by; None where there are none."""
    queue_why: QueueWhy = field(default_factory=QueueWhy)
    remote: RemoteCare | None = None
    """What remote phones ask; None where no daemon runs."""
    check_reach: Callable[[str], None] = check_reach
    """Sees that phones reach the gateway at a URL. Raises CannotPairError."""

    @property
    def care(self) -> PhoneCare:
        """The operator's hand on the phones."""
        return PhoneCare(self.rack, self.store, self.bells, self.clock)

    @property
    def remote_admin(self) -> RemoteAdmin:
        """The operator's hand on the remote phones."""
        return RemoteAdmin(self.store, self.settings, self.clock, self._remotes_changed, self.check_reach)

    @property
    def control(self) -> Control:
        """The operator's hand on what may send."""
        return Control(self.store, self.holds, self.care, self.bells, self.clock)

    @property
    def why(self) -> Why:
        """Who knows why messages wait."""
        return Why(self.store, self.settings, self.rack, self.dispatcher, self.clock)

    @property
    def ramp(self) -> Ramp:
        """What slows the SIMs since the last outage, or did."""
        return self.dispatcher.ramp() if self.dispatcher else NO_RAMP

    @property
    def trouble(self) -> str | None:
        """What keeps the whole rack from sending; None where nothing does."""
        if self.store.trouble is not None:
            return self.store.trouble
        words = self.rack.trouble if self.rack else None
        return f"no phone can be reached: {words}" if words else None

    def submit(self, drafts: Sequence[Draft], actor: str) -> list[Accepted | Rejected]:
        """Take messages in and wake the lanes."""
        settings = self.settings
        outcomes = submit(self.store, settings.messages, drafts, now=self.clock(), actor=actor, rack=settings)
        accepted = [outcome for outcome in outcomes if isinstance(outcome, Accepted)]
        if any(outcome.is_bound for outcome in accepted):
            self.bells.ring()  # one lane in particular is meant
        else:
            self.bells.ring_in(len(accepted))
        return outcomes

    def make_batch(self, draft: BatchDraft, actor: str) -> None:
        """Make a batch. Raises BatchConflictError, InvalidBatchError or InvalidWindowError."""
        self.store.write(lambda session: make_batch(session, draft, now=self.clock(), actor=actor).id)

    def change_window(self, name: str, changes: Mapping[str, datetime | None]) -> int:
        """Change an end of a batch's window, or both; give how many messages are queued in it.

        Raises UnknownBatchError or InvalidWindowError.
        """
        queued = change_window(self.store, self.settings.messages, name, changes, now=self.clock())
        self.bells.ring()
        return queued

    def cancel_batch(self, name: str, actor: str, reason: str) -> int:
        """Cancel what is queued of a batch; give how many. Raises UnknownBatchError."""
        return cancel_batch(self.store, name, now=self.clock(), actor=actor, reason=reason)

    def settle(self, message_ids: Sequence[int], settlement: Settlement, actor: str, reason: str) -> None:
        """Close unknown messages. Raises UnknownMessageError or NotUnknownError; then none was changed."""
        self.store.write(
            lambda session: settle(session, set(message_ids), settlement, now=self.clock(), actor=actor, reason=reason)
        )
        self.bells.ring()

    def release_restored(self, actor: str, reason: str) -> int:
        """Let messages from a backup go without waiting for phones that were not asked; give how many."""
        count = self.store.write(
            lambda session: release_restored(session, now=self.clock(), actor=actor, reason=reason)
        )
        self.bells.ring()
        return count

    def release_stale(self, batch: str | None, actor: str, reason: str) -> int:
        """Let what an outage has made late go, of one batch or all of it; give how many. Raises UnknownBatchError."""
        count = release_stale(self.store, batch, now=self.clock(), actor=actor, reason=reason)
        self.bells.ring()
        return count

    def cancel_stale(self, batch: str | None, actor: str, reason: str) -> int:
        """Cancel what an outage has made late; the rest as above."""
        return cancel_stale(self.store, batch, now=self.clock(), actor=actor, reason=reason)

    @property
    def consent(self) -> ConsentCare:
        """The opt-out list and the replies that a person must look at."""
        return ConsentCare(self.store, self.settings, self.clock)

    @property
    def rules(self) -> RulesCare:
        """The rules for what comes in."""
        return RulesCare(self.store, self.clock)

    @property
    def inbox(self) -> InboxCare:
        """What an operator asks of the inboxes."""
        return InboxCare(self.care, self.rack, self.store, self.settings, self.clock)

    def reply(
        self, peer: str, text: str, actor: str, ref: str | None = None, up_to_id: int | None = None
    ) -> Accepted | Rejected:
        """Answer who has written, from the SIM that they wrote to.

        What they wrote up to an inbound message, or with None until now, counts as read. Raises
        UnknownConversationError.
        """
        with self.store.reading() as session:
            draft, last_id = reply(session, peer, text, ref), newest_inbound_id(session)
        (outcome,) = self.submit([draft], actor)
        if isinstance(outcome, Accepted):
            self.mark_read(peer, last_id if up_to_id is None else up_to_id)
        return outcome

    def peer(self, name: str) -> str:
        """Give whom a conversation is with as it is kept: a number in E.164, however it is written; else the name."""
        number = parse_sender(name, self.settings.messages.home_region)
        return number.e164 if number else name

    def mark_read(self, peer: str, up_to_id: int) -> int:
        """Note that a person has read a conversation up to an inbound message; give how many were new."""
        return self.store.write(lambda session: mark_read(session, peer, up_to_id, now=self.clock()))

    def limit_sim(self, sim_id: int, changes: Changes) -> None:
        """Change limits of a SIM, checked already. Raises ConfigError for an unknown SIM."""
        serial = self.store.write(lambda session: change_limits(session, sim_id, changes))
        phone = self.rack.find(serial) if self.rack else None
        if phone is not None:
            phone.update(enrolled=None)
        self._remotes_changed()

    def _remotes_changed(self) -> None:
        if self.remote is not None:
            self.remote.refresh()
        self.bells.ring()
