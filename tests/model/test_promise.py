"""Runs the model of the delivery promise, and shows that it finds what it is there for.

A failure prints the seed and the steps. SMSRACK_TEST_SEED repeats it, with the same numbers of examples and steps.
"""

from __future__ import annotations

import dataclasses
import os
import random

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from device_drivers.base import JournalWord
from device_drivers.errors import SubmitError
from host_controller.messaging import attempts
from host_controller.messaging.reconciler import Reconciler
from host_controller.messaging.sending import Sending
from host_controller.rules.states import Evidence
from tests.model.machine import Promise

# In `make soak` two thousand.
EXAMPLES = int(os.environ.get("SMSRACK_TEST_MODEL_EXAMPLES", "100"))
STEPS = int(os.environ.get("SMSRACK_TEST_MODEL_STEPS", "50"))
SEED = int(os.environ.get("SMSRACK_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)


def run(machine, *, examples=EXAMPLES, steps=STEPS, seed_number=SEED, shrink=True):
    print(f"SMSRACK_TEST_SEED={seed_number} SMSRACK_TEST_MODEL_EXAMPLES={examples} SMSRACK_TEST_MODEL_STEPS={steps}")
    run_state_machine_as_test(
        seed(seed_number)(machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            database=None,
            deadline=None,
            print_blob=True,
            report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(3000)
def test_the_promise():
    run(Promise)


def _take_what_was_begun_for_not_begun(monkeypatch):
    real = Reconciler._settle

    def settle(self, attempt, answer):
        if answer.word is JournalWord.BEGUN:
            answer = dataclasses.replace(answer, word=JournalWord.REVOKED)
        return real(self, attempt, answer)

    monkeypatch.setattr(Reconciler, "_settle", settle)


def _queue_again_on_doubt(monkeypatch):
    real = Sending._hand_over

    def hand_over(self, driver, claim, sim, parts):
        try:
            return real(self, driver, claim, sim, parts)
        except SubmitError:
            with self._store.reading() as session:
                is_open = attempts.is_open(session, claim.attempt_id)
            if is_open:
                self._give_back(claim, sim, "in doubt", Evidence.LINK)
            raise

    monkeypatch.setattr(Sending, "_hand_over", hand_over)


@pytest.mark.parametrize(
    ("mutate", "promise"),
    [
        (_take_what_was_begun_for_not_begun, "I4"),
        (_queue_again_on_doubt, "I4"),
    ],
)
def test_the_model_finds_it(mutate, promise, monkeypatch):
    mutate(monkeypatch)
    with pytest.raises(AssertionError, match=promise):
        # It ends at the first find, most often before the two hundredth: uids are drawn anew in every run.
        run(Promise, examples=2000, steps=50, seed_number=7, shrink=False)
