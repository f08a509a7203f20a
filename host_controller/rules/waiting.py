"""Why a queued message does not go out yet. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class WaitReason(StrEnum):
    """The rule or the want that holds it."""

    PACE = "pace"
    """The SIM sent a moment ago."""
    GUARD = "guard"
    """Android would show a dialog and hold the message."""
    HOUR = "hour"
    """The SIM's limit for an hour is spent."""
    QUOTA = "quota"
    """The SIM's limit for today is spent."""
    MONTH = "month"
    """The SIM's limit for this billing month is spent."""
    RECIPIENTS = "recipients"
    """The SIM has written to as many different numbers as its tariff allows in a billing month."""
    RESERVE = "reserve"
    """What the SIM may still send is kept for messages of a higher class."""
    TOO_LONG = "too_long"
    """The message has more parts than the SIM's limits, or its number's cap, ever leave room for."""
    RECIPIENT_HOUR = "recipient_hour"
    """The recipient got as many messages within the hour as anybody may."""
    SAME_TEXT = "same_text"
    """The same text has gone out suspiciously often; it looks like a program that runs wild."""
    PREFIX_CAP = "prefix_cap"
    """The cap of numbers that begin like this one is spent."""
    SPEND_FUSE = "spend_fuse"
    """It would cost more than may be spent; a person must release the fuse."""
    QUIET_HOURS = "quiet_hours"
    """It is too early, too late or a holiday where the recipient lives."""
    NOT_BEFORE = "not_before"
    """The sender asked for a later time."""
    BATCH_PAUSED = "batch_paused"
    """Its batch is paused."""
    PAUSED = "paused"
    """A person has paused the SIM, the phone or the whole rack."""
    STICKY = "sticky"
    """It waits for the SIM that the recipient knows."""
    BUSY = "busy"
    """The SIMs that may take it are handing over other messages."""
    NO_ROUTE = "no_route"
    """No SIM's recipient filter lets it through, or what the filter asks of the recipient is not known."""
    NO_SERVICE = "no_service"
    """No SIM of the phone has a network."""
    STOPPED = "stopped"
    """Something about the SIM has changed, and a person must confirm it."""
    RETRY = "retry"
    """It did not leave at the last try; the next one waits."""
    RESTORED = "restored"
    """It comes from a backup: first every phone must say what it has sent since."""
    STALE = "stale"
    """Because of an outage it is late by more than it may be; a person must release it."""
    NO_PHONE = "no_phone"
    """No phone is ready."""


class NeverReason(StrEnum):
    """Why no phone of the rack could ever take a message."""

    NO_SUCH_PHONE = "no_such_phone"
    """The phone that it must leave from is not in the rack."""
    NO_SUCH_SIM = "no_such_sim"
    """None of the SIMs that it may leave from is in the rack."""
    CONTRADICTION = "contradiction"
    """The SIM that it must leave from is in another phone than the one that it must leave from."""
    NO_MATCH = "no_match"
    """The filter of every phone that it may leave from is against its recipient."""
    TOO_LONG = "too_long"
    """It has more parts than any SIM that it may leave from, or the cap of its number, ever allows at once."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What holds a message, and until when; None where no time can be told."""

    until: datetime | None
    reason: WaitReason


def longest(waits: Iterable[Wait | None]) -> Wait | None:
    """The wait that ends last, the first of those that end together; None where nothing holds."""
    found: Wait | None = None
    for wait in waits:
        if wait is None or (found is not None and found.until is None):
            continue
        if found is None or wait.until is None or (found.until is not None and wait.until > found.until):
            found = wait
    return found


def shortest(waits: Iterable[Wait]) -> Wait | None:
    """The wait that ends first, the first of those that end together; None where there are none."""
    found: Wait | None = None
    for wait in waits:
        if found is None or (wait.until is not None and (found.until is None or wait.until < found.until)):
            found = wait
    return found
