"""What may still keep a command from a phone at the last moment. Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

LastLook = Callable[[], AbstractContextManager[None]]
"""Entered at the point of no return: what it raises then goes through, and nothing has reached the phone. It is left
as soon as the command is written, before the phone answers."""
