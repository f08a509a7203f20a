"""What it takes the daemon to send from a full queue, counted while all phones are at work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from benchmarks.host import DAEMON, Host
from benchmarks.tally import balance, read_stored, whole_messages
from host_controller.cli.simulated_rack import SimulatedRack
from host_controller.cli.simulator_control import SimulatorControl

# The radio answers at once, and Android's own limit a minute is out of the way. The phones leave the cores to the
# daemon: a forked shell for each command would take more of them than the daemon and the adb server together.
FAST = ("--instant", "--guard", "1000000", "--quick-shell")
NO_LIMIT = 6000
"""Parts a minute for each SIM."""
_FIRST_LIMIT_S, _LIMIT_S = 180.0, 1800.0


def drain(
    host: Host, rack: SimulatedRack, count: int, module: str = DAEMON, environment: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Let the phones of a rack in; `count` messages are sent, or all that are queued.

    The first and the last tenth of them are not counted: proofs come in bunches, and there not every phone works.
    """
    with host.running(module, environment):
        start, before = host.wait_for_sent(max(1, count // 10), _FIRST_LIMIT_S), host.count("sent")
        end, after = host.wait_for_sent(count * 9 // 10, _LIMIT_S), host.count("sent")
        host.wait_for_sent(count, _LIMIT_S)
        sent, used, rss_mb = after - before, end - start, host.peak_rss_mb()
    return {
        "per_s": sent / used.at_s,
        "daemon_ms": 1000 * used.daemon_s / sent,
        "adb_ms": 1000 * used.adb_s / sent,
        "rss_mb": rss_mb,
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
