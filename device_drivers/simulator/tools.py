"""The Android tools of a simulated phone: what each prints, from the model's state."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from device_drivers.simulator import dumps, parcels, telephony_dumps
from device_drivers.simulator.dex import framework_jar
from device_drivers.simulator.isms import SHELL_PACKAGE
from device_drivers.simulator.shell import ToolAnswer, ToolStream

if TYPE_CHECKING:
    from device_drivers.simulator.phone import SimulatedPhone

MANUFACTURER = "smsrack simulator"
Answer = ToolAnswer | asyncio.Future[ToolAnswer] | ToolStream
_FRAMEWORK = "/system/framework/framework.jar"


class Tools:
    """The tools of one phone."""

    def __init__(self, phone: SimulatedPhone) -> None:
        self._phone = phone
        self._profile = phone.options.profile
        self._tools: dict[str, Callable[[Sequence[bytes]], Answer]] = {
            "service": self._service,
            "content": self._content,
            "getprop": self._getprop,
            "dumpsys": self._dumpsys,
            "settings": self._settings,
            "appops": self._appops,
            "locksettings": self._locksettings,
            "logcat": self._logcat,
            "am": self._am,
            "uiautomator": self._uiautomator,
            "input": self._input,
            "date": self._date,
            "reboot": self._reboot,
            "cat": self._cat,
            "id": lambda _: ToolAnswer(b"uid=2000(shell) gid=2000(shell) groups=2000(shell)\n"),
            "whoami": lambda _: ToolAnswer(b"shell\n"),
        }
        if self._profile.has_cmd:
            self._tools["cmd"] = self._cmd

    def answer(self, name: str, arguments: Sequence[bytes]) -> Answer:
        """Answer one Android tool."""
        self._phone.body.in_service = not self._phone.faults.is_on("no_service")
        tool = self._tools.get(name)
        if tool is None:
            return ToolAnswer(stderr=f"/system/bin/sh: {name}: inaccessible or not found\n".encode(), exit_code=127)
        return tool(arguments)

    def _service(self, arguments: Sequence[bytes]) -> Answer:
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
        data, usage = parcels.from_arguments(arguments[3:], knows_i64=self._profile.service_knows_i64)
        reply = self._phone.isms.transact(int(words[2]), data)
        if usage is not None:
            return ToolAnswer(stderr=f"{usage}\n".encode(), exit_code=10)
        answer = ToolAnswer(
            parcels.NOT_A_DATA_MESSAGE if reply is None else parcels.printed(reply, tab=self._profile.parcel_has_tab)
        )
        is_send = SHELL_PACKAGE.encode() in arguments
        return self._damaged(answer, arguments) if is_send else answer

    def _damaged(self, answer: ToolAnswer, arguments: Sequence[bytes]) -> Answer:
        """Faults after the message is in the framework's hands and before the host hears of it."""
        faults, loop = self._phone.faults, asyncio.get_running_loop()
        if faults.are_none:
            return answer
        to = _number_in(arguments)
        if faults.take("drop_after", to) or faults.take("kill_inside", to):
            loop.call_soon(self._phone.cut_links)
            return loop.create_future()
        if faults.take("reboot_inside", to):
            loop.call_later(faults.moment_within("reboot_inside"), self._phone.reboot)
            return loop.create_future()
        if faults.take("hang", to):
            return loop.create_future()
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
        profile, sims, body = self._profile, self._phone.sims, self._phone.body
        operators = ",".join(sim.operator for sim in sims)
        return {
            "gsm.sim.operator.alpha": operators,
            "gsm.operator.alpha": operators if body.in_service else "," * (len(sims) - 1),
            "gsm.sim.state": ",".join("READY" if profile.api_level < 28 else "LOADED" for _ in sims),
            "gsm.network.type": ",".join("LTE" if body.in_service else "Unknown" for _ in sims),
            "gsm.operator.isroaming": ",".join(str(body.roaming).lower() for _ in sims),
            "ro.build.version.release": profile.release,
            "ro.build.version.sdk": str(profile.api_level),
            "ro.build.fingerprint": f"smsrack/sim/{profile.name}:{profile.release}/SIM1/1:user/release-keys",
            "ro.product.manufacturer": MANUFACTURER,
            "ro.product.model": profile.model,
            "ro.serialno": self._phone.options.name,
            "sys.boot_completed": "1",
            **body.properties,
        }

    def _dumpsys(self, arguments: Sequence[bytes]) -> ToolAnswer:
        name = arguments[0].decode(errors="replace") if arguments else ""
        phone, profile = self._phone, self._profile
        dialogs = sum(radio.guard.waiting for radio in phone.radios.values())
        texts: dict[str, Callable[[], str]] = {
            "battery": lambda: dumps.battery(phone.body, profile),
            "telephony.registry": lambda: telephony_dumps.telephony_registry(phone.body, profile, phone.sims),
            "isub": lambda: telephony_dumps.isub(profile, phone.sims),
            "isms": lambda: "SmsController\n",
            "window": lambda: dumps.windows(profile, focus=phone.screen.focus, guard_dialogs=dialogs),
        }
        if profile.api_level >= 23:
            texts["deviceidle"] = lambda: dumps.deviceidle(phone.body, profile)
        if name not in texts:
            return ToolAnswer(stderr=f"Can't find service: {name}\n".encode())
        return ToolAnswer(texts[name]().encode())

    def _settings(self, arguments: Sequence[bytes]) -> ToolAnswer:
        words = [word.decode("utf-8", "replace") for word in arguments]
        settings = {**self._phone.settings, "sms_default_application": self._phone.body.default_sms_app or "null"}
        match words:
            case ["get", "global" | "secure" | "system", name]:
                return ToolAnswer(f"{settings.get(name, 'null')}\n".encode())
            case ["put", "global", name, value]:
                self._phone.settings[name] = value
                return ToolAnswer()
            case ["delete", "global", name]:
                return ToolAnswer(f"Deleted {int(self._phone.settings.pop(name, None) is not None)} rows\n".encode())
        return ToolAnswer(stderr=b"Invalid command\n", exit_code=255)

    def _cmd(self, arguments: Sequence[bytes]) -> Answer:
        if arguments[:1] == [b"appops"]:
            return self._appops(arguments[1:])
        return ToolAnswer(stderr=b"cmd: Can't find service\n", exit_code=20)

    def _appops(self, arguments: Sequence[bytes]) -> ToolAnswer:
        if list(arguments) == [b"get", SHELL_PACKAGE.encode(), b"SEND_SMS"]:
            if self._phone.faults.is_on("op_ignored"):
                return ToolAnswer(b"SEND_SMS: ignore; rejectTime=+3m12s40ms ago\n")
            return ToolAnswer(b"No operations.\n" if self._profile.api_level < 26 else b"SEND_SMS: allow\n")
        return ToolAnswer(stderr=b"usage: appops get [--user <USER_ID>] <PACKAGE> [<OP>]\n", exit_code=255)

    def _locksettings(self, arguments: Sequence[bytes]) -> ToolAnswer:
        if self._profile.api_level >= 26 and list(arguments) == [b"get-disabled"]:
            return ToolAnswer(f"{str(not self._phone.body.screen_lock).lower()}\n".encode())
        return ToolAnswer(stderr=b"/system/bin/sh: locksettings: not found\n", exit_code=127)

    def _logcat(self, arguments: Sequence[bytes]) -> Answer:
        log = self._phone.radio_log
        match [word.decode("utf-8", "replace") for word in arguments]:
            case ["-b", "radio", "-d", "-v", "time"]:
                return ToolAnswer(log.text().encode())
            case ["-b", "radio", "-t", count, "-v", "time"] if count.isdecimal():
                return ToolAnswer(log.text(last=int(count)).encode())
            case ["-b", "radio", "-T", count, "-v", "time", *filters] if count.isdecimal():
                return ToolStream(lambda write: log.follow(int(count), filters, write))
        return ToolAnswer(stderr=b"logcat: unknown arguments\n", exit_code=1)

    def _am(self, arguments: Sequence[bytes]) -> ToolAnswer:
        words = [word.decode("utf-8", "replace") for word in arguments]
        if words[:3] != ["start", "-a", "android.intent.action.SENDTO"]:
            return ToolAnswer(stderr=b"Error: unknown command\n", exit_code=255)
        options = dict(itertools.pairwise(words[3:]))
        to = options.get("-d", "").removeprefix("sms:").removeprefix("smsto:")
        text = words[words.index("sms_body") + 1] if "sms_body" in words[:-1] else ""
        leaves = "exit_on_sent" in words[:-1] and words[words.index("exit_on_sent") + 1] == "true"
        begun = b"Starting: Intent { act=android.intent.action.SENDTO dat=sms:xxxxxxxxxxxx (has extras) }\n"
        if not self._phone.screen.open_compose(to, text, leaves_when_sent=leaves):
            words_ = b"Error: Activity not started, unable to resolve Intent\n"
            return ToolAnswer(begun, words_, exit_code=1)
        return ToolAnswer(begun)

    def _uiautomator(self, arguments: Sequence[bytes]) -> ToolAnswer:
        if arguments[:1] != [b"dump"] or len(arguments) != 2 or not arguments[1].startswith(b"/data/"):
            return ToolAnswer(stderr=b"Usage: uiautomator <subcommand> [options]\n", exit_code=1)
        path = self._phone.home / arguments[1].decode().lstrip("/")
        if not path.parent.is_dir():
            return ToolAnswer(stderr=b"java.io.FileNotFoundException\n", exit_code=1)
        path.write_text(self._phone.screen.hierarchy(), encoding="utf-8")
        return ToolAnswer(b"UI hierchary dumped to: " + arguments[1] + b"\n")

    def _input(self, arguments: Sequence[bytes]) -> ToolAnswer:
        if arguments[:1] == [b"tap"] and len(arguments) == 3 and all(word.isdigit() for word in arguments[1:]):
            self._phone.screen.tap(int(arguments[1]), int(arguments[2]))
        return ToolAnswer()

    def _date(self, arguments: Sequence[bytes]) -> ToolAnswer:
        form = arguments[0].decode(errors="replace") if arguments else "+%a %b %e %H:%M:%S UTC %Y"
        if not form.startswith("+"):
            return ToolAnswer(stderr=b"date: bad date\n", exit_code=1)
        now_ms = self._phone.clock_ms()
        form = form[1:]
        if self._profile.date_has_milliseconds:
            form = form.replace("%3N", f"{now_ms % 1000:03d}").replace("%N", f"{now_ms % 1000:03d}000000")
        else:
            form = form.replace("%3N", "3N")
        form = form.replace("%s", str(now_ms // 1000))
        return ToolAnswer((time.strftime(form, time.gmtime(now_ms / 1000)) + "\n").encode())

    def _reboot(self, _arguments: Sequence[bytes]) -> ToolAnswer:
        asyncio.get_running_loop().call_soon(self._phone.reboot)
        return ToolAnswer()

    def _cat(self, arguments: Sequence[bytes]) -> ToolAnswer:
        """Files of the system partition; the shell reads those under /data itself."""
        if list(arguments) == [_FRAMEWORK.encode()]:
            return ToolAnswer(framework_jar(self._profile))
        return ToolAnswer(stderr=b"cat: No such file or directory\n", exit_code=1)


def _number_in(arguments: Sequence[bytes]) -> str:
    """The number that a send goes to: the first word after the package that looks like one."""
    words = [word.decode("utf-8", "replace") for word in arguments]
    after = words[words.index(SHELL_PACKAGE) + 1 :]
    return next((word for word in after if word.startswith("+") and word[1:].isdecimal()), "")
