"""The rules as the settings want them. Pure."""

from __future__ import annotations

from datetime import timedelta

from host_controller.rule_settings import (
    HoursSettings,
    PrefixSettings,
    QuietHoursSettings,
    RepeatSettings,
    SpendSettings,
    StickySettings,
)
from host_controller.rules.classes import MessageClass
from host_controller.rules.prefixes import PrefixCap
from host_controller.rules.quiet_hours import OpenHours, QuietRules
from host_controller.rules.repeats import RepeatLimits
from host_controller.rules.spend import SpendLimit
from host_controller.rules.sticky import StickyRule


def quiet_rules(settings: QuietHoursSettings) -> QuietRules:
    """Hours by class and country, and holidays."""
    by_class: dict[MessageClass, dict[str, HoursSettings]] = {
        MessageClass.OTP: dict(settings.otp),
        MessageClass.TRANSACTIONAL: dict(settings.transactional),
        MessageClass.MARKETING: dict(settings.marketing),
    }
    hours = {
        message_class: {
            region: OpenHours.daily(found.opens, found.closes, found.days, on_holidays=found.on_holidays)
            for region, found in by_region.items()
        }
        for message_class, by_region in by_class.items()
        if by_region
    }
    return QuietRules(hours, {region: frozenset(days) for region, days in settings.holidays.items()})


def repeat_limits(settings: RepeatSettings) -> RepeatLimits:
    """How often is too often."""
    return RepeatLimits(
        {MessageClass(name): count for name, count in settings.recipient_per_hour.items()},
        {MessageClass(name): count for name, count in settings.same_text.items()},
        timedelta(minutes=settings.same_text_within_min),
    )


def prefix_caps(settings: dict[str, PrefixSettings]) -> dict[str, PrefixCap]:
    """Caps by the beginning of the number."""
    return {prefix: PrefixCap(cap.parts_per_hour, cap.parts_per_day) for prefix, cap in settings.items()}


def spend_limit(settings: SpendSettings) -> SpendLimit | None:
    """The fuse for money; None where there is none."""
    if settings.limit is None:
        return None
    costs = dict(settings.cost_per_part)
    return SpendLimit(settings.limit, costs, timedelta(hours=settings.within_h), settings.currency)


def sticky_rule(settings: StickySettings) -> StickyRule | None:
    """How long a recipient keeps a SIM; None where it does not."""
    if not settings.enabled:
        return None
    return StickyRule(timedelta(days=settings.expires_after_days), timedelta(minutes=settings.fails_over_after_min))
