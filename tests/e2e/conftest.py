"""The daemon as a process of its own, on simulated phones."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.daemon_process import DaemonProcess


def air_counts(control) -> Counter:
    """How often each (number, text) left, counted by its first part."""
    return Counter((part["to"], part["message"], part["phone"]) for part in control.air() if part["part"] == 1)


@pytest.fixture
def make_daemon(eventually):
    with ExitStack() as stack:

        def make(control, **options) -> DaemonProcess:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sr")))
            daemon = DaemonProcess(directory, control, eventually, **options)
            stack.callback(daemon.close)
            return daemon

        yield make


@pytest.fixture
def kills() -> int:
    return int(os.environ.get("SMSRACK_TEST_KILLS", "5"))
