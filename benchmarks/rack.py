"""Simulated phones in a process of their own, an adb server for them, and small tools for measuring."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from device_drivers.adb.address import ServerAddress
from device_drivers.adb.listener import find_listener
from device_drivers.adb.server import AdbServer, find_adb
from device_drivers.adb.socket_link import SocketLink
from host_controller.cli.simulated_rack import simulated_rack

_TICKS = os.sysconf("SC_CLK_TCK")
_STEP_S = 0.01


@dataclass(frozen=True)
class BenchRack:
    """What a measurement of the link works with."""

    phones: tuple[str, ...]
    address: ServerAddress
    adb_pid: int


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def wait_for(condition: Callable[[], object], limit_s: float, step_s: float = _STEP_S) -> float:
    """Wait for a condition, looked at every `step_s`; give the seconds that it took. Raises TimeoutError."""
    start_s = time.monotonic()
    while not condition():
        if time.monotonic() - start_s > limit_s:
            raise TimeoutError(f"not reached within {limit_s} s")
        time.sleep(step_s)
    return time.monotonic() - start_s


def free_port() -> int:
    """Give a TCP port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def bench_rack(phones: int) -> Iterator[BenchRack]:
    """Simulate phones and connect them to an adb server of their own."""
    with tempfile.TemporaryDirectory(prefix="sr") as directory, simulated_rack(phones, ["--fast"]) as rack:
        home = Path(directory)
        address = ServerAddress(socket_path=home / "adb")
        server = AdbServer(find_adb(os.environ.get("SMSRACK_ADB")), address, home, usb=False)
        server.start()
        try:
            link = SocketLink(address)
            for serial in rack.phones:
                link.attach(serial)
            wait_for(lambda: sum(phone.state == "device" for phone in link.list_phones()) == phones, 60)
            listener = find_listener(address)
            if listener is None or listener.pid is None:
                raise RuntimeError("the adb server's process cannot be found")
            yield BenchRack(rack.phones, address, listener.pid)
        finally:
            server.stop()
