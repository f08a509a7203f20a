"""The way of a trial's SMS, leg by leg: how long each took, and what to do where one stays away. Knows no surface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from host_controller.settings import OdooMode
from odoo_sync.errors import OdooSyncError
from odoo_sync.trial import There

LOOK_EVERY_S = 0.5
_ENDED_BADLY = ("failed", "unknown", "expired", "cancelled")
_NO_PROVIDER = ("sms_server", "sms_acc", "sms_credit")


class Leg(StrEnum):
    """A stretch of the way, named by its end."""

    MADE = "made in Odoo"
    TAKEN = "with smsrack"
    SUBMITTED = "handed to a phone"
    SENT = "sent"
    RECEIVED = "received"
    SHOWN = "shown in Odoo"


_STARTS = {
    Leg.TAKEN: Leg.MADE,
    Leg.SUBMITTED: Leg.TAKEN,
    Leg.SENT: Leg.SUBMITTED,
    Leg.RECEIVED: Leg.SUBMITTED,
    Leg.SHOWN: Leg.SENT,
}


@dataclass(frozen=True)
class Here:
    """What smsrack knows of the SMS."""

    refusal: str | None = None
    message_id: int | None = None
    state: str | None = None
    words: str = ""
    """What it waits for, or why it ended as it did."""
    waiting_until: datetime | None = None
    taken_at: datetime | None = None
    submitted_at: datetime | None = None
    sent_at: datetime | None = None
    received_at: datetime | None = None
    """When the SIM that it was sent to had it, by our clock."""

    @property
    def has_ended_badly(self) -> bool:
        """Whether it will not be sent any more."""
        return self.refusal is not None or self.state in _ENDED_BADLY


@dataclass
class Course:
    """How far it has come."""

    started_at: datetime
    """When Odoo was asked to make it."""
    ended_at: dict[Leg, datetime] = field(default_factory=dict)
    here: Here | None = None
    there: There | None = None
    trouble: str | None = None
    """Why Odoo could not be looked at last."""

    @property
    def missing(self) -> Leg | None:
        """The first leg that stays away."""
        return next((leg for leg in Leg if leg not in self.ended_at), None)

    def took_s(self, leg: Leg) -> float:
        """Seconds from the end of the leg before it."""
        start = self.ended_at.get(_STARTS.get(leg, leg), self.started_at) if leg in _STARTS else self.started_at
        # In mode push Odoo hands it to us while it still makes it.
        return max(0.0, (self.ended_at[leg] - start).total_seconds())

    def since_start_s(self, leg: Leg) -> float:
        """Seconds since Odoo was asked."""
        return max(0.0, (self.ended_at[leg] - self.started_at).total_seconds())


def follow(
    course: Course,
    look: Callable[[], There],
    ask: Callable[[str], Here | None],
    *,
    until: datetime,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
    on_leg: Callable[[Leg], None],
) -> None:
    """Look again and again until every leg is there, or one stays away: `look` in Odoo, `ask` here by the uuid.

    An Odoo that goes away meanwhile is waited for. Ends at once where it cannot get on before `until`.
    """
    uuid: str | None = None
    while True:
        try:
            course.there, course.trouble = look(), None
            uuid = course.there.uuid or uuid
        except OdooSyncError as error:
            course.trouble = str(error)
        course.here = (ask(uuid) if uuid else None) or course.here
        _note(course, clock(), on_leg)
        if course.missing is None or clock() >= until or _is_stuck(course, until):
            return
        sleep(LOOK_EVERY_S)


def _note(course: Course, now: datetime, on_leg: Callable[[Leg], None]) -> None:
    here, there = course.here or Here(), course.there
    seen = {
        Leg.TAKEN: here.taken_at,
        Leg.SUBMITTED: here.submitted_at,
        Leg.SENT: here.sent_at,
        Leg.RECEIVED: here.received_at,
        Leg.SHOWN: now if there is not None and there.is_sent and here.sent_at else None,
    }
    for leg, at in seen.items():
        if at is not None and leg not in course.ended_at:
            course.ended_at[leg] = at
            on_leg(leg)


def _is_stuck(course: Course, until: datetime) -> bool:
    here, there = course.here, course.there
    if here is None:
        return there is not None and (there.has_failed or there.uuid is None)
    return here.has_ended_badly or (here.waiting_until is not None and here.waiting_until > until)


def explain(
    course: Course, mode: OdooMode, name: str, to: str, troubles: list[str], show: Callable[[datetime], str]
) -> str:
    """Say why the first leg that is missing stays away, and what to do.

    `name` is the connection's, `to` the SIM's; `troubles` are what the daemon says of the connection; `show` gives a
    time in words.
    """
    leg, here = course.missing, course.here or Here()
    if leg is Leg.TAKEN:
        return _not_taken(course, mode, name, troubles)
    more = f"; `smsrack why {here.message_id}` says more" if here.message_id else ""
    if here.has_ended_badly:
        return f"the message is {here.state}: {here.words}{more}"
    if leg is Leg.SUBMITTED:
        if here.waiting_until is not None:
            return f"held until {show(here.waiting_until)}: {here.words}{more}"
        return f"it waits: {here.words or 'no phone has taken it yet'}{more}"
    if leg is Leg.SENT:
        return f"a phone has it and shows no proof yet: {here.words or 'look at the phone'}{more}"
    if leg is Leg.RECEIVED:
        return (
            f"it left, and {to} has not got it: is its number right (`smsrack phones number`), has it network, and can "
            "smsrack read its messages (`smsrack phones`)?"
        )
    return "; ".join(dict.fromkeys([*troubles, *([course.trouble] if course.trouble else [])])) or (
        f"it was sent, and Odoo does not show it yet: see `smsrack odoo status {name}`"
    )


def _not_taken(course: Course, mode: OdooMode, name: str, troubles: list[str]) -> str:
    here, there = course.here, course.there
    if here is not None and here.refusal is not None:
        return f"smsrack refused it: {here.refusal}{'; ' + here.words if here.words else ''}"
    if there is None or course.trouble:
        return course.trouble or "Odoo has not been looked at"
    if there.has_failed and there.failure and there.failure.startswith(_NO_PROVIDER):
        return f"Odoo could not hand it over ({there.failure}): {_HAND_OVER[mode]}".format(name=name)
    if there.has_failed:
        return f"Odoo itself has given it up ({there.failure}); with sms_blacklist, take the number off its blacklist"
    if there.uuid is None:
        return "Odoo made no SMS of it; does it still have the mailing?"
    if there.state in ("pending", "sent", "process") and mode is not OdooMode.GATEWAY:
        return f"somebody else has it (it is {there.state} in Odoo): {_ELSEWHERE[mode]}".format(name=name)
    return "; ".join(dict.fromkeys(troubles)) or f"it waits in Odoo and {_WAITS[mode]} `smsrack odoo status {name}`"


_HAND_OVER = {
    OdooMode.PUSH: (
        "see that its system parameter sms.endpoint is gateway.public_url, that Odoo reaches it, and that its IAP "
        "account has the token of odoo.{name}.account_token_file"
    ),
    OdooMode.PULL: ("Odoo's own sender took it first; switch off its scheduled action SMS: SMS Queue Manager"),
    OdooMode.GATEWAY: (
        "no phone of the module was online, or its daily limit is spent: `smsrack odoo check {name}`; set Daily Limit 0"
    ),
}
_ELSEWHERE = {
    OdooMode.PUSH: "its system parameter sms.endpoint leads elsewhere; set it to gateway.public_url",
    OdooMode.PULL: "Odoo's own sender or another smsrack: `smsrack odoo check {name}`",
}
_WAITS = {
    OdooMode.PUSH: "was not handed over; is its scheduled action SMS: SMS Queue Manager on?",
    OdooMode.PULL: "no round has found it:",
    OdooMode.GATEWAY: "no round has found it:",
}
