"""The udev rules on this host: what they are, whether they are in place, and whether they apply to the phones."""

from __future__ import annotations

import grp
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from device_drivers.usb.adb_devices import AdbDevice, list_adb_devices
from host_controller.errors import ConfigError
from host_controller.shipped import shipped_file

RULES_NAME = "51-smsrack.rules"
DEFAULT_GROUP = "smsrack"
RULES_DIRECTORY = Path("/etc/udev/rules.d")
_RELOAD = (("udevadm", "control", "--reload"), ("udevadm", "trigger", "--subsystem-match=usb"))
_COMMAND_LIMIT_S = 30


class Verdict(StrEnum):
    """How a check ended."""

    PASS = "PASS"  # noqa: S105 - not a password
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """One check, and what to do about it."""

    verdict: Verdict
    words: str


def render_rules(group: str) -> str:
    """Give the rules for a group. Raises ConfigError for a name that no group can have, or without the file."""
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", group):
        raise ConfigError(f"{group!r} cannot be the name of a group")
    rules = shipped_file(f"udev/{RULES_NAME}").read_text("utf-8")
    return rules.replace('GROUP="smsrack"', f'GROUP="{group}"').replace("-f smsrack ", f"-f {group} ")


def install(group: str, directory: Path = RULES_DIRECTORY) -> list[str]:
    """Write the rules, make the group, let udev read them; give what was done. Raises ConfigError."""
    _require_root("install")
    done = []
    if not _group_exists(group):
        _run(("groupadd", "--system", group))
        done.append(f"made the group {group}")
    path = directory / RULES_NAME
    path.write_text(render_rules(group), "utf-8")
    path.chmod(0o644)
    done.append(f"wrote {path}")
    return done + _reload()


def remove(directory: Path = RULES_DIRECTORY) -> list[str]:
    """Take the rules away; the group stays. Raises ConfigError."""
    _require_root("remove")
    path = directory / RULES_NAME
    if not path.exists():
        return [f"{path} is not there; nothing to do"]
    path.unlink()
    return [f"removed {path}", *_reload()]


def check(
    group: str,
    directory: Path = RULES_DIRECTORY,
    sys_root: Path = Path("/sys"),
    dev_root: Path = Path("/dev"),
) -> Iterator[Finding]:
    """Look at rules, group and phones; needs no right."""
    path = directory / RULES_NAME
    if not path.exists():
        yield Finding(Verdict.FAIL, f"{path} is not there; run: sudo smsrack udev install")
    elif path.read_text("utf-8") != render_rules(group):
        yield Finding(Verdict.FAIL, f"{path} is of another version or group; run: sudo smsrack udev install")
    else:
        yield Finding(Verdict.PASS, f"{path} is in place")
    yield _check_group(group)
    devices = list_adb_devices(sys_root, dev_root)
    if not devices:
        yield Finding(Verdict.WARN, "no phone is on USB; plug one in with USB debugging on")
    for device in devices:
        yield from _check_device(device, group)


def _check_group(group: str) -> Finding:
    if not _group_exists(group):
        return Finding(Verdict.FAIL, f"there is no group {group}; run: sudo smsrack udev install")
    if os.geteuid() == 0 or grp.getgrnam(group).gr_gid in (os.getegid(), *os.getgroups()):
        return Finding(Verdict.PASS, f"this user may use what belongs to {group}")
    words = f"this user is not in {group}; run: sudo usermod --append --groups {group} USER, then log in again"
    return Finding(Verdict.FAIL, words)


def _check_device(device: AdbDevice, group: str) -> Iterator[Finding]:
    name = f"phone {device.serial or 'without serial'} at USB {device.usb_path}"
    try:
        status = device.device_file.stat()
    except OSError:
        yield Finding(Verdict.FAIL, f"{name}: {device.device_file} is not there; plug it in again")
        return
    group_may = status.st_mode & stat.S_IRGRP and status.st_mode & stat.S_IWGRP
    if group_may and _group_exists(group) and status.st_gid == grp.getgrnam(group).gr_gid:
        yield Finding(Verdict.PASS, f"{name}: {group} may use it")
    else:
        yield Finding(Verdict.FAIL, f"{name}: the rules do not apply to it yet; plug it in again")
    if device.autosuspend:
        yield Finding(Verdict.WARN, f"{name}: the kernel may suspend it; plug it in again")


def _group_exists(group: str) -> bool:
    try:
        grp.getgrnam(group)
    except KeyError:
        return False
    return True


def _require_root(verb: str) -> None:
    if os.geteuid() != 0:
        raise ConfigError(f"this needs root; run: sudo smsrack udev {verb}")


def _reload() -> list[str]:
    if shutil.which("udevadm") is None:
        return ["udevadm is not here: the rules count after the next start"]
    for command in _RELOAD:
        _run(command)
    return ["udev has read the rules; plug phones in again that were there before"]


def _run(command: tuple[str, ...]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_COMMAND_LIMIT_S)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        words = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise ConfigError(f"{command[0]} failed: {words[0] if words else error}") from error
