"""Whether Odoo says of a message what we say, and what may be done where it does not. Pure.

Repaired is forward only: what waits there is ended, and a success heals a failure. A failure is never put over a
success, and what a person has cancelled there stays so: that is listed.
"""

from __future__ import annotations

from dataclasses import dataclass

from odoo_sync.mapping import Report

SENT_IN_ODOO, CANCELLED_IN_ODOO, CLAIMED_ELSEWHERE = "sent_in_odoo", "cancelled_in_odoo", "claimed_elsewhere"
CLAIM_IN_DOUBT = "claim_in_doubt"
REASONS = {
    SENT_IN_ODOO: "Odoo shows it as sent, and here it surely or perhaps did not leave",
    CANCELLED_IN_ODOO: "it was sent, and then cancelled in Odoo",
    CLAIMED_ELSEWHERE: "it waits or is in process there, and nothing here will end it",
    CLAIM_IN_DOUBT: "another smsrack had the lease while a claim was open: one of the two may have sent it, or none",
}
MOVING = ("outgoing", "process")
"""Of `sms.sms` and of a trace: not ended."""
_SENT_STATES, _SENT_TRACES = ("pending", "sent"), ("pending", "sent", "open", "reply")
_FAILED_TRACES = ("error", "bounce")


@dataclass(frozen=True)
class Verdict:
    """What is to be done about one message; nothing where Odoo agrees."""

    post: bool = False
    """Say the word to `/sms/status` again."""
    write: bool = False
    """Write `sms.sms.state`."""
    reason: str | None = None
    """Why it is left as it is."""

    @property
    def agrees(self) -> bool:
        """Whether Odoo says what we say."""
        return self == Verdict()


def judge(report: Report, state: str | None, trace: str | None) -> Verdict:
    """Compare a final report with `sms.sms.state` and `mailing.trace.trace_status`; None: there is no such row."""
    if report.is_success:
        if state == "canceled" or trace == "cancel":
            return Verdict(reason=CANCELLED_IN_ODOO)
        return Verdict(
            # Never where it was opened: `sent` would put the trace back.
            post=trace in (*MOVING, *_FAILED_TRACES) or (trace is None and state in MOVING),
            write=state in (*MOVING, "error"),
        )
    if state in _SENT_STATES or trace in _SENT_TRACES:
        return Verdict(reason=SENT_IN_ODOO)
    is_moving = state in MOVING
    return Verdict(post=trace in MOVING or (trace is None and is_moving), write=is_moving)
