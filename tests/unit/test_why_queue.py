"""How long a look at the queue is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from host_controller.messaging import why_queue
from host_controller.messaging.why_queue import QueueWhy

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("first", "second", "after", "is_kept"),
    [
        (7, 7, 4 * SECOND, True),
        (7, 6, 4 * SECOND, False),
        (1_000_000, 999_990, 4 * SECOND, True),
        (5001, 5000, 4 * SECOND, False),
        (1_000_000, 999_990, 6 * SECOND, False),
        (1_000_000, 999_990, -SECOND, False),
    ],
)
def test_a_long_queue_is_looked_at_now_and_then_also_while_it_goes(monkeypatch, first, second, after, is_kept):
    looks = []
    monkeypatch.setattr(why_queue, "groups_of", lambda _why, _session: looks.append(None) or ())
    kept = QueueWhy()
    kept.look(None, None, first, NOON)
    kept.look(None, None, second, NOON + after)
    assert len(looks) == (1 if is_kept else 2)
