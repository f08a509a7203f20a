"""Decides who sends what and when, and remembers it; knows phones only by `device_drivers.base`."""

from importlib.metadata import version

__version__ = version("smsrack")
