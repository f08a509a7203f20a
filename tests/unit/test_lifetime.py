"""From when until when a message may go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_controller.errors import InvalidWindowError, TooLateError
from host_controller.messaging.submit import default_ttl
from host_controller.rules.classes import MessageClass
from host_controller.rules.lifetime import Window, lifetime
from host_controller.settings import MessageSettings

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("window", "ttl", "left"),
    [
        (Window(), None, Window()),
        (Window(), HOUR, Window(None, NOW + HOUR)),
        (Window(NOW - HOUR), HOUR, Window(None, NOW + HOUR)),
        # A message for tomorrow does not expire today.
        (Window(NOW + 24 * HOUR), HOUR, Window(NOW + 24 * HOUR, NOW + 25 * HOUR)),
        (Window(None, NOW + 2 * HOUR), HOUR, Window(None, NOW + HOUR)),
        (Window(None, NOW + 2 * HOUR), 3 * HOUR, Window(None, NOW + 2 * HOUR)),
        (Window(NOW + HOUR, NOW + 2 * HOUR), None, Window(NOW + HOUR, NOW + 2 * HOUR)),
    ],
)
def test_what_is_left(window, ttl, left):
    assert lifetime(window, ttl, NOW) == left


@pytest.mark.parametrize(
    ("window", "ttl", "error"),
    [
        (Window(None, NOW), None, TooLateError),
        (Window(NOW - 2 * HOUR, NOW - HOUR), None, TooLateError),
        (Window(), timedelta(0), TooLateError),
        (Window(NOW + HOUR, NOW + HOUR), None, InvalidWindowError),
        (Window(NOW + 2 * HOUR, NOW + HOUR), None, InvalidWindowError),
    ],
)
def test_what_is_over_says_so(window, ttl, error):
    with pytest.raises(error, match="UTC"):
        lifetime(window, ttl, NOW)


hours = st.none() | st.integers(-50, 50).map(lambda n: n * HOUR / 2)
times = hours.map(lambda delta: None if delta is None else NOW + delta)


@given(times, times, hours, times.filter(lambda at: at is not None))
def test_the_end_is_after_the_beginning_and_never_later_than_asked(not_before, not_after, ttl, now):
    try:
        left = lifetime(Window(not_before, not_after), ttl, now)
    except (TooLateError, InvalidWindowError):
        return
    begins = max(now, not_before or now)
    assert left.not_before == (begins if begins > now else None)
    if left.not_after is None:
        assert (not_after, ttl) == (None, None)
    else:
        assert begins < left.not_after <= min(end for end in (not_after, ttl and begins + ttl) if end is not None)


def test_each_class_has_a_default_of_its_own():
    settings = MessageSettings(marketing_ttl_h=72)
    assert [default_ttl(settings, kind) for kind in MessageClass] == [HOUR / 4, 24 * HOUR, 72 * HOUR]
    assert default_ttl(MessageSettings(), MessageClass.MARKETING) is None
