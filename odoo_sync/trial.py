"""One SMS made in an Odoo to try the connection: a mailing to one recipient, which alone has a trace there.

Whatever is made bears the SMS's text, which is random: so it is found and taken away again even where an answer was
lost, and nothing else is touched. The SMS itself stays where smsrack has it, until Odoo's own vacuum takes it; where
not, it is cancelled, so that nobody sends it later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from host_controller.messaging.canary import canary_text
from host_controller.settings import OdooMode
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooRecordError, OdooRejectedError, OdooSyncError

_CONTACT = "mailing.contact"
_REACHED = ("pending", "sent", "open", "reply")
_FAILED = ("error", "bounce", "cancel")
# The module writes `pending` when it has chosen a phone.
_REACHED_IN_MODULE = ("sent", "open", "reply")


@dataclass(frozen=True)
class There:
    """What Odoo shows of the SMS."""

    uuid: str | None
    """None: Odoo made no SMS, only a trace that says why."""
    state: str | None
    trace_status: str | None
    failure: str | None
    """Odoo's type of it, and the provider's word where it has one."""
    is_sent: bool
    has_failed: bool


class Trial:
    """The SMS of one trial in one Odoo."""

    def __init__(self, client: OdooClient, module_phone_id: int | None = None) -> None:
        """`client` has the rights to make a mailing; in mode gateway it goes to this phone of the module."""
        self.text = canary_text()
        self._client = client
        self._mode = client.settings.mode
        self._module_phone_id = module_phone_id
        self._mailing_id: int | None = None

    def require_rights(self) -> None:
        """See that it can be made and followed. Raises OdooRejectedError with what is missing, and OdooSyncError."""
        call = self._client.call
        try:
            granted = {
                "create mailing.mailing": call("mailing.mailing", "check_access_rights", ["create", False], {}),
                "create mailing.contact": call("mailing.contact", "check_access_rights", ["create", False], {}),
                "read mailing.trace": call("mailing.trace", "check_access_rights", ["read", False], {}),
                "read sms.sms": call("sms.sms", "check_access_rights", ["read", False], {}),
            }
        except OdooRecordError as error:
            raise OdooRejectedError(
                "this Odoo has no SMS mailings: install its app SMS Marketing (mass_mailing_sms), or try from a chatter"
            ) from error
        missing = [right for right, is_granted in granted.items() if not is_granted]
        if missing:
            raise OdooRejectedError(
                f"the user {self._client.settings.user} lacks: {', '.join(missing)}; name one who has them, of the "
                "groups Email Marketing / User and Settings, with --admin LOGIN"
            )

    def make(self, number: str) -> None:
        """Make it, and let Odoo send it as it sends any. Raises OdooSyncError.

        In mode push it is handed to us within this call, as from a chatter; else it waits.
        """
        contact = _id(self._client.call("mailing.contact", "create", [{"name": self.text, "mobile": number}], {}))
        (model,) = self._client.call("ir.model", "search_read", [[["model", "=", _CONTACT]], ["id"]], {})
        values: dict[str, Any] = {
            "subject": self.text,
            # No mail is sent, but Odoo wants one, and a user may have none.
            "email_from": "smsrack@localhost",
            "mailing_type": "sms",
            "mailing_model_id": model["id"],
            "mailing_domain": repr([("id", "in", [contact])]),
            "body_plaintext": self.text,
            "sms_allow_unsubscribe": False,
        }
        if self._mode is OdooMode.PUSH:
            values["sms_force_send"] = True
        if self._mode is OdooMode.GATEWAY:
            values |= {"sms_provider": "gateway", "gateway_phone_forced_id": self._module_phone_id or False}
        self._mailing_id = _id(self._client.call("mailing.mailing", "create", [values], {}))
        if self._mode is OdooMode.GATEWAY:
            self._client.call("mailing.mailing", "action_force_create_sms_queue", [[self._mailing_id]], {})
        else:
            self._client.call("mailing.mailing", "action_send_sms", [[self._mailing_id]], {})

    def look(self) -> There:
        """Give what Odoo shows of it. Raises OdooSyncError."""
        fields = ["trace_status", "failure_type", "failure_reason"]
        of_it = [["mass_mailing_id", "=", self._mailing_id]]
        traces = self._client.call("mailing.trace", "search_read", [of_it, fields], {})
        sms, trace = self._sms(), traces[0] if traces else {}
        state, status = sms.get("state"), trace.get("trace_status")
        words = [trace.get("failure_type") or sms.get("failure_type"), trace.get("failure_reason")]
        failure = ": ".join(word for word in words if word) or None
        is_sent = status in (_REACHED_IN_MODULE if self._mode is OdooMode.GATEWAY else _REACHED)
        return There(sms.get("uuid"), state, status, failure, is_sent, status in _FAILED)

    def clear(self, *, is_here: bool) -> str | None:
        """Take away what was made for it; `is_here`: smsrack has the SMS. Gives words where something is left."""
        try:
            if self._mailing_id is not None and not is_here and (sms := self._sms()):
                self._client.write_state([sms["id"]], "canceled", None)
            named = [["subject", "=", self.text]]
            mailings = self._client.call("mailing.mailing", "search_read", [named, ["source_id"]], {})
            self._client.call("mailing.mailing", "unlink", [[row["id"] for row in mailings]], {})
            # A mailing makes a source of its name, and leaves it behind.
            sources = [row["source_id"][0] for row in mailings if row["source_id"]]
            self._client.call("utm.source", "unlink", [sources], {})
            contacts = self._client.call("mailing.contact", "search_read", [[["name", "=", self.text]], ["id"]], {})
            self._client.call("mailing.contact", "unlink", [[row["id"] for row in contacts]], {})
        except OdooSyncError as error:
            return f"the mailing and the mailing contact {self.text!r} may be left in Odoo, delete them there: {error}"
        return None

    def _sms(self) -> dict[str, Any]:
        fields = ["id", "uuid", "state", "failure_type"]
        rows = self._client.call("sms.sms", "search_read", [[["mailing_id", "=", self._mailing_id]], fields], {})
        return rows[0] if rows else {}


def _id(made: Any) -> int:
    return int(made[0] if isinstance(made, list) else made)
