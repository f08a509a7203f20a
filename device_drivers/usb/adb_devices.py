"""Phones on USB as `/sys` shows them: every device with an ADB interface, whether adb may use it or not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Android's adb.h: ADB_CLASS, ADB_SUBCLASS, ADB_PROTOCOL.
_ADB_INTERFACE = ("ff", "42", "01")
_INTERFACE_FILES = ("bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol")


@dataclass(frozen=True)
class AdbDevice:
    """A USB device with an ADB interface."""

    usb_path: str
    """Bus and chain of ports, like `1-2.3`: the same socket keeps it."""
    vendor_id: str
    product_id: str
    serial: str | None
    device_file: Path
    autosuspend: bool
    """Whether the kernel may suspend it."""


def list_adb_devices(sys_root: Path = Path("/sys"), dev_root: Path = Path("/dev")) -> list[AdbDevice]:
    """Give the phones on USB, by path."""
    devices = []
    for interface in sorted((sys_root / "bus/usb/devices").glob("*:*")):
        if tuple(_read(interface / name) for name in _INTERFACE_FILES) == _ADB_INTERFACE:
            usb_path = interface.name.split(":", 1)[0]
            devices.append(_describe(interface.parent / usb_path, usb_path, dev_root))
    return devices


def _describe(device: Path, usb_path: str, dev_root: Path) -> AdbDevice:
    bus, number = _read(device / "busnum"), _read(device / "devnum")
    return AdbDevice(
        usb_path=usb_path,
        vendor_id=_read(device / "idVendor"),
        product_id=_read(device / "idProduct"),
        serial=_read(device / "serial") or None,
        device_file=dev_root / f"bus/usb/{int(bus or 0):03d}/{int(number or 0):03d}",
        autosuspend=_read(device / "power/control") != "on",
    )


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
