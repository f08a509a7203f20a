"""What the controller refuses, as types that say what the caller may do.

    ControllerError             one line for a person; `code` for programs
      InvalidMsisdnError        correct the number
      DestinationRefusedError   the rack may not write there; allow the region in the settings, or leave it
      InvalidTextError          correct the text
      TooManyPartsError         shorten the text
      OptedOutError             leave it: the recipient does not want messages
      RefConflictError          use a new ref
      TooLateError              give a later end, or leave it
      InvalidWindowError        let the window end after it begins
      InvalidBatchError         correct the batch's name, or the SIMs named for it
      BatchConflictError        leave class and window out, or name another batch
      UnroutableError           correct what it must leave from, or what the phones may send: the words say which
      UnknownBatchError         correct the batch's name
      PhoneBusyError            try again in a moment
      UnknownPhoneError         correct the serial
      InvalidRemotePhoneError   correct what the words name
      RemotePhoneConflictError  use another name or number
      UnknownKeyError           correct the id
      CannotPairError           set gateway.public_url, or mend what keeps phones from it
      UnknownMessageError       correct the id
      UnknownTargetError        correct the name of what is to be held or released
      UnknownInboundError       correct the id
      UnknownOptOutError        correct the number, or leave it
      NotSuspectedError         leave it: there is nothing to decide
      UnknownConversationError  correct the number or name
      UnknownStopWordError      correct the id
      InvalidStopWordError      correct the word or the list
      NotUnknownError           leave it: what is not unknown settles itself
      NotRunningError           start the daemon
      IllegalTransitionError    a bug: nothing was changed
      InvalidFilterError        correct the recipient filter where it says
      ConfigError               correct the settings or the command line
      DataDirectoryError        free the data directory or choose another
        DataDirectoryTakenError   another smsrack has it: wait, or stop that one
      StoreError                the database did not take it:
        StoreBusyError            try again in a moment; nothing was written
        StoreFullError            free some space on its disk; nothing was written
        StoreCommitLostError      look before you repeat: it may have been written
        StoreBrokenError          look after its disk and start again; nothing is written any more
      BackupError               name another backup file

No error carries a full number or a message text.
"""

from __future__ import annotations


class ControllerError(Exception):
    """Any refusal; nothing was changed by what raised it."""

    code = "error"
    is_logged = False
    """Whether what raised it has logged it, as often as that is to be."""


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


class TooLateError(ControllerError):
    """The time in which the message may go is over."""

    code = "too_late"


class InvalidWindowError(ControllerError):
    """A window ends before it begins."""

    code = "invalid_window"


class InvalidBatchError(ControllerError):
    """No batch can be called or bound so."""

    code = "invalid_batch"


class BatchConflictError(ControllerError):
    """The batch of that name has another class or window."""

    code = "batch_conflict"


class UnroutableError(ControllerError):
    """No phone of the rack could ever take the message."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


class UnknownBatchError(ControllerError):
    """There is no batch of that name."""

    code = "not_found"


class UnknownPhoneError(ControllerError):
    """No phone of that name is in sight."""

    code = "not_found"


class UnknownMessageError(ControllerError):
    """There is no message of that id."""

    code = "not_found"


class UnknownTargetError(ControllerError):
    """There is nothing of that name to be held or released."""

    code = "not_found"


class UnknownInboundError(ControllerError):
    """There is no inbound message of that id."""

    code = "not_found"


class UnknownOptOutError(ControllerError):
    """The number has not opted out."""

    code = "not_found"


class NotSuspectedError(ControllerError):
    """Only a suspected STOP that is not decided yet can be decided."""

    code = "not_suspected"


class UnknownConversationError(ControllerError):
    """Nobody of that number or name has written."""

    code = "not_found"


class UnknownStopWordError(ControllerError):
    """There is no such edit of the word lists."""

    code = "not_found"


class InvalidStopWordError(ControllerError):
    """A word that cannot stand in that list."""

    code = "invalid_stop_word"


class NotUnknownError(ControllerError):
    """Only what is unknown can be settled by a person."""

    code = "not_unknown"


class NotRunningError(ControllerError):
    """It needs the running daemon."""

    code = "not_running"


class PhoneBusyError(ControllerError):
    """The phone did not get to what was asked of it in time."""

    code = "phone_busy"


class IllegalTransitionError(ControllerError):
    """A message cannot change in this way."""

    code = "illegal_transition"


class InvalidRemotePhoneError(ControllerError):
    """A remote phone cannot be as somebody wants it."""

    code = "invalid_remote_phone"


class RemotePhoneConflictError(ControllerError):
    """A name or a number is in use already."""

    code = "remote_phone_conflict"


class UnknownKeyError(ControllerError):
    """There is no such device key."""

    code = "unknown_key"


class CannotPairError(ControllerError):
    """A pairing code would lead a phone nowhere."""

    code = "cannot_pair"


class InvalidFilterError(ControllerError):
    """A recipient filter cannot be read."""

    code = "invalid_filter"


class ConfigError(ControllerError):
    """A setting or an option is wrong."""

    code = "config"


class DataDirectoryError(ControllerError):
    """The data directory cannot be used."""

    code = "data_directory"


class DataDirectoryTakenError(DataDirectoryError):
    """Another smsrack has the data directory."""


class BackupError(ControllerError):
    """A backup cannot be written there, or is not fit to be restored."""

    code = "backup"


class StoreError(ControllerError):
    """The database did not take it."""

    code = "store"


class StoreBusyError(StoreError):
    """The database is held, or away, for longer than the limit; nothing was written."""

    code = "store_busy"


class StoreFullError(StoreError):
    """There is no space left; nothing was written."""

    code = "store_full"


class StoreCommitLostError(StoreError):
    """The connection broke in the middle of a commit: it may have been written."""

    code = "store_commit_lost"


class StoreBrokenError(StoreError):
    """The disk or the database is damaged. After one of these nothing is written until the next start."""

    code = "store_broken"
