"""The daemon with another pause between the reading rounds of an idle phone: `python -m benchmarks.rounds run ...`.

The pause stands in `SMSRACK_ROUND_S`, in seconds.
"""

from __future__ import annotations

import os
from functools import partial

from host_controller import wiring
from host_controller.rules.timings import Timings

PAUSE = "SMSRACK_ROUND_S"

if __name__ == "__main__":
    wiring.Timings = partial(Timings, read_idle_s=float(os.environ[PAUSE]))  # type: ignore[misc]
    from host_controller.cli import main

    main()
