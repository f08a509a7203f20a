"""A rack of simulated phones in one process: one event loop for all of them, and the control API beside it."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from device_drivers.simulator.control import ControlServer
from device_drivers.simulator.dumps import Body
from device_drivers.simulator.network import Answer, Network
from device_drivers.simulator.phone import PhoneOptions, SimulatedPhone
from device_drivers.simulator.profile import PROFILES
from device_drivers.simulator.radio import SimCard
from device_drivers.simulator.shell import find_shell

_OPERATORS = (("T-Mobile CZ", ("230", "01")), ("O2.CZ", ("230", "02")), ("Vodafone CZ", ("230", "03")))
_NETWORK_LATENCY_S = 0.2
# A phone with its shell and a running command holds about this many files open.
_FILES_A_PHONE = 40
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of an unforeseeable name is made in it
_ROOM_BYTES = 1 << 30


@dataclass(frozen=True)
class RackOptions:
    """What to simulate."""

    phones: int = 4
    base_port: int = 17000
    """Port of the first phone, the others follow; 0 takes free ones."""
    control_port: int = 17999
    air_log: Path | None = None
    guard_max_parts: int | None = None
    """Android's limit a minute and SIM; None leaves its own 30."""
    latency_s: tuple[float, float] = (0.3, 0.8)
    """Shortest and longest time of a part on the radio."""
    profiles: tuple[str, ...] = ("29", "34")
    """Kinds of phones, given to them in turn: an API level, or a vendor's variant of one."""
    seed: int = 1
    auth: bool = False
    """True lets every phone wait until its key dialog is answered."""
    shell: str | None = None
    quick_shell: bool = False
    """Interpret lines of a few known forms here, for measurements; all others run in the real shell."""
    answers: dict[str, str] = field(default_factory=dict)
    """Subscriber's number to what it answers, once."""


@dataclass(frozen=True)
class RackAddresses:
    """Where everything listens."""

    phones: tuple[str, ...]
    control: str


def run_rack(
    options: RackOptions, on_ready: Callable[[RackAddresses], None], wait_for_stop: Callable[[], None]
) -> None:
    """Simulate until `wait_for_stop`, which is run in a thread, returns.

    Raises OSError where a port is taken, ShellMissingError, ValueError for an unknown profile.
    """
    unknown = set(options.profiles) - PROFILES.keys()
    if unknown:
        raise ValueError(f"there is no profile {min(unknown)!r}; known are {', '.join(PROFILES)}")
    asyncio.run(_run(options, on_ready, wait_for_stop))


async def _run(
    options: RackOptions, on_ready: Callable[[RackAddresses], None], wait_for_stop: Callable[[], None]
) -> None:
    shell_path = find_shell(options.shell)
    _allow_files(options.phones * _FILES_A_PHONE + 200)
    network = Network(options.air_log, _NETWORK_LATENCY_S)
    network.answers.update({number: Answer(text, 1) for number, text in options.answers.items()})
    home = Path(tempfile.mkdtemp(prefix="smsrack-sim-", dir=_memory() if options.quick_shell else None))
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        stack.callback(network.close)
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        phones = []
        for index in range(options.phones):
            phone = SimulatedPhone(_phone_options(options, index), shell_path, home / f"phone{index}", network)
            phone.body = Body(battery_percent=96 - 7 * index % 60, rsrp_dbm=-84 - 5 * index % 30)
            phone.screen.app = phone.body.default_sms_app
            stack.callback(phone.shell.stop)
            await phone.start(options.base_port + index if options.base_port else 0)
            stack.callback(phone.stop)
            phones.append(phone)
        control = ControlServer(phones, network, loop, options.control_port)
        stack.callback(control.close)
        control.start()
        on_ready(RackAddresses(tuple(phone.serial for phone in phones), control.url))
        await loop.run_in_executor(None, wait_for_stop)


def _memory() -> Path | None:
    """A folder in memory, if there is one with room.

    What the phones keep must not wait for the disk of the host, or make it wait, where the host is measured.
    """
    try:
        return _MEMORY if shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES else None
    except OSError:
        return None


def _phone_options(options: RackOptions, index: int) -> PhoneOptions:
    # Subscription ids that are neither the slot nor the slot's successor: a driver that mixes them up is caught.
    sims = tuple(
        SimCard(
            slot_index=slot,
            subscription_id=11 + 4 * index + 2 * slot,
            number=f"+42060{1 + slot}{100000 + index:06d}",
            iccid=f"894201{slot}{index:012d}",
            operator=_OPERATORS[(index + slot) % len(_OPERATORS)][0],
            mcc_mnc=_OPERATORS[(index + slot) % len(_OPERATORS)][1],
        )
        for slot in range(2)
    )
    return PhoneOptions(
        name=f"SIM{options.seed:03d}{index:04d}",
        profile=PROFILES[options.profiles[index % len(options.profiles)]],
        sims=sims,
        authorized=not options.auth,
        guard_max_parts=options.guard_max_parts,
        latency_s=options.latency_s,
        seed=options.seed * 1000 + index * 10,
        quick_shell=options.quick_shell,
    )


def _allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
