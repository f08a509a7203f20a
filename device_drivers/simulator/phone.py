"""One simulated handset: its adbd, its shell, its tools and its telephony, put together."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path

from device_drivers.simulator import dumps
from device_drivers.simulator.adbd import Adbd, Spoil
from device_drivers.simulator.command_runner import CommandRunner
from device_drivers.simulator.faults import Faults
from device_drivers.simulator.guard import DEFAULT_INTERVAL_MS, DEFAULT_MAX_COUNT, Guard
from device_drivers.simulator.isms import Isms
from device_drivers.simulator.network import Network
from device_drivers.simulator.profile import Profile
from device_drivers.simulator.provider import SmsStore
from device_drivers.simulator.quick_shell import QuickShell
from device_drivers.simulator.radio import Handset, Radio, SimCard
from device_drivers.simulator.radio_log import RadioLog
from device_drivers.simulator.screen import Screen
from device_drivers.simulator.shell import Shell
from device_drivers.simulator.tools import Tools

_BOOT_S = 2.0
_GUARD_NAMES = ("sms_outgoing_check_max_count", "sms_outgoing_check_interval_ms")


@dataclass(frozen=True)
class PhoneOptions:
    """What makes one phone different from its neighbour."""

    name: str
    profile: Profile
    sims: tuple[SimCard, ...]
    authorized: bool
    guard_max_parts: int | None
    latency_s: tuple[float, float]
    seed: int
    quick_shell: bool = False


@dataclass
class SimulatedPhone:
    """One phone. Lives in the event loop's thread."""

    options: PhoneOptions
    shell_path: str
    home: Path
    network: Network
    serial: str = ""
    faults: Faults = field(default_factory=Faults, init=False)
    body: dumps.Body = field(default_factory=dumps.Body)
    clock_offset_ms: int = 0
    connections: set[Adbd] = field(default_factory=set)
    settings: dict[str, str] = field(default_factory=lambda: {"airplane_mode_on": "0"})
    plugged: bool = True
    authorized: bool = True

    def __post_init__(self) -> None:
        """Build the phone; it boots with `start`."""
        self.authorized = self.options.authorized
        self.faults = Faults(self.options.seed)
        profile = self.options.profile
        self.sims = list(self.options.sims)
        self.store = SmsStore(
            refuses_select=profile.provider_refuses_select,
            shell_may_read=profile.shell_reads_sms,
            refuses_hex=profile.provider_refuses_hex,
        )
        self.radio_log = RadioLog(self.clock_ms)
        self.screen = Screen(lambda package, to, text: self.isms.send_from_app(package, to, text))
        if self.options.guard_max_parts is not None:
            self.settings[_GUARD_NAMES[0]] = str(self.options.guard_max_parts)
        self.shell = self._make_shell()
        self._server: asyncio.Server | None = None
        self._guard_values = (DEFAULT_MAX_COUNT, DEFAULT_INTERVAL_MS)

    async def start(self, port: int) -> None:
        """Boot, and listen for the adb server on `port` (0 for a free one)."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Adbd(self, self.connections), "127.0.0.1", port)
        self.serial = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._handset = Handset(
            self.serial,
            self.options.profile,
            self.store,
            self.network,
            self.faults,
            self.radio_log,
            self.clock_ms,
            self.options.latency_s,
        )
        self.radios = {sim.subscription_id: self._radio(sim) for sim in self.sims}
        self.isms = Isms(self.options.profile, self.radios, self.faults)
        self._boot()

    def _make_shell(self) -> CommandRunner:
        answer, tools_read_stdin = Tools(self).answer, self.options.profile.tools_read_stdin
        shell = Shell(self.shell_path, self.home, answer, tools_read_stdin=tools_read_stdin)
        return QuickShell(shell, self.home, answer) if self.options.quick_shell and not tools_read_stdin else shell

    def _radio(self, sim: SimCard) -> Radio:
        return Radio(sim, self._handset, self.options.seed + sim.slot_index)

    def swap_sim(self, slot_index: int, number: str) -> SimCard:
        """Put another card into a slot: new number, ICCID and subscription id. Raises ValueError for an empty slot."""
        old = next((sim for sim in self.sims if sim.slot_index == slot_index), None)
        if old is None:
            raise ValueError(f"this phone has no SIM in slot {slot_index}")
        new = replace(
            old,
            subscription_id=max(sim.subscription_id for sim in self.sims) + 1,
            number=number,
            iccid=f"894209{slot_index}{int(number[-9:]):012d}",
        )
        self.sims[self.sims.index(old)] = new
        self.radios.pop(old.subscription_id).leave()
        self.radios[new.subscription_id] = self._radio(new)
        self.radios[new.subscription_id].boot(self._new_guard())
        return new

    def set_airplane_mode(self, *, on: bool) -> None:
        """Switch every radio off or on."""
        self.settings["airplane_mode_on"] = str(int(on))
        if on:
            self.faults.set("no_service", None)
        else:
            self.faults.clear("no_service")

    def stop(self) -> None:
        """Switch off."""
        for radio in self.radios.values():
            radio.stop()
        if self._server:
            self._server.close()
        self.cut_links()
        self.shell.stop()
        self.store.close()

    def clock_ms(self) -> int:
        """The phone's own clock."""
        return int(time.time() * 1000) + self.clock_offset_ms

    @property
    def banner(self) -> str:
        """See AdbdPhone."""
        model = self.options.profile.model.replace(" ", "_")
        return f"ro.product.name={model};ro.product.model={self.options.profile.model};ro.product.device={model}"

    @property
    def is_authorized(self) -> bool:
        """See AdbdPhone."""
        return self.authorized and not self.faults.is_on("unauthorized")

    @property
    def speaks_shell_v2(self) -> bool:
        """See AdbdPhone."""
        return self.options.profile.has_shell_v2

    @property
    def is_mute(self) -> bool:
        """See AdbdPhone."""
        return not self.plugged or self.faults.is_on("mute")

    def admit(self, command: bytes) -> bool:
        """See AdbdPhone."""
        # Before Android 7 the command comes as a script on the standard input, after the shell was opened.
        if self.faults.are_none or not _is_send(command):
            return True
        if self.faults.take("drop_unopened", _number_in(command)):
            self.shell.run(command, lambda *_: None, lambda _: None)
            return False
        return not self.faults.take("drop_before", _number_in(command))

    def shell_life_s(self, command: bytes) -> float | None:
        """See AdbdPhone."""
        if not self.faults.are_none and _is_send(command) and self.faults.take("kill_at_random", _number_in(command)):
            return self.faults.moment_within("kill_at_random")
        return None

    def spoil(self, command: bytes) -> Spoil | None:
        """See AdbdPhone."""
        if self.faults.are_none or not (_is_send(command) or b"content query" in command):
            return None
        to = _number_in(command) if _is_send(command) else ""
        return next((Spoil(kind) for kind in Spoil if self.faults.take(kind, to)), None)

    def damage(self, data: bytes) -> bytes:
        """See AdbdPhone."""
        return self.faults.damage(data)

    def authorize(self) -> None:
        """A person accepts the host's key."""
        self.authorized = True
        self.faults.clear("unauthorized")
        for connection in list(self.connections):
            connection.key_accepted()

    def cut_links(self) -> None:
        """Break every connection."""
        for connection in list(self.connections):
            connection.cut()

    def unplug(self) -> None:
        """Pull the cable; nobody gets through until `plug`."""
        self.plugged = False
        self.cut_links()

    def plug(self) -> None:
        """Put the cable back."""
        self.plugged = True
        self.cut_links()

    def reboot(self) -> None:
        """Restart: running commands and messages on their way are gone, the guard's settings are read again."""
        self.unplug()
        self.shell.kill_all()
        for radio in self.radios.values():
            radio.stop()
        if self.faults.take("reboot_loses"):
            self._lose_last_writes(self.faults.seconds("reboot_loses"))
        asyncio.get_running_loop().call_later(_BOOT_S, self._come_back)

    def _lose_last_writes(self, seconds: float) -> None:
        """What was not on the flash yet is gone: files under /data/local/tmp and rows."""
        since_s = time.time() - seconds
        self.store.forget_since(round(1000 * since_s) + self.clock_offset_ms)
        for path in sorted((self.home / "data" / "local" / "tmp").rglob("*"), reverse=True):
            if path.lstat().st_mtime >= since_s:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _come_back(self) -> None:
        self._boot()
        self.plug()

    def _boot(self) -> None:
        (self.home / "data" / "boot_id").write_text(f"{uuid.uuid4()}\n")
        self._guard_values = self._read_guard()
        self.radio_log.clear()
        self.screen.compose = None
        for radio in self.radios.values():
            radio.boot(self._new_guard())

    def _new_guard(self) -> Guard:
        """Android reads the two settings when its phone process starts, and never again."""
        return Guard(*self._guard_values)

    def _read_guard(self) -> tuple[int, int]:
        values = [self.settings.get(name, "") for name in _GUARD_NAMES]
        max_count = int(values[0]) if values[0].isdecimal() else DEFAULT_MAX_COUNT
        return max_count, int(values[1]) if values[1].isdecimal() else DEFAULT_INTERVAL_MS


def _is_send(command: bytes) -> bool:
    return b"service call isms" in command and b"com.android.shell" in command


def _number_in(command: bytes) -> str:
    """The number that a send goes to: the first one after the package."""
    found = re.search(rb"com\.android\.shell.*?(\+\d{6,15})", command, re.DOTALL)
    return found[1].decode() if found else ""
