"""A power cut of the host at any moment: whatever was acknowledged is in the database, and the database is sound."""

from __future__ import annotations

import os
import random

import pytest

from benchmarks.power_cut import CannotTraceError, survey

CUTS = int(os.environ.get("SMSRACK_TEST_CUTS", "120"))


def test_whatever_was_acknowledged_survives_a_power_cut(tmp_path):
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    home, after = tmp_path / "home", tmp_path / "after"
    home.mkdir()
    after.mkdir()
    try:
        found = survey(home, after, CUTS, random.Random(seed))
    except CannotTraceError as error:
        pytest.skip(str(error))
    assert found.states >= 3
