"""The classes of messages, and which of them goes first. Pure."""

from __future__ import annotations

from enum import StrEnum


class MessageClass(StrEnum):
    """What a message is for; the one of the lowest rank goes first."""

    rank: int

    def __new__(cls, value: str, rank: int = 0) -> MessageClass:
        """Give the member its place in the order, which is asked for too often to be looked up."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.rank = rank
        return member

    OTP = "otp", 0
    """A code that somebody waits for."""
    TRANSACTIONAL = "transactional", 1
    """About something that the recipient has asked for or bought."""
    MARKETING = "marketing", 2
