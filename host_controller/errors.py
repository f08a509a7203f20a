"""What the controller refuses, as types that say what the caller may do.

    ControllerError             one line for a person; `code` for programs
      InvalidMsisdnError        correct the number
      DestinationRefusedError   the rack may not write there; allow the region in the settings, or leave it
      InvalidTextError          correct the text
      TooManyPartsError         shorten the text
      OptedOutError             leave it: the recipient does not want messages
      RefConflictError          use a new ref
      PhoneBusyError            try again in a moment
      UnknownPhoneError         correct the serial
      NotRunningError           start the daemon
      IllegalTransitionError    a bug: nothing was changed
      ConfigError               correct the settings or the command line
      DataDirectoryError        free the data directory or choose another

No error carries a full number or a message text.
"""

from __future__ import annotations


class ControllerError(Exception):
    """Any refusal; nothing was changed by what raised it."""

    code = "error"


class InvalidMsisdnError(ControllerError):
    """The number cannot be a telephone number."""

    code = "invalid_msisdn"


class DestinationRefusedError(ControllerError):
    """The rack may not write to this country or kind of number."""

    code = "destination_refused"


class InvalidTextError(ControllerError):
    """The text cannot be sent as SMS."""

    code = "invalid_text"


class TooManyPartsError(ControllerError):
    """The text needs more parts than allowed."""

    code = "too_many_parts"


class OptedOutError(ControllerError):
    """The recipient must not be written to."""

    code = "opted_out"


class RefConflictError(ControllerError):
    """The reference belongs to another message."""

    code = "ref_conflict"


class UnknownPhoneError(ControllerError):
    """No phone of that name is in sight."""

    code = "not_found"


class NotRunningError(ControllerError):
    """It needs the running daemon."""

    code = "not_running"


class PhoneBusyError(ControllerError):
    """The phone did not get to what was asked of it in time."""

    code = "phone_busy"


class IllegalTransitionError(ControllerError):
    """A message cannot change in this way."""

    code = "illegal_transition"


class ConfigError(ControllerError):
    """A setting or an option is wrong."""

    code = "config"


class DataDirectoryError(ControllerError):
    """The data directory cannot be used."""

    code = "data_directory"
