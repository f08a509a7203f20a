"""The table of states."""

from __future__ import annotations

import itertools

import pytest

from host_controller.errors import IllegalTransitionError
from host_controller.rules.states import TRANSITIONS, MessageState, check_transition

S = MessageState
ALLOWED = {
    (S.QUEUED, S.SUBMITTING),
    (S.QUEUED, S.CANCELLED),
    (S.QUEUED, S.EXPIRED),
    (S.QUEUED, S.SENT),
    (S.QUEUED, S.FAILED),
    (S.SUBMITTING, S.SENT),
    (S.SUBMITTING, S.FAILED),
    (S.SUBMITTING, S.UNKNOWN),
    (S.SUBMITTING, S.QUEUED),
    (S.UNKNOWN, S.SENT),
    (S.UNKNOWN, S.FAILED),
    (S.UNKNOWN, S.QUEUED),
}


@pytest.mark.parametrize(("old", "new"), list(itertools.product(S, S)))
def test_every_pair(old, new):
    if (old, new) in ALLOWED:
        check_transition(old, new)
    else:
        with pytest.raises(IllegalTransitionError, match=f"{old} cannot become {new}"):
            check_transition(old, new)


def test_every_state_has_its_row():
    assert set(TRANSITIONS) == set(S)
