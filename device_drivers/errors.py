"""What can go wrong with a phone, as types that answer "may I try again, and when?".

    DriverError(serial)
      LinkError                     the wire; `reached_phone` says whether the phone may have got the command
        AdbServerUnreachableError   nothing reached any phone
        PhoneOfflineError           refused before a shell was opened
        PhoneUnauthorizedError      refused before a shell was opened; a person must accept the key on the phone
        CommandTimeoutError         a shell was open: the outcome is unknown
        ConnectionLostError         a shell was open and its exit packet never came: the outcome is unknown
      PhoneAnswerError              the phone answered something that we cannot parse
      SubmitError
        NotSubmittedError           certainly not sent; a retry is safe
        SubmitRejectedError         the phone's framework refused it: not sent, and a retry there will fail too
        SubmitOutcomeUnknownError   may have been sent; must never be retried automatically

No error carries a number or a message text.
"""

from __future__ import annotations


class DriverError(Exception):
    """Any failure of a phone or of the way to it."""

    def __init__(self, serial: str, reason: str) -> None:
        super().__init__(f"{serial}: {reason}" if serial else reason)
        self.serial = serial
        self.reason = reason


class LinkError(DriverError):
    """The wire failed."""

    reached_phone: bool = False


class AdbServerUnreachableError(LinkError):
    """No adb server answers; nothing reached a phone."""


class PhoneOfflineError(LinkError):
    """The adb server does not have this phone ready; nothing reached it."""


class PhoneUnauthorizedError(LinkError):
    """The phone has not accepted this host's key; nothing reached it."""


class CommandTimeoutError(LinkError):
    """The command did not end within its limit; the phone may have done it, and may still do it."""

    reached_phone = True

    def __init__(self, serial: str, limit_s: float) -> None:
        super().__init__(serial, f"no answer within {limit_s:g} s")
        self.limit_s = limit_s


class ConnectionLostError(LinkError):
    """The stream ended without an exit packet; the phone may have done the command."""

    reached_phone = True


class PhoneAnswerError(DriverError):
    """The phone's answer does not match the expected grammar."""


class SubmitError(DriverError):
    """A message was not handed over cleanly; the subclass says what that means."""


class NotSubmittedError(SubmitError):
    """The message certainly did not leave; trying again is safe."""


class SubmitRejectedError(SubmitError):
    """The phone's framework threw an exception: nothing left, and this phone will refuse the next one too."""


class SubmitOutcomeUnknownError(SubmitError):
    """The message may have left; only evidence or a person may decide."""
