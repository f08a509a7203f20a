"""Decides who sends what and when, and remembers it; knows phones only by `device_drivers.base`."""
