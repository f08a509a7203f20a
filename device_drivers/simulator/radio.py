"""The telephony of one SIM: the framework's send path from its entrance to the network and to the stored row."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from device_drivers.simulator import airtime
from device_drivers.simulator.faults import Faults
from device_drivers.simulator.guard import Guard
from device_drivers.simulator.network import Network
from device_drivers.simulator.provider import FAILED, INBOX, SENT, SmsStore

# SMSDispatcher inserts a failed message as sent and corrects it right after.
_CORRECTION_S = 0.1


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
    fails: bool = False
    left: int = 0


class Radio:
    """Sends one part after another, as a modem does."""

    def __init__(
        self,
        sim: SimCard,
        phone: str,
        store: SmsStore,
        network: Network,
        faults: Faults,
        clock_ms: Callable[[], int],
        latency_s: tuple[float, float],
        seed: int,
    ) -> None:
        self.sim = sim
        self._phone = phone
        self._store = store
        self._network = network
        self._faults = faults
        self._clock_ms = clock_ms
        self._latency_s = latency_s
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._queue: asyncio.Queue[tuple[Outgoing, int]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self.guard = Guard(1, 1)
        network.register(sim.number, self._receive)

    def boot(self, guard: Guard) -> None:
        """Start the telephony process: what was on its way is gone."""
        if self._task:
            self._task.cancel()
        self._queue = asyncio.Queue()
        self.guard = guard
        self._task = asyncio.get_running_loop().create_task(self._work())

    def stop(self) -> None:
        """End."""
        if self._task:
            self._task.cancel()

    def send(self, message: Outgoing, *, whole: bool) -> None:
        """Take a message from the framework's entrance: past the guard, then to the modem.

        `whole` asks the guard once for all parts, else once for each.
        """
        steps = [list(range(len(message.texts)))] if whole else [[n] for n in range(len(message.texts))]
        for numbers in steps:
            self.guard.ask(
                len(numbers),
                self._clock_ms(),
                lambda numbers=numbers: self._enqueue(message, numbers),  # type: ignore[misc]
                lambda numbers=numbers: self._fail(message, len(numbers)),  # type: ignore[misc]
            )

    def _enqueue(self, message: Outgoing, numbers: list[int]) -> None:
        for number in numbers:
            self._queue.put_nowait((message, number))

    async def _work(self) -> None:
        while True:
            message, number = await self._queue.get()
            await asyncio.sleep(self._random.uniform(*self._latency_s))
            if self._faults.is_on("no_service") or (number == 0 and self._faults.take("radio_fail")):
                message.fails = True
            if not message.fails:
                self._network.put_on_air(
                    phone=self._phone,
                    slot_index=self.sim.slot_index,
                    subscription_id=self.sim.subscription_id,
                    sender=self.sim.number,
                    to=message.to,
                    message=message.name,
                    part=number + 1,
                    parts=len(message.texts),
                    text=message.texts[number],
                    encoding=airtime.encoding_of(message.texts),
                )
            self._part_done(message)

    def _fail(self, message: Outgoing, parts: int) -> None:
        message.fails = True
        for _ in range(parts):
            self._part_done(message)

    def _part_done(self, message: Outgoing) -> None:
        """The row is written when the last part has its result."""
        message.left += 1
        if message.left < len(message.texts):
            return
        if not message.fails:
            self._network.message_left(self.sim.number, message.to, "".join(message.texts))
        if not message.persist or self._faults.take("no_row"):
            return
        if self._faults.take("late_row"):
            asyncio.get_running_loop().call_later(self._faults.late_row_s, self._persist, message)
        else:
            self._persist(message)

    def _persist(self, message: Outgoing) -> None:
        row_id = self._store.insert(
            SENT,
            message.to,
            "".join(message.texts),
            self._clock_ms(),
            self.sim.subscription_id,
            creator=message.creator,
        )
        if message.fails:
            asyncio.get_running_loop().call_later(_CORRECTION_S, self._store.set_kind, row_id, FAILED)

    def _receive(self, sender: str, text: str, sent_at_ms: int) -> None:
        self._store.insert(
            INBOX,
            sender,
            text,
            self._clock_ms(),
            self.sim.subscription_id,
            date_sent_ms=sent_at_ms,
            creator="com.google.android.apps.messaging",
        )
