"""The Android tools of a simulated phone: what each prints, from the model's state."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from device_drivers.simulator import dumps, parcels
from device_drivers.simulator.shell import ToolAnswer

if TYPE_CHECKING:
    from device_drivers.simulator.phone import SimulatedPhone

MANUFACTURER = "smsrack simulator"
Answer = ToolAnswer | asyncio.Future[ToolAnswer]


class Tools:
    """The tools of one phone."""

    def __init__(self, phone: SimulatedPhone) -> None:
        self._phone = phone
        self._tools: dict[str, Callable[[Sequence[bytes]], Answer]] = {
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

    def answer(self, name: str, arguments: Sequence[bytes]) -> ToolAnswer | asyncio.Future[ToolAnswer]:
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
        reply = self._phone.isms.transact(int(words[2]), data)
        if usage is not None:
            return ToolAnswer(stderr=f"{usage}\n".encode(), exit_code=10)
        answer = ToolAnswer(
            parcels.NOT_A_DATA_MESSAGE
            if reply is None
            else parcels.printed(reply, tab=self._phone.options.profile.parcel_has_tab)
        )
        is_send = b"com.android.shell" in arguments
        return self._damaged(answer) if is_send else answer

    def _damaged(self, answer: ToolAnswer) -> ToolAnswer | asyncio.Future[ToolAnswer]:
        """Faults after the message is in the framework's hands and before the host hears of it."""
        if self._phone.faults.take("drop_after") or self._phone.faults.take("kill_inside"):
            asyncio.get_running_loop().call_soon(self._phone.cut_links)
            return asyncio.get_running_loop().create_future()
        if self._phone.faults.take("hang"):
            return asyncio.get_running_loop().create_future()
        return answer

    def _content(self, arguments: Sequence[bytes]) -> ToolAnswer:
        self._phone.store.denied = self._phone.faults.is_on("denied")
        return self._phone.store.content(arguments)

    def _getprop(self, arguments: Sequence[bytes]) -> ToolAnswer:
        properties = self._properties()
        if not arguments:
            return ToolAnswer("".join(f"[{key}]: [{value}]\n" for key, value in properties.items()).encode())
        name = arguments[0].decode(errors="replace")
        default = arguments[1].decode(errors="replace") if len(arguments) > 1 else ""
        return ToolAnswer(f"{properties.get(name, default)}\n".encode())

    def _properties(self) -> dict[str, str]:
        profile, sims = self._phone.options.profile, self._phone.options.sims
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
            "ro.serialno": self._phone.options.name,
            "sys.boot_completed": "1",
        }

    def _dumpsys(self, arguments: Sequence[bytes]) -> ToolAnswer:
        name = arguments[0].decode(errors="replace") if arguments else ""
        profile, sims = self._phone.options.profile, self._phone.options.sims
        self._phone.body.in_service = not self._phone.faults.is_on("no_service")
        texts: dict[str, Callable[[], str]] = {
            "battery": lambda: dumps.battery(self._phone.body, profile),
            "telephony.registry": lambda: dumps.telephony_registry(self._phone.body, profile, sims),
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
                return ToolAnswer(f"{self._phone.settings.get(name, 'null')}\n".encode())
            case ["put", "global", name, value]:
                self._phone.settings[name] = value
                return ToolAnswer()
            case ["delete", "global", name]:
                return ToolAnswer(f"Deleted {int(self._phone.settings.pop(name, None) is not None)} rows\n".encode())
        return ToolAnswer(stderr=b"Invalid command\n", exit_code=255)

    def _cmd(self, arguments: Sequence[bytes]) -> ToolAnswer:
        if list(arguments) == [b"appops", b"get", b"com.android.shell", b"SEND_SMS"]:
            return ToolAnswer(b"SEND_SMS: " + (b"ignore" if self._phone.isms.ignored else b"allow") + b"\n")
        return ToolAnswer(stderr=b"cmd: Can't find service\n", exit_code=20)

    def _date(self, arguments: Sequence[bytes]) -> ToolAnswer:
        form = arguments[0].decode(errors="replace") if arguments else "+%a %b %e %H:%M:%S UTC %Y"
        if not form.startswith("+"):
            return ToolAnswer(stderr=b"date: bad date\n", exit_code=1)
        now_ms = self._phone.clock_ms()
        form = form[1:].replace("%3N", f"{now_ms % 1000:03d}").replace("%N", f"{now_ms % 1000:03d}000000")
        form = form.replace("%s", str(now_ms // 1000))
        return ToolAnswer((time.strftime(form, time.gmtime(now_ms / 1000)) + "\n").encode())

    def _reboot(self, _arguments: Sequence[bytes]) -> ToolAnswer:
        asyncio.get_running_loop().call_soon(self._phone.reboot)
        return ToolAnswer()
