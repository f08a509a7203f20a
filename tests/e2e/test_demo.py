"""`smsrack demo --exit --json`: what the README promises."""

from __future__ import annotations

import json
import subprocess
import sys

SMSRACK = [sys.executable, "-m", "host_controller"]


def test_the_demo_sends_its_sample_without_a_double():
    from socket import create_server

    with create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    command = [*SMSRACK, "demo", "--exit", "--json", "--port", port]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    ended = ("sent", "failed", "unknown", "cancelled", "expired")
    assert (summary["doubled"], summary["queued"], summary["submitting"], summary["unknown"]) == (0, 0, 0, 0)
    assert summary["on_air"] == summary["parts"]
    assert summary["accepted"] == sum(summary[state] for state in ended) == 215
    assert [row["row"] for row in summary["rejected_rows"]] == [30, 75, 120]
    assert all(row["reason"] for row in summary["rejected_rows"])
    assert summary["opted_out"] == 1


def test_a_port_in_use_is_one_line_and_leaves_nothing_behind():
    from socket import create_server

    with create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [*SMSRACK, "demo", "--exit", "--port", port]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"smsrack: port {port} cannot be used")
