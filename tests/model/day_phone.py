"""A modelled phone for a whole day: its calls take their time without holding up the others, its bad hours are set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

from device_drivers.base import Enrolment, EnrolOptions, PhoneHealth, SendGuard, Sim, SimHealth, SubmitReceipt
from tests.model.model_phone import Clock, Fate, ModelPhone

OPEN_GUARD = SendGuard(3600, 60.0)
STOCK_GUARD = SendGuard(30, 1800.0)
"""Android's own, on a phone where nobody has raised it."""


class OwnTime:
    """The rack's clock as one phone lives it: ahead by the calls that it is at work on in this turn."""

    def __init__(self, shared: Clock) -> None:
        self._shared = shared
        self.busy_s = 0.0

    @property
    def elapsed_s(self) -> float:
        return self._shared.elapsed_s + self.busy_s

    def go_on(self, seconds: float) -> None:
        self.busy_s += seconds

    def take_busy_s(self) -> float:
        """How long the turn has taken; the next one starts with none."""
        busy_s, self.busy_s = self.busy_s, 0.0
        return busy_s


@dataclass
class DayPhone(ModelPhone):
    """One phone with one or two SIMs, and a guard."""

    sim_count: int = 1
    guard: SendGuard = OPEN_GUARD
    draw_fate: Callable[[], Fate] = Fate
    """What becomes of the next message."""
    has_dialog: bool = False
    has_network: bool = True
    _last_row_id: int = 0
    own_sims: tuple[Sim, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        self.own_sims = tuple(Sim(slot, 10 + slot, f"894201{self.name}{slot}", "Op") for slot in range(self.sim_count))

    @property
    def sims(self) -> tuple[Sim, ...]:
        return self.own_sims

    @property
    def boot_id(self) -> str:
        return f"{self.starts:08d}-0000-0000-0000-{self.name:>12}"

    def enrol(self, options: EnrolOptions) -> Enrolment:
        return replace(super().enrol(options), guard=self.guard)

    def read_health(self) -> PhoneHealth:
        health = super().read_health()
        radio = tuple(SimHealth(sim.slot_index, self.has_network, -80) for sim in self.sims)
        return replace(health, sims=radio, guard_dialog=self.has_dialog)

    def submit(
        self, attempt_id: int, sim: Sim, msisdn: str, parts: Sequence[str], last_look=nullcontext
    ) -> SubmitReceipt:
        self.fate = self.draw_fate()
        return super().submit(attempt_id, sim, msisdn, parts, last_look)

    def _next_row_id(self) -> int:
        self._last_row_id += 1
        return self._last_row_id
