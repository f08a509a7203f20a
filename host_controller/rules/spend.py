"""A fuse for money: what is sent within a window may cost so much, then everything stops. Pure: takes `now`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from host_controller.errors import ConfigError
from host_controller.rules.prefixes import PrefixTable, PrefixUse
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.rules.windows import SlidingUses
from host_controller.text.msisdn import Msisdn

_MICRO = Decimal(1_000_000)


@dataclass(frozen=True)
class SpendLimit:
    """What may be spent within a window, and what a part costs."""

    limit: Decimal
    cost_per_part: Mapping[str, Decimal]
    """By the beginning of the number; the longest that fits wins. `+` is every number, and must be there."""
    within: timedelta = timedelta(days=1)
    currency: str = "CZK"
    table: PrefixTable[Decimal] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if "+" not in self.cost_per_part:
            raise ConfigError("a spend limit needs the cost of every other number, under '+'")
        if self.limit <= 0 or min(self.cost_per_part.values()) < 0:
            raise ConfigError("a spend limit is above 0, and no cost is below it")
        object.__setattr__(self, "table", PrefixTable(self.cost_per_part))

    def cost(self, msisdn: Msisdn, parts: int) -> Decimal:
        """What a message costs."""
        found = self.table.longest(msisdn)
        return found[1] * parts if found else Decimal(0)


@dataclass(frozen=True, slots=True)
class Blown:
    """The fuse has blown: nothing goes until a person releases it."""

    at: datetime
    spent: Decimal
    next_cost: Decimal
    limit: SpendLimit

    def __str__(self) -> str:
        hours = self.limit.within / timedelta(hours=1)
        return (
            f"{self.spent:f} {self.limit.currency} was spent within {hours:g} h, and {self.next_cost:f} more would pass"
            f" the limit of {self.limit.limit:f}: look at what was sent, then `smsrack resume`"
        )


class SpendFuse:
    """What was spent, and whether the fuse has blown. Not for several threads.

    After a restart, and after a release, it is built from the rows since the last release.
    """

    def __init__(self, limit: SpendLimit, uses: Iterable[PrefixUse] = ()) -> None:
        self.limit = limit
        self.blown: Blown | None = None
        self._micros = SlidingUses()
        for use in sorted(uses, key=lambda use: use.at):
            self.recall(use)

    def note(self, use: PrefixUse) -> None:
        """Count what a message costs that goes out now."""
        self.recall(use)
        self._micros.forget(use.at - self.limit.within)

    def recall(self, use: PrefixUse) -> None:
        """Count what a message has cost that is on record."""
        self._micros.add(use.at.astimezone(UTC), 0, _in_micros(self.limit.cost(use.msisdn, use.parts)))

    def take_back(self, use: PrefixUse) -> None:
        """Uncount a message that certainly did not leave."""
        self._micros.remove(use.at.astimezone(UTC), 0, _in_micros(self.limit.cost(use.msisdn, use.parts)))

    def spent(self, now: datetime) -> Decimal:
        """What was spent in the window that ends now."""
        now = now.astimezone(UTC)
        self._micros.turn_to(now)
        return sum(self._micros.totals(now, self.limit.within)) / _MICRO

    def next_allowed(self, msisdn: Msisdn, parts: int, now: datetime) -> Wait | None:
        """Say that the fuse holds a message; it blows where the message would pass the limit, and stays so."""
        wait = self.would_hold(msisdn, parts, now)
        if wait is not None and self.blown is None:
            self.blown = Blown(now, self.spent(now), self.limit.cost(msisdn, parts), self.limit)
        return wait

    def would_hold(self, msisdn: Msisdn, parts: int, now: datetime) -> Wait | None:
        """Say the same for who only wonders: nothing blows of it."""
        if self.blown is None and self.spent(now) + self.limit.cost(msisdn, parts) <= self.limit.limit:
            return None
        return Wait(None, WaitReason.SPEND_FUSE)


def _in_micros(cost: Decimal) -> int:
    return int(cost * _MICRO)
