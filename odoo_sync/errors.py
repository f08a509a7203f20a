"""What can go wrong with Odoo, as types that say whether to try again.

OdooSyncError
OdooUnavailableError   down, slow, restarting, or losing a race: try again, after re-reading
  ModuleStumbledError  the module `sms_gateway` failed over what it was told: try again with less, or pass on
OdooRejectedError      wrong login, a missing right, a wrong call: a person must act; trying again helps nothing
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
