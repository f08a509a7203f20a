"""Our states in Odoo's words. Pure; the only place that knows both.

Words of `/sms/status` and what they do to a trace, as seen on Odoo 18: `processing` → process, `sent` → pending (shown
as "Sent"), `not_delivered` → error, `not_allowed`, `invalid_destination`, `rejected` → bounce. A word that Odoo does
not know marks the message as failed, so that none may be misspelt.
"""

from __future__ import annotations

from dataclasses import dataclass

from host_controller.errors import DestinationRefusedError, InvalidMsisdnError, OptedOutError
from host_controller.rules.states import FailureCode, MessageState

CLAIM_WORD, CLAIM_STATE = "processing", "process"


@dataclass(frozen=True)
class Report:
    """How a message ended, for Odoo."""

    word: str
    """For `/sms/status`: moves the trace, the notification and the mailing."""
    state: str
    """For `sms.sms.state`, which the word does not move."""
    failure_type: str | None = None
    is_success: bool = False


SENT = Report("sent", "pending", is_success=True)
_NOT_SENT = Report("not_delivered", "error", "sms_server")
_OPTED_OUT = Report("not_allowed", "canceled", "sms_blacklist")
_REFUSALS = {
    OptedOutError.code: _OPTED_OUT,
    InvalidMsisdnError.code: Report("invalid_destination", "error", "sms_number_format"),
    DestinationRefusedError.code: Report("not_allowed", "error", "sms_country_not_supported"),
}
_OTHER_REFUSAL = Report("rejected", "error", "sms_server")


def report_of(state: MessageState, failure_code: str | None) -> Report | None:
    """Give what Odoo hears of a message, or None while it has not ended.

    `unknown` is an error there, never outgoing: Odoo would send it again.
    """
    if state is MessageState.SENT:
        return SENT
    if state is MessageState.CANCELLED and failure_code == FailureCode.OPTED_OUT:
        return _OPTED_OUT
    if state in (MessageState.QUEUED, MessageState.SUBMITTING):
        return None
    return _NOT_SENT


def report_of_refusal(code: str) -> Report:
    """Give what Odoo hears of a message that was refused at the door; `code` is the refusing error's."""
    return _REFUSALS.get(code, _OTHER_REFUSAL)
