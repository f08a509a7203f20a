"""The stopwatch of the benchmark of deep queues."""

from __future__ import annotations

from benchmarks.timed_claims import Stopwatch, read_claims


def test_a_claim_is_timed_from_its_wish_to_its_intent(tmp_path):
    stopwatch = Stopwatch()
    for passed in ("intent.before", "store.before", "intent.after", "returned.before"):
        stopwatch(passed)
    (tmp_path / "claims").write_bytes(stopwatch.claims_s.tobytes())
    (took_s,) = read_claims(tmp_path / "claims")
    assert took_s > 0


def test_a_wish_that_found_nothing_is_no_claim():
    stopwatch = Stopwatch()
    for passed in ("intent.before", "intent.before", "intent.after"):
        stopwatch(passed)
    assert len(stopwatch.claims_s) == 1
