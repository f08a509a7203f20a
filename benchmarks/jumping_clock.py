"""The daemon with a wall clock that can be set: `python -m benchmarks.jumping_clock run --config FILE`.

Its clock, which all of the controller goes by, shows what the file named in `SMSRACK_CLOCK` says: seconds to add, or
`@` and the seconds since 1970 that it shows from the file's time on. Monotonic time goes on as ever.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from apscheduler import util
from apscheduler.executors import base as pool
from apscheduler.schedulers import base
from apscheduler.triggers import date

from host_controller import scheduler, wiring

_FILE = Path(os.environ["SMSRACK_CLOCK"])


def clock() -> datetime:
    """The time that this host takes for true."""
    now_s, words = time.time(), _FILE.read_text()
    shown_s = now_s - _FILE.stat().st_mtime + float(words[1:]) if words.startswith("@") else now_s + float(words)
    return datetime.fromtimestamp(shown_s, UTC)


class _Kind(type):
    """Lets a plain datetime pass for one of ours."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, datetime)


class _Moment(datetime, metaclass=_Kind):
    """A datetime whose `now` is the clock's."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return clock().astimezone(tz)


def set_everywhere() -> None:
    """Let the controller and the library that runs its jobs go by `clock`."""
    wiring.utc_now = clock
    for module in (scheduler, base, pool, util, date):
        if hasattr(module, "datetime"):
            module.datetime = _Moment  # type: ignore[attr-defined]


if __name__ == "__main__":
    set_everywhere()
    from host_controller.cli import main

    main()
