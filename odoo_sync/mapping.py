"""Our states in Odoo's words. Pure; the only place that knows both.

Words of `/sms/status` and what they do to a trace, as seen on Odoo 18: `processing` → process, `sent` → pending (shown
as "Sent"), `not_delivered` → error, `not_allowed`, `invalid_destination`, `rejected` → bounce. A word that Odoo does
not know marks the message as failed, so that none may be misspelt.

Words of an answer to Odoo's own call (mode push): `processing` → process, `wrong_number_format` and
`country_not_supported` → error with the type of that name, and those above. All were seen on Odoo 18.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from host_controller.errors import DestinationRefusedError, InvalidMsisdnError, OptedOutError, RefConflictError
from host_controller.rules.states import FailureCode, MessageState

CLAIM_WORD, CLAIM_STATE = "processing", "process"
TAKEN_WORD = "processing"
_UUID = re.compile(r"[0-9a-f]{32}")


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
_ANSWERS = {
    OptedOutError.code: "not_allowed",
    InvalidMsisdnError.code: "wrong_number_format",
    DestinationRefusedError.code: "country_not_supported",
    # Its text or number was changed in Odoo after it was taken over, and it may have left as it was.
    RefConflictError.code: "duplicate_message",
}
_OTHER_ANSWER = "rejected"
_OTHER_REFUSAL = Report("rejected", "error", "sms_server")
HEALED_BY_SENT = (_NOT_SENT.word, _OPTED_OUT.word)
"""Words for an ended message that a late proof of its sending makes good."""
UNHEARD = "rejected_by_odoo"
"""Not a word: Odoo does not take a report about this uuid."""
_TOLD_OF = frozenset({"pending", "sent", "open", "reply", "error", "bounce", "cancel"})
_FAILED_TRACES = frozenset({"error", "bounce", "cancel"})


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


def answer_of(state: MessageState, failure_code: str | None) -> str:
    """Give the word of an answer for a message that is here already."""
    report = report_of(state, failure_code)
    return report.word if report else TAKEN_WORD


def answer_of_refusal(code: str) -> str:
    """Give the word of an answer for a message that is refused; `code` is the refusing error's."""
    return _ANSWERS.get(code, _OTHER_ANSWER)


def is_uuid(value: str) -> bool:
    """Tell whether Odoo takes this for the uuid of an SMS: a report with any other is rejected as a whole."""
    return _UUID.fullmatch(value) is not None


def has_heard(report: Report, trace_status: str) -> bool:
    """Tell from a trace whether a report would change nothing there, or would make a success a failure."""
    if trace_status not in _TOLD_OF:
        return False
    return not (report.is_success and trace_status in _FAILED_TRACES)
