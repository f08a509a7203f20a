"""Why a queued message does not go out yet. Pure."""

from __future__ import annotations

from enum import StrEnum


class WaitReason(StrEnum):
    """The rule or the want that holds it."""

    PACE = "pace"
    """The SIM sent a moment ago."""
    GUARD = "guard"
    """Android would show a dialog and hold the message."""
    QUOTA = "quota"
    """The SIM's limit for today is spent."""
    NO_SERVICE = "no_service"
    """No SIM of the phone has a network."""
    STOPPED = "stopped"
    """Something about the SIM has changed, and a person must confirm it."""
    RETRY = "retry"
    """It did not leave at the last try; the next one waits."""
    RESTORED = "restored"
    """It comes from a backup: first every phone must say what it has sent since."""
    NO_PHONE = "no_phone"
    """No phone is ready."""
