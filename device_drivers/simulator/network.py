"""The simulated network: takes what phones put on the air, keeps the air log, delivers, lets subscribers answer."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

Delivery = Callable[[str, str, int], None]


@dataclass(frozen=True)
class AirPart:
    """One part that really left a SIM."""

    seq: int
    at_ms: int
    asked_at_ms: int
    """When the framework was asked to send the message."""
    phone: str
    slot_index: int
    subscription_id: int
    sender: str
    to: str
    message: str
    """Names the framework call that this part belongs to."""
    part: int
    parts: int
    text: str
    encoding: str


@dataclass
class Answer:
    """What a subscriber answers to a message."""

    text: str
    times: int | None
    """How many messages get it; None for all."""


class Network:
    """One operator for all. Used in the event loop, read by the control API."""

    def __init__(self, air_log: Path | None, latency_s: float) -> None:
        self._latency_s = latency_s
        self._file: TextIO | None = air_log.open("a", encoding="utf-8") if air_log else None
        self._air: list[AirPart] = []
        self._lock = threading.Lock()
        self._homes: dict[str, Delivery] = {}
        self.answers: dict[str, Answer] = {}

    def register(self, number: str, deliver: Delivery) -> None:
        """A SIM with this number is on the network: `deliver(sender, text, sent_at_ms)` brings it a message."""
        self._homes[number] = deliver

    def unregister(self, number: str) -> None:
        """The SIM with this number is off the network."""
        self._homes.pop(number, None)

    def put_on_air(self, **fields: object) -> None:
        """One part has left a SIM; it is in the log when this returns."""
        with self._lock:
            part = AirPart(seq=len(self._air) + 1, at_ms=int(time.time() * 1000), **fields)  # type: ignore[arg-type]
            self._air.append(part)
            if self._file:
                self._file.write(json.dumps(asdict(part), ensure_ascii=False) + "\n")
                self._file.flush()

    def message_left(self, sender: str, to: str, text: str) -> None:
        """All parts of a message have left: deliver it, and let the subscriber answer."""
        loop = asyncio.get_running_loop()
        loop.call_later(self._latency_s, self.deliver, sender, to, text)
        answer = self.answers.get(to)
        if answer is None:
            return
        if answer.times is not None:
            answer.times -= 1
            if answer.times <= 0:
                del self.answers[to]
        loop.call_later(2 * self._latency_s, self.deliver, to, sender, answer.text)

    def deliver(self, sender: str, to: str, text: str) -> None:
        """Bring a message to the SIM with that number, if it is ours."""
        home = self._homes.get(to)
        if home:
            home(sender, text, int(time.time()) * 1000)

    def air(self, after: int = 0) -> list[dict[str, object]]:
        """Everything that went on the air after that sequence number."""
        with self._lock:
            return [asdict(part) for part in self._air[after:]]

    def close(self) -> None:
        """Close the log."""
        if self._file:
            self._file.close()
