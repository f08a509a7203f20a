"""One simulated handset: its adbd, its shell, its tools and its telephony, put together."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from device_drivers.simulator import dumps, parcels
from device_drivers.simulator.adbd import Adbd
from device_drivers.simulator.faults import Faults
from device_drivers.simulator.guard import DEFAULT_INTERVAL_MS, DEFAULT_MAX_COUNT, Guard
from device_drivers.simulator.isms import Isms
from device_drivers.simulator.network import Network
from device_drivers.simulator.profile import Profile
from device_drivers.simulator.provider import SmsStore
from device_drivers.simulator.radio import Radio, SimCard
from device_drivers.simulator.shell import Shell, ToolAnswer

MANUFACTURER = "smsrack simulator"
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


@dataclass
class SimulatedPhone:
    """One phone. Lives in the event loop's thread."""

    options: PhoneOptions
    shell_path: str
    home: Path
    network: Network
    serial: str = ""
    faults: Faults = field(default_factory=Faults)
    body: dumps.Body = field(default_factory=dumps.Body)
    clock_offset_ms: int = 0
    connections: set[Adbd] = field(default_factory=set)
    settings: dict[str, str] = field(default_factory=dict)
    plugged: bool = True
    authorized: bool = True

    def __post_init__(self) -> None:
        """Build the phone; it boots with `start`."""
        self.authorized = self.options.authorized
        self.store = SmsStore(refuses_select=self.options.profile.provider_refuses_select)
        if self.options.guard_max_parts is not None:
            self.settings[_GUARD_NAMES[0]] = str(self.options.guard_max_parts)
        self.shell = Shell(self.shell_path, self.home, self.tool)
        self._tools: dict[str, Callable[[Sequence[bytes]], ToolAnswer | asyncio.Future[ToolAnswer]]] = {
            "service": self._service,
            "content": self._content,
            "getprop": self._getprop,
            "dumpsys": self._dumpsys,
            "settings": self._settings,
            "cmd": self._cmd,
            "date": self._date,
            "reboot": self._reboot,
            "id": lambda _: ToolAnswer(b"uid=2000(shell) gid=2000(shell) groups=2000(shell)\n"),
            "whoami": lambda _: ToolAnswer(b"shell\n"),
        }
        self._server: asyncio.Server | None = None

    async def start(self, port: int) -> None:
        """Boot, and listen for the adb server on `port` (0 for a free one)."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Adbd(self, self.connections), "127.0.0.1", port)
        self.serial = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.radios = {
            sim.subscription_id: Radio(
                sim,
                self.serial,
                self.store,
                self.network,
                self.faults,
                self.clock_ms,
                self.options.latency_s,
                self.options.seed + sim.slot_index,
            )
            for sim in self.options.sims
        }
        self.isms = Isms(self.options.profile, self.radios, self.faults)
        self._boot()

    def stop(self) -> None:
        """Switch off."""
        for radio in self.radios.values():
            radio.stop()
        if self._server:
            self._server.close()
        self.cut_links()
        self.shell.stop()

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
    def is_mute(self) -> bool:
        """See AdbdPhone."""
        return not self.plugged or self.faults.is_on("mute")

    def admit(self, command: bytes) -> bool:
        """See AdbdPhone."""
        is_send = b"service call isms" in command and b"com.android.shell" in command
        if is_send and self.faults.take("drop_unopened"):
            self.shell.run(command, lambda *_: None, lambda _: None)
            return False
        return not (is_send and self.faults.take("drop_before"))

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
        asyncio.get_running_loop().call_later(_BOOT_S, self._come_back)

    def _come_back(self) -> None:
        self._boot()
        self.plug()

    def _boot(self) -> None:
        (self.home / "data" / "boot_id").write_text(f"{uuid.uuid4()}\n")
        values = [self.settings.get(name, "") for name in _GUARD_NAMES]
        max_count = int(values[0]) if values[0].isdecimal() else DEFAULT_MAX_COUNT
        interval_ms = int(values[1]) if values[1].isdecimal() else DEFAULT_INTERVAL_MS
        for radio in self.radios.values():
            radio.boot(Guard(max_count, interval_ms))

    def tool(self, name: str, arguments: Sequence[bytes]) -> ToolAnswer | asyncio.Future[ToolAnswer]:
        """Answer one Android tool."""
        tool = self._tools.get(name)
        if tool is None:
            return ToolAnswer(stderr=f"/system/bin/sh: {name}: inaccessible or not found\n".encode(), exit_code=127)
        return tool(arguments)

    def _service(self, arguments: Sequence[bytes]) -> ToolAnswer | asyncio.Future[ToolAnswer]:
        words = [word.decode("utf-8", "replace") for word in arguments[:3]]
        if words[:1] == ["check"] and len(words) == 2:
            found = "found" if words[1] in ("isms", "isub", "phone") else "not found"
            return ToolAnswer(f"Service {words[1]}: {found}\n".encode())
        if words[:1] == ["list"]:
            return ToolAnswer(b"Found 1 services:\n0\tisms: [com.android.internal.telephony.ISms]\n")
        if words[:1] != ["call"] or len(words) < 3 or not words[2].isdecimal():
            return ToolAnswer(stderr=b"service: No service specified for call\nUsage: service [-h|-?]\n", exit_code=10)
        if words[1] != "isms":
            return ToolAnswer(stderr=f"service: Service {words[1]} does not exist\n".encode(), exit_code=10)
        data, usage = parcels.from_arguments(arguments[3:])
        reply = self.isms.transact(int(words[2]), data)
        if usage is not None:
            return ToolAnswer(stderr=f"{usage}\n".encode(), exit_code=10)
        answer = ToolAnswer(
            parcels.NOT_A_DATA_MESSAGE
            if reply is None
            else parcels.printed(reply, tab=self.options.profile.parcel_has_tab)
        )
        is_send = b"com.android.shell" in arguments
        return self._damaged(answer) if is_send else answer

    def _damaged(self, answer: ToolAnswer) -> ToolAnswer | asyncio.Future[ToolAnswer]:
        """Faults after the message is in the framework's hands and before the host hears of it."""
        if self.faults.take("drop_after") or self.faults.take("kill_inside"):
            asyncio.get_running_loop().call_soon(self.cut_links)
            return asyncio.get_running_loop().create_future()
        if self.faults.take("hang"):
            return asyncio.get_running_loop().create_future()
        return answer

    def _content(self, arguments: Sequence[bytes]) -> ToolAnswer:
        self.store.denied = self.faults.is_on("denied")
        return self.store.content(arguments)

    def _getprop(self, arguments: Sequence[bytes]) -> ToolAnswer:
        properties = self._properties()
        if not arguments:
            return ToolAnswer("".join(f"[{key}]: [{value}]\n" for key, value in properties.items()).encode())
        name = arguments[0].decode(errors="replace")
        default = arguments[1].decode(errors="replace") if len(arguments) > 1 else ""
        return ToolAnswer(f"{properties.get(name, default)}\n".encode())

    def _properties(self) -> dict[str, str]:
        profile, sims = self.options.profile, self.options.sims
        return {
            "gsm.sim.operator.alpha": ",".join(sim.operator for sim in sims),
            "gsm.operator.alpha": ",".join(sim.operator for sim in sims),
            "gsm.sim.state": ",".join("LOADED" for _ in sims),
            "gsm.network.type": ",".join("LTE" for _ in sims),
            "gsm.operator.isroaming": ",".join("false" for _ in sims),
            "ro.build.version.release": profile.release,
            "ro.build.version.sdk": str(profile.api_level),
            "ro.build.fingerprint": f"smsrack/sim/sim:{profile.release}/SIM1/1:user/release-keys",
            "ro.product.manufacturer": MANUFACTURER,
            "ro.product.model": profile.model,
            "ro.serialno": self.options.name,
            "sys.boot_completed": "1",
        }

    def _dumpsys(self, arguments: Sequence[bytes]) -> ToolAnswer:
        name = arguments[0].decode(errors="replace") if arguments else ""
        profile, sims = self.options.profile, self.options.sims
        self.body.in_service = not self.faults.is_on("no_service")
        texts = {
            "battery": lambda: dumps.battery(self.body, profile),
            "telephony.registry": lambda: dumps.telephony_registry(self.body, profile, sims),
            "isub": lambda: dumps.isub(profile, sims),
            "isms": lambda: "SmsController\n",
        }
        if name not in texts:
            return ToolAnswer(stderr=f"Can't find service: {name}\n".encode())
        return ToolAnswer(texts[name]().encode())

    def _settings(self, arguments: Sequence[bytes]) -> ToolAnswer:
        words = [word.decode("utf-8", "replace") for word in arguments]
        match words:
            case ["get", "global", name]:
                return ToolAnswer(f"{self.settings.get(name, 'null')}\n".encode())
            case ["put", "global", name, value]:
                self.settings[name] = value
                return ToolAnswer()
            case ["delete", "global", name]:
                return ToolAnswer(f"Deleted {int(self.settings.pop(name, None) is not None)} rows\n".encode())
        return ToolAnswer(stderr=b"Invalid command\n", exit_code=255)

    def _cmd(self, arguments: Sequence[bytes]) -> ToolAnswer:
        if list(arguments) == [b"appops", b"get", b"com.android.shell", b"SEND_SMS"]:
            return ToolAnswer(b"SEND_SMS: " + (b"ignore" if self.isms.ignored else b"allow") + b"\n")
        return ToolAnswer(stderr=b"cmd: Can't find service\n", exit_code=20)

    def _date(self, arguments: Sequence[bytes]) -> ToolAnswer:
        form = arguments[0].decode(errors="replace") if arguments else "+%a %b %e %H:%M:%S UTC %Y"
        if not form.startswith("+"):
            return ToolAnswer(stderr=b"date: bad date\n", exit_code=1)
        now_ms = self.clock_ms()
        form = form[1:].replace("%3N", f"{now_ms % 1000:03d}").replace("%N", f"{now_ms % 1000:03d}000000")
        form = form.replace("%s", str(now_ms // 1000))
        return ToolAnswer((time.strftime(form, time.gmtime(now_ms / 1000)) + "\n").encode())

    def _reboot(self, _arguments: Sequence[bytes]) -> ToolAnswer:
        asyncio.get_running_loop().call_soon(self.reboot)
        return ToolAnswer()
