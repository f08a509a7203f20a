"""What it takes the daemon to send from a full queue, counted while all phones are at work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.host import DAEMON, Host, Usage, wait_until_ready
from benchmarks.tally import balance, read_stored, whole_messages
from host_controller.cli.simulated_rack import SimulatedRack
from host_controller.cli.simulator_control import SimulatorControl

# The radio answers at once, and Android's own limit a minute is out of the way. The phones leave the cores to the
# daemon: a forked shell for each command would take more of them than the daemon and the adb server together.
FAST = ("--instant", "--guard", "1000000", "--quick-shell")
NO_LIMIT = 6000
"""Parts a minute for each SIM."""
_READY_LIMIT_S, _LIMIT_S = 180.0, 1800.0


@contextmanager
def let_go(
    host: Host,
    rack: SimulatedRack,
    module: str = DAEMON,
    environment: Mapping[str, str] | None = None,
    *,
    is_released: bool = True,
) -> Iterator[Usage]:
    """Let all phones get ready while the rack is paused, let it go, and give that moment; then the daemon ends."""
    with host.calls() as api:
        api.call("POST", "/holds", {"scope": "rack", "kind": "paused", "reason": "every phone is to be ready first"})
    with host.running(module, environment), host.calls() as api:
        wait_until_ready(api, len(rack.phones), _READY_LIMIT_S)
        start = host.usage()
        if is_released:
            api.call("POST", "/holds/release", {"scope": "rack"})
        yield start


def drain(host: Host, rack: SimulatedRack, count: int) -> dict[str, float]:
    """Send all that is queued, `count` messages; count from the moment that the rack is let go until all are proven."""
    with let_go(host, rack) as start:
        used, rss_mb = host.wait_for_sent(count, _LIMIT_S) - start, host.peak_rss_mb()
    return _each(used, count) | {"rss_mb": rss_mb}


def hand_over(
    host: Host, rack: SimulatedRack, count: int, module: str = DAEMON, environment: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Count until so many messages have been handed over to phones, whatever still waits for its proof or its turn."""
    with let_go(host, rack, module, environment) as start:
        used, rss_mb = host.wait_for_intents(count, _LIMIT_S) - start, host.peak_rss_mb()
    return _each(used, count) | {"rss_mb": rss_mb}


def _each(used: Usage, count: int) -> dict[str, float]:
    return {
        "per_s": count / used.at_s,
        "daemon_ms": 1000 * used.daemon_s / count,
        "adb_ms": 1000 * used.adb_s / count,
    }


def on_air(rack: SimulatedRack) -> Counter[str]:
    """How often a message has left to each number with all of its parts."""
    return whole_messages(SimulatorControl(rack.control).air())


def verify(host: Host, rack: SimulatedRack, numbers: Mapping[int, str]) -> dict[str, float]:
    """Hold what was accepted against the air and the daemon's record, when nothing moves any more."""
    found = balance(numbers, read_stored(host.database), on_air(rack))
    return {
        "unsent": found.messages - found.sent,
        "unknown": found.unknown,
        "doubled": found.doubled,
        "lost": found.lost + found.false_sent + found.false_failed,
    }
