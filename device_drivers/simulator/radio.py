"""The telephony of one SIM: the framework's send path from its entrance to the network and to the stored row."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from device_drivers.simulator import airtime
from device_drivers.simulator.faults import Faults
from device_drivers.simulator.guard import Guard
from device_drivers.simulator.network import Network
from device_drivers.simulator.profile import MESSAGES_APP, Profile
from device_drivers.simulator.provider import FAILED, INBOX, OUTBOX, SENT, SmsStore
from device_drivers.simulator.radio_log import RadioLog


@dataclass(frozen=True)
class SimCard:
    """A SIM and its tray."""

    slot_index: int
    subscription_id: int
    number: str
    iccid: str
    operator: str
    mcc_mnc: tuple[str, str]


@dataclass
class Outgoing:
    """One message on its way out."""

    name: str
    to: str
    texts: list[str]
    persist: bool
    creator: str
    message_id: int = 0
    """What the caller has named it, 0 where the framework takes no name."""
    fails: bool = False
    left: int = 0
    row_id: int | None = None
    """Of the row that was written before the radio was asked."""
    asked_at_ms: int = field(default_factory=lambda: int(time.time() * 1000))
    """When the framework was asked to send it; the phone's own clock may be off."""


@dataclass(frozen=True)
class Handset:
    """What a radio needs of the phone that it is in."""

    serial: str
    profile: Profile
    store: SmsStore
    network: Network
    faults: Faults
    log: RadioLog
    clock_ms: Callable[[], int]
    latency_s: tuple[float, float]


class Radio:
    """Sends one part after another, as a modem does."""

    def __init__(self, sim: SimCard, handset: Handset, seed: int) -> None:
        self.sim = sim
        self._handset = handset
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._queue: asyncio.Queue[tuple[Outgoing, int]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self.guard = Guard(1, 1)
        handset.network.register(sim.number, self._receive)

    def boot(self, guard: Guard) -> None:
        """Start the telephony process: what was on its way is gone."""
        self.stop()
        self._queue = asyncio.Queue()
        self.guard = guard
        self._task = asyncio.get_running_loop().create_task(self._work())

    def stop(self) -> None:
        """End."""
        if self._task:
            self._task.cancel()

    def leave(self) -> None:
        """The card is pulled out: the network reaches it no more."""
        self.stop()
        self._handset.network.unregister(self.sim.number)

    def send(self, message: Outgoing, *, whole: bool) -> None:
        """Take a message from the framework's entrance: past the guard, then to the modem.

        `whole` asks the guard once for all parts, else once for each.
        """
        if self._handset.profile.writes_outbox_first and message.persist:
            message.row_id = self._insert(OUTBOX, message)
        if self._handset.faults.take("dialog", message.to):
            self.guard.park(
                lambda: self._enqueue(message, list(range(len(message.texts)))),
                lambda: self._fail(message, len(message.texts)),
            )
            return
        steps = [list(range(len(message.texts)))] if whole else [[n] for n in range(len(message.texts))]
        for numbers in steps:
            self.guard.ask(
                len(numbers),
                self._handset.clock_ms(),
                lambda numbers=numbers: self._enqueue(message, numbers),  # type: ignore[misc]
                lambda numbers=numbers: self._fail(message, len(numbers)),  # type: ignore[misc]
            )

    def send_app_message(self, message: Outgoing) -> None:
        """Send for the default messaging app: its row is there from the start, and no guard holds it back."""
        message.row_id = self._insert(OUTBOX, message)
        self._enqueue(message, list(range(len(message.texts))))

    def _enqueue(self, message: Outgoing, numbers: list[int]) -> None:
        for number in numbers:
            self._queue.put_nowait((message, number))

    async def _work(self) -> None:
        while True:
            message, number = await self._queue.get()
            token = self._handset.log.asked(self.sim.slot_index)
            await asyncio.sleep(self._random.uniform(*self._handset.latency_s))
            faults = self._handset.faults
            if faults.is_on("no_service") or (number == 0 and faults.take("radio_fail", message.to)):
                message.fails = True
            self._handset.log.answered(self.sim.slot_index, token, failed=message.fails, message_id=message.message_id)
            if not message.fails:
                self._put_on_air(message, number)
            self._part_done(message)

    def _put_on_air(self, message: Outgoing, number: int) -> None:
        self._handset.network.put_on_air(
            phone=self._handset.serial,
            slot_index=self.sim.slot_index,
            subscription_id=self.sim.subscription_id,
            sender=self.sim.number,
            to=message.to,
            message=message.name,
            asked_at_ms=message.asked_at_ms,
            part=number + 1,
            parts=len(message.texts),
            text=message.texts[number],
            encoding=airtime.encoding_of(message.texts),
        )

    def _fail(self, message: Outgoing, parts: int) -> None:
        message.fails = True
        for _ in range(parts):
            self._part_done(message)

    def _part_done(self, message: Outgoing) -> None:
        """The row is written when the last part has its result."""
        message.left += 1
        if message.left < len(message.texts):
            return
        faults = self._handset.faults
        if not message.fails:
            self._handset.network.message_left(self.sim.number, message.to, "".join(message.texts))
        if not message.persist or faults.take("no_row", message.to):
            return
        if faults.take("late_row", message.to):
            asyncio.get_running_loop().call_later(faults.seconds("late_row"), self._persist, message)
        else:
            self._persist(message)

    def _persist(self, message: Outgoing) -> None:
        store = self._handset.store
        if message.row_id is not None:
            store.set_kind(message.row_id, FAILED if message.fails else SENT)
            return
        row_id = self._insert(SENT, message)
        if message.fails:
            # SMSDispatcher inserts a failed message as sent and corrects it right after.
            wait_s = self._handset.faults.moment_within("radio_fail")
            asyncio.get_running_loop().call_later(wait_s, store.set_kind, row_id, FAILED)

    def _insert(self, kind: int, message: Outgoing) -> int:
        body = "".join(message.texts)
        if self._handset.profile.rewrites_body:
            body = body.strip()
        return self._handset.store.insert(
            kind, message.to, body, self._handset.clock_ms(), self.sim.subscription_id, creator=message.creator
        )

    def _receive(self, sender: str, text: str, sent_at_ms: int) -> None:
        """Each part comes by itself; the row is written when the last one is there."""
        for _ in airtime.cut(text):
            self._handset.log.received(self.sim.slot_index)
        self._handset.store.insert(
            INBOX,
            sender,
            text,
            self._handset.clock_ms(),
            self.sim.subscription_id,
            date_sent_ms=sent_at_ms,
            creator=MESSAGES_APP,
        )
