"""A simulated phone whose link a fault has cut."""

from __future__ import annotations

from device_drivers.errors import DriverError


def back_again(phone, link, eventually) -> None:
    """Wait until it answers again."""

    def back():
        try:
            link.attach(phone.serial)
            return phone.read_clock_ms()
        except DriverError:
            return False

    eventually(back, 30)
