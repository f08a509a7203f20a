"""Repeats of a measurement, put together. Pure."""

from __future__ import annotations

import os
import statistics
from collections.abc import Collection, Mapping, Sequence

REPEATS = int(os.environ.get("SMSRACK_BENCH_REPEATS", "5"))


def middle(runs: Sequence[Mapping[str, float]], worst: Collection[str] = ()) -> dict[str, float]:
    """Give the median of every figure over the runs; of the counts in `worst` the highest."""
    row: dict[str, float] = {key: round(statistics.median(run[key] for run in runs), 2) for key in runs[0]}
    return row | {key: int(max(run[key] for run in runs)) for key in worst}


def percentile(values: Sequence[float], hundredth: int) -> float:
    """Give a percentile, 1 to 99; 0 where there are no values."""
    if len(values) < 2:
        return values[0] if values else 0.0
    return statistics.quantiles(values, n=100, method="inclusive")[hundredth - 1]
