"""What adbd asks of a phone's shell, whichever it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class RunningCommand(Protocol):
    """A command that was begun."""

    def feed(self, data: bytes) -> None:
        """Give it standard input."""
        ...

    def close_stdin(self) -> None:
        """Let it see the end of its standard input."""
        ...

    def kill(self) -> None:
        """End it at once; there will be no output and no exit code."""
        ...


class CommandRunner(Protocol):
    """A shell. Lives in the event loop's thread."""

    def run(
        self,
        command: bytes,
        on_output: Callable[[int, bytes], None],
        on_exit: Callable[[int], None],
        *,
        merged: bool = False,
    ) -> RunningCommand:
        """Begin a command. `on_output` gets (1 or 2, bytes), `on_exit` the exit code, maybe before this returns.

        `merged` lets both outputs come as 1, in the order in which they are written.
        """
        ...

    def kill_all(self) -> None:
        """End every running command at once, as a reboot does."""
        ...

    def stop(self) -> None:
        """End the shell and whatever runs in it."""
        ...
