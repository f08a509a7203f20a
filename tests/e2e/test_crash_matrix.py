"""The daemon dies at every failpoint and at random moments; nothing is doubled, lost or wrongly called sent."""

from __future__ import annotations

import random

from benchmarks.crash import RANDOM, as_table, run_legs
from device_drivers.failpoints import NAMES

# Each meets every failpoint once, or nearly every one.
LEGS, RANDOM_KILLS = 2, 5


def test_a_death_at_every_step(capsys):
    first = random.randrange(1 << 20)
    print(f"seeds {first} and on")
    legs = run_legs(range(first, first + LEGS), RANDOM_KILLS, results=None, workers=LEGS)
    rows = {row["failpoint"]: row for row in as_table(legs)}
    with capsys.disabled():
        print(f"\nseeds {first} and on: {rows['all']}")
    # What a leg comes by depends on its faults; none is missed by all of them.
    assert set.intersection(*(set(leg["not_reached"]) for leg in legs)) == set()
    assert [leg["broken"] for leg in legs] == [{}] * LEGS
    assert all(leg["holds"] for leg in legs), rows["all"]
    assert all(rows[name]["kills"] for name in NAMES)
    # A point that a leg did not come by counts here: it was killed by the clock.
    assert rows[RANDOM]["kills"] >= LEGS * RANDOM_KILLS
