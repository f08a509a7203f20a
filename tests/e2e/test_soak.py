"""Twenty seconds of random faults while messages are asked for, and some hundred messages without any."""

from __future__ import annotations

import random

import pytest

from benchmarks.nursery import nursery
from benchmarks.soak import Load, clean_soak, soak

SECONDS, MESSAGES = 20, 300


@pytest.fixture(scope="module")
def daemons():
    with nursery() as made:
        yield made


def test_under_random_faults(daemons, tmp_path, capsys):
    load = Load(phones=8, duration_s=SECONDS, messages_per_s=6, faults_per_s=1, seed=random.randrange(1000))
    found = soak(load, daemons, keep=tmp_path / "kept")
    with capsys.disabled():
        print(f"\nsoak, seed {load.seed}: {found}")
    assert found["broken"] == {}, f"seed {load.seed}; files in {tmp_path / 'kept'}"
    assert found["ok"] + found["unknown"] + found["states"].get("failed", 0) + found["states"].get(
        "cancelled", 0
    ) == sum(found["states"].values())
    assert found["ok"] > SECONDS  # it did send


def test_without_faults_nothing_is_unknown(daemons, tmp_path, capsys):
    found = clean_soak(MESSAGES, 8, 3, daemons, keep=tmp_path / "kept")
    with capsys.disabled():
        print(f"\nclean soak: {found}")
    assert found["broken"] == {}
    assert found["states"] == {"sent": MESSAGES}
    assert found["ok"] == MESSAGES
