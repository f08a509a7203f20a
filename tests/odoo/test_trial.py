"""A trial's SMS: what is made and taken away in Odoo, and what is said where a leg stays away."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from host_controller.settings import OdooMode
from odoo_sync.errors import OdooRejectedError, OdooUnavailableError
from odoo_sync.records import find_record
from odoo_sync.trial import There, Trial
from odoo_sync.trial_legs import LOOK_EVERY_S, Course, Here, Leg, explain, follow
from tests.odoo.test_fake import Replay, exchanges, shape

NUMBER = "+420777123456"
START = datetime(2026, 11, 26, 20, 0, tzinfo=UTC)
WAITS = There("ab" * 16, "outgoing", "outgoing", None, is_sent=False, has_failed=False)


def at(seconds):
    return START + timedelta(seconds=seconds)


@pytest.fixture
def trial(served):
    made = Trial(served.client())
    made.require_rights()
    return made


def left(served):
    return {name: len(served.odoo.tables[name].rows) for name in ("mailing.mailing", "mailing.contact", "utm.source")}


NOTHING = {"mailing.mailing": 0, "mailing.contact": 0, "utm.source": 0}


def test_it_is_made_followed_and_cleared_away(served, trial):
    served.odoo.tables["mailing.contact"].add(name="Anna", mobile=NUMBER)
    trial.make(NUMBER)
    (row,) = served.odoo.sms.values()
    assert (row.number, row.body, trial.look()) == (
        NUMBER,
        trial.text,
        There(row.uuid, "outgoing", "outgoing", None, is_sent=False, has_failed=False),
    )
    served.odoo.report([{"sms_status": "sent", "uuids": [row.uuid]}])
    assert trial.look().is_sent
    assert trial.clear(is_here=True) is None
    assert left(served) == {**NOTHING, "mailing.contact": 1}  # Anna was there before
    assert (row.state, row.mailing_id) == ("outgoing", False)


def test_what_nobody_took_is_cancelled(served, trial):
    trial.make(NUMBER)
    assert trial.clear(is_here=False) is None
    (row,) = served.odoo.sms.values()
    assert (row.state, left(served)) == ("canceled", NOTHING)


def test_what_a_lost_answer_made_is_cleared_away(served, trial):
    served.faults.extend(["none", "none", "lost_answer"])
    with pytest.raises(OdooUnavailableError):
        trial.make(NUMBER)
    assert left(served)["mailing.mailing"] == 1
    assert trial.clear(is_here=False) is None
    assert (left(served), served.odoo.sms) == (NOTHING, {})


def test_without_a_right_and_without_the_app(served):
    served.odoo.tables["mailing.trace"].refused.add("read")
    with pytest.raises(OdooRejectedError, match=r"the user gw_min lacks: read mailing\.trace; name one"):
        Trial(served.client()).require_rights()
    del served.odoo.tables["mailing.mailing"]
    with pytest.raises(OdooRejectedError, match="install its app SMS Marketing"):
        Trial(served.client()).require_rights()


@pytest.mark.parametrize(("mode", "answered"), [(OdooMode.GATEWAY, False), (OdooMode.PULL, True)])
def test_pending_is_sent_but_in_the_module(served, trial, mode, answered):
    trial.make(NUMBER)
    (trace,) = served.odoo.traces.values()
    trace.trace_status = "pending"
    trial._mode = mode
    assert trial.look().is_sent is answered


def test_the_fake_answers_as_recorded():
    replay = Replay()
    before = {name: len(replay.odoo.tables[name].rows) for name in NOTHING}
    for exchange in exchanges("trial_mailing"):
        answer, recorded = replay.ask(renamed(replay, exchange)), exchange["response"]
        assert shape(answer) == shape(recorded), exchange["request"]["params"]["args"][3:5]
        note_ids(replay, answer.get("result"), recorded["result"])
    assert {name: len(replay.odoo.tables[name].rows) for name in NOTHING} == before


def renamed(replay, exchange):
    """Give the exchange with the fake's ids where a domain, which is a string, holds recorded ones."""
    text = json.dumps(exchange)
    for old, new in replay.renamed.items():
        text = text.replace(f"'in', [{old}]", f"'in', [{new}]")
    return json.loads(text)


def note_ids(replay, ours, recorded):
    if isinstance(recorded, list):
        for mine, theirs in zip(ours, recorded, strict=True):
            replay.renamed |= {theirs[key]: mine[key] for key in ("id", "uuid") if key in theirs}
            if "source_id" in theirs:
                replay.renamed[theirs["source_id"][0]] = mine["source_id"][0]
    elif type(recorded) is int:
        replay.renamed[recorded] = ours


class Way:
    """Looks at both ends, by a script of one step a look."""

    def __init__(self, steps):
        self.steps, self.now, self.legs = list(steps), START, []

    def look(self):
        self.there, self.here = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(self.there, Exception):
            raise self.there
        return self.there

    def sleep(self, seconds):
        self.now += timedelta(seconds=seconds)

    def follow(self, limit_s=60.0):
        course = Course(START, {Leg.MADE: START})
        follow(
            course,
            self.look,
            lambda _: self.here,
            until=at(limit_s),
            clock=lambda: self.now,
            sleep=self.sleep,
            on_leg=self.legs.append,
        )
        return course


QUEUED = Here(message_id=7, state="queued", words="its turn", taken_at=at(1))
SENT = Here(message_id=7, state="sent", taken_at=at(1), submitted_at=at(2), sent_at=at(6))
RECEIVED = Here(message_id=7, state="sent", taken_at=at(1), submitted_at=at(2), sent_at=at(6), received_at=at(3.5))
DONE = There("ab" * 16, "process", "pending", None, is_sent=True, has_failed=False)


def test_every_leg_with_its_time():
    way = Way([(WAITS, None), (WAITS, QUEUED), (OdooUnavailableError("away"), SENT), (DONE, RECEIVED)])
    course = way.follow()
    assert course.missing is None
    assert way.legs == [Leg.TAKEN, Leg.SUBMITTED, Leg.SENT, Leg.RECEIVED, Leg.SHOWN]
    assert [course.took_s(leg) for leg in Leg][:5] == [0.0, 1.0, 1.0, 4.0, 1.5]
    assert course.since_start_s(Leg.SHOWN) == 3 * LOOK_EVERY_S


HELD = Here(message_id=7, state="queued", words="it is too late", waiting_until=at(11 * 3600), taken_at=at(1))


def failed(failure):
    return There("ab" * 16, "error", "error", failure, is_sent=False, has_failed=True)


@pytest.mark.parametrize(
    ("there", "here", "mode", "troubles", "words", "is_at_once"),
    [
        (failed("sms_server"), None, "push", [], "its IAP account has the token of odoo.shop.account_token_file", True),
        (failed("sms_server"), None, "pull", [], "switch off its scheduled action", True),
        (failed("sms_server"), None, "gateway", [], "its daily limit is spent: `smsrack odoo check shop`", True),
        (failed("sms_blacklist"), None, "pull", [], "take the number off its blacklist", True),
        (There(None, None, None, None, False, False), None, "pull", [], "Odoo made no SMS of it", True),
        (
            There("ab" * 16, "pending", "pending", None, True, False),
            None,
            "push",
            [],
            "sms.endpoint leads elsewhere",
            False,
        ),
        (There("ab" * 16, "process", "process", None, False, False), None, "pull", [], "another smsrack", False),
        (WAITS, None, "pull", ["messages: another smsrack sends"], "messages: another smsrack sends", False),
        (WAITS, None, "pull", [], "no round has found it: `smsrack odoo status shop`", False),
        (WAITS, None, "push", [], "was not handed over; is its scheduled action SMS: SMS Queue Manager on?", False),
        (OdooUnavailableError("Odoo does not answer"), None, "pull", [], "Odoo has not been looked at", False),
        (WAITS, Here(refusal="opted_out"), "pull", [], "smsrack refused it: opted_out", True),
        (WAITS, HELD, "pull", [], "held until Fri 07:00: it is too late; `smsrack why 7` says more", True),
        (WAITS, QUEUED, "pull", [], "it waits: its turn; `smsrack why 7` says more", False),
        (
            WAITS,
            Here(message_id=7, state="failed", words="no credit", taken_at=at(1), submitted_at=at(2)),
            "pull",
            [],
            "the message is failed: no credit",
            True,
        ),
        (
            WAITS,
            Here(message_id=7, state="submitting", taken_at=at(1), submitted_at=at(2)),
            "pull",
            [],
            "shows no proof yet",
            False,
        ),
        (DONE, SENT, "pull", [], "it left, and SIM 4 has not got it", False),
        (WAITS, RECEIVED, "pull", ["results: the login"], "results: the login", False),
        (WAITS, RECEIVED, "pull", [], "Odoo does not show it yet: see `smsrack odoo status shop`", False),
    ],
)
def test_where_it_stays_and_what_to_do(there, here, mode, troubles, words, is_at_once):
    way = Way([(there, here)])
    course = way.follow(limit_s=30)
    assert (way.now < at(30)) is is_at_once
    said = explain(course, OdooMode(mode), "shop", "SIM 4", troubles, lambda moment: f"{moment:%a %H:%M}")
    assert words in said or (isinstance(there, Exception) and str(there) in said)


def test_an_odoo_that_is_away_is_named():
    course = Way([(OdooUnavailableError("Odoo does not answer"), None)]).follow(limit_s=5)
    assert explain(course, OdooMode.PULL, "shop", "SIM 4", [], str) == "Odoo does not answer"


def test_what_is_on_record_here(served, store, sync):
    (row,) = served.odoo.add_mailing([(NUMBER, "one")])
    sync.run()
    with store.reading() as session:
        found = find_record(session, "odoo", row.uuid)
        assert (found.refusal, found.reported, found.message_id is not None) == (None, None, True)
        assert find_record(session, "odoo", "00" * 16) is None
        assert find_record(session, "other", row.uuid) is None
