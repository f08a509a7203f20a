"""What counts as a change of a phone, and which SIMs it touches."""

from __future__ import annotations

import pytest

from device_drivers.base import Sim
from host_controller.fleet.changes import ChangeKind, KnownPhone, KnownSim, find_changes

MOVED, OS_CHANGED = ChangeKind.MOVED, ChangeKind.OS_CHANGED
SWAPPED, SIM_ADDED = ChangeKind.SIM_SWAPPED, ChangeKind.SIM_ADDED
KNOWN = KnownPhone("1-2.3", "maker/model:13/A/1", (KnownSim(0, 3, "8942001[****]"), KnownSim(1, 7, None)))
SIMS = (Sim(0, 3, "8942001[****]", "Op A"), Sim(1, 7, "8942002[****]", "Op B"))
SAME = {"usb_path": "1-2.3", "build_fingerprint": "maker/model:13/A/1", "sims": SIMS}


@pytest.mark.parametrize(
    ("now", "changes"),
    [
        ({}, []),
        ({"usb_path": None}, []),
        ({"usb_path": "1-2.4"}, [(MOVED, None)]),
        ({"build_fingerprint": "maker/model:14/B/2"}, [(OS_CHANGED, None)]),
        ({"sims": (Sim(0, 9, "8942009[****]", "Op A"), SIMS[1])}, [(SWAPPED, 0)]),
        ({"sims": (Sim(0, 9, "8942001[****]", "Op A"), SIMS[1])}, [(SWAPPED, 0)]),
        ({"sims": (Sim(0, 3, "8942009[****]", "Op A"), SIMS[1])}, [(SWAPPED, 0)]),
        ({"sims": (Sim(0, 7, None, None), Sim(1, 3, None, None))}, [(SWAPPED, 0), (SWAPPED, 1)]),
        ({"sims": SIMS[:1]}, []),
        ({"sims": (*SIMS, Sim(2, 8, None, None))}, [(SIM_ADDED, 2)]),
        ({"sims": (Sim(0, 3, None, None), SIMS[1])}, []),
        ({"usb_path": "1-4", "build_fingerprint": "x", "sims": ()}, [(MOVED, None), (OS_CHANGED, None)]),
    ],
)  # fmt: skip
def test_changes(now, changes):
    assert [(c.kind, c.slot_index) for c in find_changes(KNOWN, **(SAME | now))] == changes
