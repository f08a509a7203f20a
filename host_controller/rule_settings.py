"""The part of the settings that says when, to whom and how often may be written; `rules/configured.py` reads it."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from phonenumbers import SUPPORTED_REGIONS
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator


def _region(name: str) -> str:
    if name not in SUPPORTED_REGIONS:
        raise ValueError("is not a region; write two letters like CZ")
    return name


Region = Annotated[str, AfterValidator(_region)]
ClassName = Literal["otp", "transactional", "marketing"]
Prefix = Annotated[str, Field(pattern=r"^\+\d*$")]


def _clock(text: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d|24:00", text):
        raise ValueError("is no time of day; write one like 08:00, at most 24:00")
    return text


def _days(text: str) -> str:
    if not re.fullmatch("[01]{7}", text):
        raise ValueError("must have seven digits, Monday first, 1 for each open day, like 1111110")
    return text


_Clock = Annotated[str, AfterValidator(_clock)]


class Section(BaseModel):
    """A part of the settings: frozen, and nothing in it that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HoursSettings(Section):
    """When messages may go, by the clocks where their recipient lives."""

    opens: _Clock = "08:00"
    closes: _Clock = "20:00"
    days: Annotated[str, AfterValidator(_days)] = "1111110"
    """A 1 for each open day, Monday first."""
    on_holidays: bool = False

    @model_validator(mode="after")
    def _check(self) -> HoursSettings:
        if self.opens >= self.closes:
            raise ValueError("never opens; write the earlier time as `opens`")
        return self


_HoursByRegion = dict[Literal["*"] | Region, HoursSettings]


class QuietHoursSettings(Section):
    """When messages may reach their recipients, by class and country; `*` is every country that is not named."""

    otp: _HoursByRegion = {}
    transactional: _HoursByRegion = {}
    marketing: _HoursByRegion = {"*": HoursSettings()}
    holidays: dict[Region, tuple[date, ...]] = {}
    """Days on which nothing goes to a country, but what may go on holidays."""

    @field_validator("marketing")
    @classmethod
    def _keep_the_rest(cls, hours: _HoursByRegion) -> _HoursByRegion:
        """Hours for one country do not open all the others at night."""
        return {"*": HoursSettings(), **hours} if hours else hours


class RepeatSettings(Section):
    """Guards against a program that runs wild: who may get how many messages, and how often one text may go out."""

    recipient_per_hour: dict[ClassName, PositiveInt] = {"otp": 20, "transactional": 20, "marketing": 3}
    """Messages to one number within an hour; a class that is not named is not limited."""
    same_text: dict[ClassName, PositiveInt] = {"otp": 100, "transactional": 2000}
    """Messages of one text, of all classes that are named here, within `same_text_within_min`."""
    same_text_within_min: Annotated[float, Field(gt=0, le=1440)] = 10.0


class PrefixSettings(Section):
    """How many parts may go to numbers that begin alike."""

    parts_per_hour: PositiveInt | None = None
    parts_per_day: PositiveInt | None = None


class SpendSettings(Section):
    """A fuse for money: when it blows, nothing goes until a person resumes the rack."""

    limit: Annotated[Decimal, Field(gt=0)] | None = None
    """What may be spent within the time below; without it there is no fuse."""
    within_h: Annotated[float, Field(gt=0, le=744)] = 24.0
    currency: Annotated[str, Field(min_length=1, max_length=8)] = "CZK"
    cost_per_part: dict[Prefix, Annotated[Decimal, Field(ge=0)]] = {"+": Decimal(1)}
    """What a part costs, by the beginning of the number; `+` is every other number."""

    @model_validator(mode="after")
    def _check(self) -> SpendSettings:
        if "+" not in self.cost_per_part:
            raise ValueError("needs the cost of every other number, under '+', in cost_per_part")
        return self


class RampUpSettings(Section):
    """How SIMs come back to their pace after an outage."""

    # With more, the longest pause that a SIM can have would pass the hour that its ledger looks back.
    minutes: Annotated[float, Field(ge=0, le=20)] = 10.0
    """A quarter of the pace at first, then a half, then three quarters, and after so long all of it; 0: at once."""


class StickySettings(Section):
    """The same SIM for the same recipient."""

    enabled: bool = False
    expires_after_days: Annotated[float, Field(gt=0, le=3650)] = 30.0
    """Since the last message, after which the recipient may get another SIM."""
    fails_over_after_min: Annotated[float, Field(ge=0, le=10_080)] = 10.0
    """A SIM that is held for longer than this is not waited for."""
