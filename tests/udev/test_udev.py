"""Rules, their check, and the units: on a made-up /sys, and with the tools of udev and systemd where they are there."""

from __future__ import annotations

import grp
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from device_drivers.usb.adb_devices import list_adb_devices
from host_controller import udev
from host_controller.cli import cli
from host_controller.errors import ConfigError
from host_controller.udev import RULES_NAME, Verdict, render_rules

ROOT = Path(__file__).parents[2]
OWN_GROUP = grp.getgrgid(os.getegid()).gr_name
# Device, configuration and interface descriptors of USB 2.0, 9.6: what udev reads the interface classes from.
DEVICE = "120100020000004018d1e74e400401020301"
CONFIGURATION = "0902{length}00{count:02x}0100807d"
INTERFACE = "0904{number:02x}0002{cls}00" + "07058102000200" + "07050102000200"  # with two bulk endpoints


def descriptors(*classes: str) -> str:
    length = (9 + 23 * len(classes)).to_bytes(1, "little").hex()
    interfaces = [INTERFACE.format(number=n, cls=cls) for n, cls in enumerate(classes)]
    return DEVICE + CONFIGURATION.format(length=length, count=len(classes)) + "".join(interfaces)


class FakeUsb:
    """A /sys and a /dev with phones and other things."""

    def __init__(self, root: Path) -> None:
        self.sys, self.dev = root / "sys", root / "dev"
        self.devices = self.sys / "bus/usb/devices"
        self.devices.mkdir(parents=True)

    def plug(self, path: str, number: int, *classes: str, serial: str = "", power: str = "on", mode: int = 0o660):
        values = {"busnum": "1", "devnum": str(number), "idVendor": "18d1", "idProduct": "4ee7"}
        device = self.devices / path
        (device / "power").mkdir(parents=True)
        for name, value in {**values, "power/control": power, **({"serial": serial} if serial else {})}.items():
            (device / name).write_text(value + "\n")
        for index, cls in enumerate(classes):
            interface = self.devices / f"{path}:1.{index}"
            interface.mkdir()
            for name, digits in zip(
                ("bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"),
                (cls[:2], cls[2:4], cls[4:]),
                strict=True,
            ):
                (interface / name).write_text(digits + "\n")
        node = self.dev / f"bus/usb/001/{number:03d}"
        node.parent.mkdir(parents=True, exist_ok=True)
        node.touch()
        node.chmod(mode)


@pytest.fixture
def usb(tmp_path):
    return FakeUsb(tmp_path)


def findings(usb, tmp_path, group=OWN_GROUP):
    return [(f.verdict, f.words) for f in udev.check(group, tmp_path / "rules.d", usb.sys, usb.dev)]


def test_phones_are_found_by_their_adb_interface(usb):
    usb.plug("1-1", 2, "090000")
    usb.plug("1-1.2", 7, "060101", "ff4201", serial="ABC123")
    usb.plug("1-1.3", 8, "ff4201", power="auto")
    usb.plug("1-1.4", 9, "080650")
    phones = list_adb_devices(usb.sys, usb.dev)
    assert [(p.usb_path, p.serial, p.autosuspend) for p in phones] == [
        ("1-1.2", "ABC123", False),
        ("1-1.3", None, True),
    ]
    assert phones[0].device_file == usb.dev / "bus/usb/001/007"


def test_a_host_without_usb(tmp_path):
    assert list_adb_devices(tmp_path, tmp_path) == []


def test_a_host_where_all_is_well(usb, tmp_path):
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / RULES_NAME).write_text(render_rules(OWN_GROUP))
    usb.plug("1-1.2", 7, "ff4201", serial="ABC123")
    assert {verdict for verdict, _ in findings(usb, tmp_path)} == {Verdict.PASS}


def test_each_thing_that_is_wrong_says_what_to_do(usb, tmp_path):
    usb.plug("1-1.2", 7, "ff4201", serial="ABC123", power="auto", mode=0o600)
    found = findings(usb, tmp_path, "no-such-group")
    words = "\n".join(text for _, text in found)
    assert [verdict for verdict, _ in found] == [Verdict.FAIL, Verdict.FAIL, Verdict.FAIL, Verdict.WARN]
    assert words.count("sudo smsrack udev install") == 2
    assert words.count("plug it in again") == 2
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / RULES_NAME).write_text(render_rules("others"))
    assert "another version or group" in findings(usb, tmp_path)[0][1]


def test_no_phone_is_a_warning(usb, tmp_path):
    assert findings(usb, tmp_path)[-1] == (Verdict.WARN, "no phone is on USB; plug one in with USB debugging on")


@pytest.mark.parametrize("group", ["", "two words", "x;reboot", "-x", "Ř"])
def test_a_group_that_cannot_be(group):
    with pytest.raises(ConfigError, match="cannot be the name"):
        render_rules(group)


def test_another_group_is_everywhere_in_the_rules():
    assert "smsrack" not in re.sub(r"^#.*$|smsrack_\w+", "", render_rules("lab"), flags=re.MULTILINE)


def test_install_and_remove_as_root(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("host_controller.udev._run", ran.append)
    udev.install("no-such-group", tmp_path)
    assert (tmp_path / RULES_NAME).read_text() == render_rules("no-such-group")
    assert ran[0] == ("groupadd", "--system", "no-such-group")
    udev.remove(tmp_path)
    assert not (tmp_path / RULES_NAME).exists()
    assert "nothing to do" in udev.remove(tmp_path)[0]


def test_without_root_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ConfigError, match="sudo smsrack udev install"):
        udev.install(OWN_GROUP, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_shows_the_rules():
    result = CliRunner().invoke(cli, ["udev", "install", "--dry-run", "--group", "lab"])
    assert (result.exit_code, 'GROUP="lab"' in result.stdout) == (0, True)


NEEDS = [tool for tool in ("umockdev-run", "udevadm", "unshare") if shutil.which(tool) is None]


needs_udev = pytest.mark.skipif(bool(NEEDS), reason=f"not installed: {', '.join(NEEDS)} (packages umockdev, udev)")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="udev reads rules from root's directories only")
PORT = "/devices/pci0000:00/0000:00:14.0/usb1/1-2"
DEVICE_LINES = (
    f"P: {PORT}\nN: bus/usb/001/007\nE: DEVNAME=/dev/bus/usb/001/007\nE: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\n"
    "E: DRIVER=usb\nE: BUSNUM=001\nE: DEVNUM=007\nE: MAJOR=189\nE: MINOR=6\nE: PRODUCT=18d1/4ee7/440\n"
    "A: idVendor=18d1\\n\nA: idProduct=4ee7\\n\nA: serial=ABC\\n\nA: busnum=1\\n\nA: devnum=7\\n\n"
    "A: power/control=auto\\n\n"
)


@pytest.fixture
def ask_udev(tmp_path):
    """Give a function that lets udev's own test run our rules on a made-up device, in a mount namespace of its own."""

    def ask(description: str, path: str) -> str:
        (tmp_path / "device").write_text(description)
        (tmp_path / "rules").write_text(render_rules("dialout"))
        script = (
            "mount -t tmpfs tmpfs /run/udev && mkdir /run/udev/rules.d"
            f" && cp {tmp_path}/rules /run/udev/rules.d/{RULES_NAME}"
            f" && umockdev-run -d {tmp_path}/device -- udevadm --debug test --action=add /sys{path}"
        )
        command = ["unshare", "--mount", "sh", "-c", script]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if "unshare failed" in result.stderr or "mount:" in result.stderr:
            pytest.skip("this machine allows no mount of its own")
        output = result.stdout + result.stderr
        assert f"rules.d/{RULES_NAME}" in output
        assert not re.search(rf"{RULES_NAME}:\d+.*(nvalid|nknown|gnoring)", output)
        return output

    return ask


def has_group_and_mode(output: str) -> bool:
    gid = grp.getgrnam("dialout").gr_gid
    lines = [rf"{RULES_NAME}:\d+ GROUP {gid}$", rf"{RULES_NAME}:\d+ MODE 0660$"]
    return all(re.search(line, output, re.MULTILINE) for line in lines)


@needs_udev
@needs_root
@pytest.mark.parametrize(
    ("classes", "applies"),
    [(["ff4201"], True), (["060101", "ff4201"], True), (["ff4203"], False), (["080650"], False)],
    ids=["adb", "mtp-and-adb", "fastboot", "disk"],
)
def test_udev_itself_applies_the_rules_to_phones_only(ask_udev, classes, applies):
    described = DEVICE_LINES + f"A: bDeviceClass=00\\n\nH: descriptors={descriptors(*classes).upper()}\n"
    output = ask_udev(described, PORT)
    assert has_group_and_mode(output) is applies
    assert ("ID_MM_DEVICE_IGNORE=1" in output) is applies
    assert ("power/control' writing 'on'" in output) is applies


@needs_udev
@needs_root
def test_the_group_may_switch_a_hub(ask_udev):
    output = ask_udev(DEVICE_LINES + "A: bDeviceClass=09\\n\n", PORT)
    assert has_group_and_mode(output)
    assert "ID_MM_DEVICE_IGNORE" not in output
    assert "writing 'on'" not in output


@needs_udev
@needs_root
def test_the_group_may_switch_the_ports_of_a_hub(ask_udev):
    path = f"{PORT}/1-2:1.0"
    hub = DEVICE_LINES + "A: bDeviceClass=09\\n\n"
    interface = f"P: {path}\nE: DEVTYPE=usb_interface\nE: SUBSYSTEM=usb\nE: DRIVER=hub\nA: bInterfaceClass=09\\n\n"
    output = ask_udev(f"{hub}\n{interface}L: driver=../../../../../../bus/usb/drivers/hub\n", path)
    assert re.search(rf"chgrp -f dialout \S*{path}/\*-port\*/disable", output)


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (package systemd)"
)
@pytest.mark.parametrize("unit", ["smsrack.service", "smsrack-adb.service"])
def test_the_units_are_valid_and_hardened(unit, tmp_path):
    for source in (ROOT / "packaging/systemd").glob("*.service"):
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", source.read_text(), flags=re.MULTILINE)
        (tmp_path / source.name).write_text(text)
    verify = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / unit)], capture_output=True, text=True, check=False
    )
    assert verify.returncode == 0, verify.stderr
    assert unit not in verify.stderr
    command = ["systemd-analyze", "security", "--offline=true", str(ROOT / "packaging/systemd" / unit)]
    score = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    exposure = float(re.search(rf"level for {unit}: ([\d.]+)", score)[1])
    print(unit, exposure)
    assert exposure <= 3.0
