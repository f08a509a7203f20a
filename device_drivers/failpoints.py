"""Points on the way of a send at which a test can let this process die, as by kill -9. Off, unless one is armed.

Imports nothing of ours, so that every layer can use it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

# What a commit is for; around each, `.before` and `.after`.
_COMMITS = ("submit", "intent", "returned", "not_sent", "doubt", "proof", "radio", "unknown", "inbound", "store")
# Around what the link writes to the adb server, and after the answer, by the command that it carries.
_TRANSPORT = ("transport.write", "transport.written", "transport.open")
_SHELL = ("shell.write", "shell.written", "shell.open")
_SCRIPT = ("script.write", "script.written")
_STDIN = ("stdin.close", "stdin.closed")
_STEPS = {
    "submit": (*_TRANSPORT, *_SHELL, *_SCRIPT, *_STDIN, "answer"),
    "revoke": (*_SHELL, *_SCRIPT, "answer"),
    "read messages": ("shell.written", "answer"),
}

COMMIT_POINTS = tuple(f"{commit}.{side}" for commit in _COMMITS for side in ("before", "after"))
LINK_POINTS = tuple(f"{command}.{step}" for command, steps in _STEPS.items() for step in steps)
NAMES = COMMIT_POINTS + LINK_POINTS

_on_pass: Callable[[str], None] | None = None


def failpoint(name: str, of: str = "") -> None:
    """Pass a point; `of` is the command that the link carries just now."""
    if _on_pass is not None:
        _on_pass(f"{of}.{name}" if of else name)


def watch(on_pass: Callable[[str], None] | None) -> None:
    """Tell somebody of every pass, by name; None switches all points off."""
    global _on_pass
    _on_pass = on_pass


def arm(wanted: str) -> None:
    """Let the process be killed at the point `name`, or with `name:count` at its count-th pass.

    Raises ValueError for a name that there is not.
    """
    name, _, count = wanted.partition(":")
    if name not in NAMES:
        raise ValueError(f"there is no failpoint {name!r}; known are {', '.join(NAMES)}")
    left, lock = int(count or 1), threading.Lock()

    def on_pass(passed: str) -> None:
        nonlocal left
        if passed == name:
            with lock:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

    watch(on_pass)
