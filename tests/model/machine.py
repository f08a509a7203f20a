"""The delivery promise under every order of faults: the real store and use cases on modelled phones, without threads.

Its rules may also be called one by one, for a sequence that is written down.
"""

from __future__ import annotations

import contextlib
import sys
from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import select

from host_controller.consent.opt_outs import opted_out
from host_controller.messaging.submit import Accepted, Draft, Rejected
from host_controller.rules.waiting import Wait
from host_controller.store.models import MessageRecord
from tests.model.bench import SETTINGS, TIMINGS, Bench, DaemonKilledError, DiskFullError
from tests.model.model_phone import CALLS, ENDS, LINKS, Fate
from tests.model.promises import Known, Promises

NUMBERS = ("+420777000001", "+420777000002", "+420777000003", "+420777000004")
TEXTS = ("Ahoj", "Zpráva o dvou částech " * 5)
_REFS = (None, None, None, "first", "second")
_PAUSES_S = (0.5, 1.0, 3.0, 31.0, 130.0, 400.0, 3600.0, 90_000.0)
_HOST_CLOCK_OFF_S = (0.0, 3600.0, -3600.0)
_PHONE_CLOCK_OFF_MS = (0, 1000, -1000, 60_000, -60_000, 3_600_000, -3_600_000)
# A rack that cannot come to rest within this many rounds has a message that never ends.
_ROUNDS_TO_REST = 60

phones = st.integers(0, 2)
numbers = st.sampled_from((*NUMBERS[:2], *NUMBERS))
# Who has opted out is written to no more: others must be left.
stoppers = st.sampled_from(NUMBERS[2:])
texts = st.sampled_from(TEXTS)
fates = st.one_of(
    st.builds(Fate, end=st.sampled_from(ENDS)),
    st.builds(Fate, st.sampled_from(LINKS), st.sampled_from(ENDS[:5])),
)
calls = st.sampled_from(("ok", "ok", *CALLS))
# How the daemon is hit within a step, and at which point of it.
troubles = st.one_of(st.none(), st.none(), st.tuples(st.sampled_from(("kill", "kill", "disk_full")), st.integers(0, 9)))
meanwhiles = st.sampled_from(("nothing", "nothing", "nothing", "sweep", "long_pause", "opt_out", "submit"))


class Promise(RuleBasedStateMachine):
    """Any order of what people, phones, networks and power cuts do."""

    directory = None
    template = None

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(self.directory, self.template)
        self.known = Known()
        self.refs: dict[str, tuple[str, str] | None] = {}
        """Ref -> number and text; None where a submit was cut off and may or may not have been stored."""

    @initialize(kinds=st.lists(st.sampled_from(("both", "rows", "both", "radio")), min_size=1, max_size=3))
    def plug_in_phones(self, kinds):
        for kind in kinds:
            self.bench.add_phone(can_read_sms=kind != "radio", has_radio_log=kind != "rows")
        for lane in self.bench.lanes:
            lane.step()  # what came in long before a phone is first enrolled is not the rack's business

    # What the daemon is asked for, and does.

    @rule(number=numbers, text=texts, ref=st.sampled_from(_REFS), copies=st.integers(1, 3), trouble=troubles)
    def submit(self, number, text, ref, copies, trouble):
        with self._trouble(trouble):
            self._submit(number, text, ref, copies)

    @rule(phone=phones, number=numbers, text=texts, copies=st.integers(1, 2), fate=fates, trouble=troubles)
    def submit_and_send(self, phone, number, text, copies, fate, trouble):
        lane = self._lane(phone)
        lane.phone.fate = fate
        with self._trouble(trouble):
            self._submit(number, text, None, copies)
            lane.send()
        self._calm(lane)

    @rule(phone=phones, fate=fates, call=calls, meanwhile=meanwhiles, trouble=troubles)
    def send(self, phone, fate, call, meanwhile, trouble):
        lane = self._lane(phone)
        lane.phone.fate, lane.phone.next_call = fate, call
        self._meanwhile(lane, meanwhile)
        with self._trouble(trouble):
            lane.send()
        self._calm(lane)

    @rule(phone=phones, fates=st.lists(fates, min_size=2, max_size=6))
    def send_several(self, phone, fates):
        lane = self._lane(phone)
        for fate in fates:
            lane.phone.fate = fate
            lane.send()
            self.check()
        self._calm(lane)

    @rule(phone=phones, late=st.booleans(), call=calls, meanwhile=meanwhiles, trouble=troubles)
    def read(self, phone, late, call, meanwhile, trouble):
        lane = self._lane(phone)
        lane.phone.next_call = call
        self._meanwhile(lane, meanwhile)
        with self._trouble(trouble):
            lane.read(late=late)
        self._calm(lane)

    @rule(phone=phones, rounds=st.lists(st.tuples(st.sampled_from(_PAUSES_S[:5]), calls), min_size=2, max_size=3))
    def read_again(self, phone, rounds):
        lane = self._lane(phone)
        for pause_s, call in rounds:
            lane.phone.next_call = call
            lane.read(late=False)
            self.bench.clock.go_on(pause_s)
        lane.read(late=True)
        self._calm(lane)

    @rule(phone=phones, calls=st.lists(calls, min_size=1, max_size=2), trouble=troubles)
    def step(self, phone, calls, trouble):
        lane = self._lane(phone)
        with self._trouble(trouble):
            for call in calls:
                lane.phone.next_call = call
                lane.step()
        self._calm(lane)

    @rule(trouble=troubles)
    def sweep(self, trouble):
        with self._trouble(trouble):
            self.bench.sweep()

    @rule(number=stoppers, trouble=troubles)
    def opt_out(self, number, trouble):
        with self._trouble(trouble):
            self.bench.services.consent.opt_out(number, "operator")

    @rule()
    def kill(self):
        self.bench.kill()

    # Time.

    @rule(seconds=st.sampled_from((*_PAUSES_S, None)))
    def wait(self, seconds):
        self.bench.clock.go_on(self._seconds_to_midnight() if seconds is None else seconds)

    @rule(phone=st.none() | phones, off=st.integers(0, len(_PHONE_CLOCK_OFF_MS) - 1))
    def set_clock(self, phone, off):
        if phone is None:
            self.bench.clock.set_off_by(_HOST_CLOCK_OFF_S[off % len(_HOST_CLOCK_OFF_S)])
        else:
            self._lane(phone).phone.set_clock(_PHONE_CLOCK_OFF_MS[off])

    # What phones and people do.

    @rule(phone=phones, number=stoppers, body=st.sampled_from(("STOP", "Díky")))
    def receive(self, phone, number, body):
        self._lane(phone).phone.receive(number, body)

    @rule(phone=phones, lost_entries=st.integers(0, 2), noticed=st.booleans())
    def restart_phone(self, phone, lost_entries, noticed):
        lane = self._lane(phone)
        lane.phone.restart(lost_entries)
        if noticed:
            lane.forget()

    @rule(phone=phones, for_long=st.sampled_from((False, False, True)), noticed=st.booleans())
    def unplug_or_plug_in(self, phone, for_long, noticed):
        lane = self._lane(phone)
        if noticed:
            lane.forget()
        if lane.phone.plugged_in and not for_long:
            lane.phone.plugged_in = False
            lane.step()
        lane.phone.plugged_in = not lane.phone.plugged_in

    @rule(phone=phones, what=st.sampled_from(("stuck", "tap", "late_row", "deny", "delete", "roll_over")))
    def phone_goes_on(self, phone, what):
        phone = self._lane(phone).phone
        {
            "stuck": phone.go_on_with_stuck,
            "tap": lambda: phone.go_on_with_held(send=True),
            "deny": lambda: phone.go_on_with_held(send=False),
            "late_row": phone.write_late_row,
            "delete": phone.delete_newest_row,
            "roll_over": phone.radio_log.clear,
        }[what]()

    # The checks.

    @invariant()
    def promises_hold(self):
        self.check()

    def teardown(self):
        try:
            if sys.exception() is None:
                self.come_to_rest()
        finally:
            self.bench.close()

    def check(self) -> Promises:
        with self.bench.store.reading() as session:
            promises = Promises(session, self.bench.phones, self.known)
            promises.check()
        return promises

    def come_to_rest(self) -> None:
        bench = self.bench
        if not bench.phones:
            return
        bench.failpoints.disarm()
        # The horizon is by the host's clock: where that was set back, it comes so much later.
        bench.clock.set_off_by(0)
        bench.clock.go_on(max(0.0, (bench.clock.latest - bench.clock.now).total_seconds()))
        for lane in bench.lanes:
            lane.phone.recover()
            lane.forget()
        quiet_rounds = 0
        for _ in range(_ROUNDS_TO_REST):
            air = sum(len(phone.air) for phone in bench.phones)
            outcomes = [self._rest_lane(lane) for lane in bench.lanes]
            bench.clock.go_on(TIMINGS.confirm_horizon_s + 1)
            bench.sweep()
            waits = [outcome.until for outcome in outcomes if isinstance(outcome, Wait)]
            if len(waits) == len(outcomes):
                bench.clock.go_on(max(0.0, (min(waits) - bench.clock()).total_seconds()))
            # In the first quiet round an equal message may have been in flight, after which its twin may go.
            retry_at = bench.next_retry()
            if retry_at is not None:
                bench.clock.go_on((retry_at - bench.clock()).total_seconds())
            is_quiet = not waits and retry_at is None and air == sum(len(phone.air) for phone in bench.phones)
            quiet_rounds = quiet_rounds + 1 if is_quiet else 0
            if quiet_rounds == 2:
                break
        promises = self.check()
        promises.i6_nothing_is_left_in_the_middle()
        with bench.store.reading() as session:
            promises.i9_what_came_in_is_stored_once(session)

    def _rest_lane(self, lane):
        outcome = lane.send()
        while outcome is None:
            outcome = lane.send()
        lane.read(late=True)
        self.bench.clock.go_on(TIMINGS.second_read_s)
        lane.read(late=True)
        return outcome

    # Inside.

    def _lane(self, number):
        return self.bench.lanes[number % len(self.bench.lanes)]

    def _submit(self, number, text, ref, copies) -> None:
        self.known.may_gain = True
        expected, was_known = self._expected(number, text, ref), ref in self.refs
        if ref is not None:
            self.refs.setdefault(ref, None)  # not certain until it is answered
        outcomes = self.bench.services.submit([Draft(number, text, ref)] * copies, "model")
        codes = [outcome.code if isinstance(outcome, Rejected) else None for outcome in outcomes]
        assert expected == "any" or codes == [expected] * copies, f"a submit gave {codes}, not {expected}"
        accepted = [outcome.message_id for outcome in outcomes if isinstance(outcome, Accepted)]
        assert ref is None or len(set(accepted)) <= 1, "one ref is one message"
        if ref is not None and not was_known:
            if accepted:
                self.refs[ref] = (number, text)
            else:
                del self.refs[ref]
        with self.bench.store.reading() as session:
            uids = session.scalars(select(MessageRecord.uid).where(MessageRecord.id.in_(accepted)))
            self.known.acknowledged.update(uids)

    def _expected(self, number, text, ref) -> str | None:
        """What a submit must give: None where it is accepted, else the code of its refusal."""
        if ref in self.refs:
            content = self.refs[ref]
            return "any" if content is None else None if content == (number, text) else "ref_conflict"
        with self.bench.store.reading() as session:
            return "opted_out" if opted_out(session, [(number, None)]) else None

    def _seconds_to_midnight(self) -> float:
        """Until a minute before it."""
        now = self.bench.clock.now.astimezone(SETTINGS.zone)
        midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), SETTINGS.zone)
        return max(0.0, (midnight - now).total_seconds() - 60)

    def _meanwhile(self, lane, what) -> None:
        bench = self.bench
        lane.phone.meanwhile = {
            "nothing": None,
            "sweep": bench.sweep,
            "long_pause": lambda: (bench.clock.go_on(130), bench.sweep()),
            "opt_out": lambda: bench.services.consent.opt_out(lane.phone.asked_for or NUMBERS[2], "operator"),
            "submit": lambda: self._submit(NUMBERS[0], TEXTS[0], None, 1),
        }[what]

    @contextlib.contextmanager
    def _trouble(self, trouble):
        kind, at = trouble or (None, 0)
        failpoints = self.bench.failpoints
        failpoints.kill_at = at if kind == "kill" else None
        failpoints.disk_full_at = at // 3 if kind == "disk_full" else None
        try:
            yield
        except DaemonKilledError:
            self.bench.kill()
        except DiskFullError:
            pass
        finally:
            failpoints.disarm()

    def _calm(self, lane) -> None:
        """What was drawn and did not come up is not kept for later."""
        lane.phone.fate, lane.phone.next_call, lane.phone.meanwhile = Fate(), "ok", None


class RestoredPromise(Promise):
    """The same with older copies of the database put in its place, on one phone."""

    def __init__(self) -> None:
        super().__init__()
        self.copied: Known | None = None

    @precondition(lambda self: self.copied is None)
    @rule()
    def back_up(self):
        self.bench.back_up()
        known, copied = self.known, Known()
        copied.acknowledged, copied.stored = set(known.acknowledged), set(known.stored)
        self.copied = copied

    @precondition(lambda self: self.copied is not None)
    @rule()
    def restore(self):
        self.bench.restore()
        self.known, self.copied = self.copied, None
        self.refs = dict.fromkeys(self.refs)
        self.known.before_restore = {entry.order.intent.uid for phone in self.bench.phones for entry in phone.air}
