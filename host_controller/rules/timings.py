"""All waits and horizons of the controller in one place. A simulated rack may scale them; real phones never."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Timings:
    """Seconds, each with what bounds it."""

    scale: float = 1.0
    """By how much all of it is shortened, for waits that stand in the settings."""
    watch_s: float = 2.0
    """How often the list of phones is asked for."""
    attach_retry_s: float = 5.0
    """Between two tries to reach a phone that adb knows by address."""
    flap_window_s: float = 120.0
    """A connection that is lost `flaps` times within this is not trusted with messages."""
    flaps: int = 6
    enrol_retry_s: float = 30.0
    """After a phone could not be enrolled."""
    link_retry_s: float = 5.0
    """After a command did not get through to a phone that is listed as ready."""
    workload_s: float = 5.0
    """How often the parts that wait are counted, to let SIMs with much work of their own leave the rest to others."""
    due_s: float = 1.0
    """How often somebody looks for what is due while all lanes wait: it may be more than one look lets go."""
    health_s: float = 60.0
    """Between two health readings: polling faster has made adb servers unresponsive."""
    read_active_s: float = 3.0
    """Between two reading rounds while a phone sends or has just received: each starts a VM on the phone."""
    read_idle_s: float = 15.0
    """Between two reading rounds of a phone that has nothing to do."""
    read_heard_s: float = 1.0
    """After a phone's log has told of a message: its row is written a moment later."""
    listen_retry_s: float = 5.0
    """After a phone's log could not be listened to; twice as long each time..."""
    listen_longest_s: float = 600.0
    """...up to this: it may be that the phone never lets us."""
    active_after_inbound_s: float = 60.0
    """How long a phone counts as active after a message came in: replies come in bursts."""
    second_read_s: float = 2.0
    """A failed SMS first appears as sent, and is marked failed in a second step; a row counts after this long."""
    retry_first_s: float = 60.0
    """Before another try of what did not leave for a reason that may be its own."""
    retry_second_s: float = 300.0
    retry_later_s: float = 900.0
    journal_care_s: float = 86_400.0
    """Between two removals of old entries from a phone's journal."""
    ask_radio_after_s: float = 30.0
    """A message that has no row by then is looked for in the radio's log, where the phone shows it."""
    confirm_horizon_s: float = 120.0
    """Without proof this long after the intent, a message is `unknown`. The radio may take 60 s and more."""
    lease_s: float = 300.0
    """How long a remote phone may stay silent about what it was handed, beyond the time that it needs at its pace.

    Its app gives up on a message after 60 to 90 s, and tries to report every few seconds, then less and less often.
    """
    late_round_s: float = 300.0
    """How often the sent rows of `unknown` messages are looked for again."""
    late_horizon_s: float = 86_400.0
    """How long a late row can still turn `unknown` into `sent`."""
    odoo_first_report_s: float = 5.0
    """After Odoo was answered, before it hears how a message ended: it writes an answer down some seconds later."""
    odoo_repeat_s: float = 20.0
    """Before a report is repeated that may have come before that."""
    odoo_commit_limit_s: float = 120.0
    """So long after an answer a report may still be lost that way, and so late at most one is repeated."""
    odoo_longest_pause_s: float = 300.0
    """Between two tries to reach an Odoo that is away."""

    def retry_after_s(self, tries: int) -> float:
        """How long a message waits that did not leave so many times."""
        waits = (self.retry_first_s, self.retry_second_s, self.retry_later_s)
        return waits[min(tries, len(waits)) - 1]

    def scaled(self, factor: float) -> Timings:
        """Every wait times `factor`."""
        waits = {field.name: getattr(self, field.name) for field in fields(self) if field.name.endswith("_s")}
        scaled = {name: seconds * factor for name, seconds in waits.items()}
        return replace(self, scale=self.scale * factor, **scaled)
