"""What can go wrong with Odoo, as types that say whether to try again.

OdooSyncError
OdooUnavailableError   down, slow, restarting, or losing a race: try again, after re-reading
  ModuleStumbledError  the module `sms_gateway` failed over what it was told: try again with less, or pass on
OdooRejectedError      a missing right, a wrong call: a person must act; trying again helps nothing
  OdooLoginError       no call that needs a login goes through any more; reports still do
  OdooRecordError      what the call was about cannot be, or is gone: other calls are not concerned
    OdooDuplicateError a unique key is taken: somebody was first
OdooElsewhereError     another smsrack has this database; it goes on by itself once that one is silent
"""

from __future__ import annotations

from host_controller.errors import ControllerError


class OdooSyncError(ControllerError):
    """Any trouble with Odoo. Sending goes on all the same."""

    code = "odoo"


class OdooUnavailableError(OdooSyncError):
    """Odoo did not answer, or not in time; what was asked may have been done."""

    code = "odoo_unavailable"


class ModuleStumbledError(OdooUnavailableError):
    """The module answered with an error of its own; nothing of the call was kept."""

    code = "odoo_module_stumbled"


class OdooRejectedError(OdooSyncError):
    """Odoo answered, and refused."""

    code = "odoo_rejected"


class OdooLoginError(OdooRejectedError):
    """Odoo does not accept the user's login, or not any more."""

    code = "odoo_login"


class OdooRecordError(OdooRejectedError):
    """What a call was about cannot be, or is not there."""

    code = "odoo_record"

    def __init__(self, message: str, words: str) -> None:
        super().__init__(message)
        self.words = words
        """Odoo's own, in the user's language; they may hold a number or a text and belong in no log."""


class OdooDuplicateError(OdooRecordError):
    """There is a record with this unique key already."""

    code = "odoo_duplicate"


class OdooElsewhereError(OdooSyncError):
    """Another smsrack takes this database's SMS over; this one waits until that one is silent."""

    code = "odoo_elsewhere"
