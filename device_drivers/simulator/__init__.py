"""Simulated Android phones behind the real adb server: device side of ADB, a model of the phone, a radio network.

A second writing of Android's behaviour: it shares no table and no code with the drivers that it checks. What it was
never compared with is a physical phone.
"""

from device_drivers.simulator.rack import RackAddresses, RackOptions, run_rack
from device_drivers.simulator.shell import ShellMissingError
from device_drivers.simulator.tools import MANUFACTURER

__all__ = ["MANUFACTURER", "RackAddresses", "RackOptions", "ShellMissingError", "run_rack"]
