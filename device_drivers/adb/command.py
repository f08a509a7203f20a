"""Shell lines for a phone. The only module that builds one: every word is quoted here, and nowhere else.

Commands are made from words and from other commands, never from shell text, so that no value can become syntax.
Single quotes are literal for every byte but the quote itself in mksh and in every POSIX shell; NUL cannot be said.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

_KEY = object()
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_@%+=:,./-]+", re.ASCII)
# adb frames a service string with four hex digits (65,535 bytes); a margin stays for `shell,v2,raw:`.
MAX_LINE_BYTES = 65_000


class DeviceCommand:
    """A finished shell line. Its `repr` shows its name only: the line may hold a number and a message text."""

    __slots__ = ("_line", "_marker", "name")

    def __init__(self, name: str, line: str, marker: str | None = None, *, key: object = None) -> None:
        if key is not _KEY:
            raise TypeError("a DeviceCommand is built by the functions of device_drivers.adb.command only")
        if len(line.encode()) > MAX_LINE_BYTES:
            raise ValueError(f"command {name!r} is longer than {MAX_LINE_BYTES} bytes")
        self.name = name
        self._line = line
        self._marker = marker

    def __repr__(self) -> str:
        return f"<DeviceCommand {self.name}>"

    def shell_line(self) -> str:
        """Give the line for the phone's shell. For links only; never log it."""
        return self._line

    def then(self, following: DeviceCommand) -> DeviceCommand:
        """Run this and, if it succeeded, the following."""
        return DeviceCommand(self.name, f"{self._line} && {following.shell_line()}", key=_KEY)

    def is_border(self, line: str) -> bool:
        """Tell whether this line of the output of `in_order` stands between two steps."""
        return line == self._marker

    def split(self, output: str) -> list[str] | None:
        """Split the output of `in_order` into one text for each step, or None if a marker is missing."""
        if self._marker is None:
            return [output]
        sections = output.split(self._marker + "\n")
        return sections if len(sections) == self._line.count(self._marker) + 1 else None


def call(*argv: str) -> DeviceCommand:
    """Run one program with exactly these arguments."""
    return DeviceCommand(argv[0], " ".join(_quote(word) for word in argv), key=_KEY)


def in_order(name: str, steps: Sequence[DeviceCommand]) -> DeviceCommand:
    """Run several commands in one shell call, their outputs kept apart by a fresh random marker.

    The marker is drawn for each command, so that no message text on the phone can forge a border.
    """
    marker = f"--{secrets.token_hex(8)}--"
    line = f"; echo {marker}; ".join(step.shell_line() for step in steps)
    return DeviceCommand(name, line, marker, key=_KEY)


def together(steps: Sequence[DeviceCommand]) -> DeviceCommand:
    """Run several commands one after the other, with nothing between their outputs; named after the last."""
    line = "; ".join(step.shell_line() for step in steps)
    return DeviceCommand(steps[-1].name, f"{{ {line}; }}", key=_KEY)


def once(directory: str, then: DeviceCommand, taken: DeviceCommand, impossible: DeviceCommand) -> DeviceCommand:
    """Run `then` if this directory could be made: it can be made once, so `then` runs once.

    `taken` runs where it was there already, `impossible` where it could not be made and is not there.
    """
    place = _quote(directory)
    line = (
        f"if mkdir {place} 2>/dev/null; then {then.shell_line()};"
        f" elif ls -d {place} >/dev/null 2>&1; then {taken.shell_line()}; else {impossible.shell_line()}; fi"
    )
    return DeviceCommand(then.name, line, key=_KEY)


def kept_in(directory: str, file: str, command: DeviceCommand) -> DeviceCommand:
    """Run a command and keep in a file what it says, its exit code as the last line; then print that file."""
    output = _quote(file)
    line = f"cd {_quote(directory)} && {{ {command.shell_line()} >>{output} 2>&1; echo $? >>{output}; cat {output}; }}"
    return DeviceCommand(command.name, line, key=_KEY)


def script(command: DeviceCommand) -> tuple[bytes, bytes]:
    """Give the command as a script for a shell's standard input, and the marker before its exit code.

    The shell reads the whole group before it runs any of it, so that a script that arrives cut off does nothing; and
    no tool in it can read on in the script.
    """
    marker = f"--{secrets.token_hex(8)}--"
    return f"{{ {command.shell_line()}\n}} </dev/null\necho {marker}$?\nexit\n".encode(), marker.encode()


def when_output_has_line(
    probe: DeviceCommand, expected_line: str, then: DeviceCommand, otherwise: DeviceCommand
) -> DeviceCommand:
    """Run `then` if the output of `probe` has a line that ends in these words, else `otherwise`, all on the phone.

    Before the words stands a blank or nothing: how far Android indents its dumps is not worth relying on.
    """
    pattern = _quote(" \n").join("[]") + _quote(expected_line + "\n")
    # $(...) strips trailing newlines and there is none before the first line: both are put back.
    line = (
        f'case "\n$({probe.shell_line()})\n" in *{pattern}*) {then.shell_line()};; *) {otherwise.shell_line()};; esac'
    )
    return DeviceCommand(then.name, line, key=_KEY)


def _quote(word: str) -> str:
    if "\0" in word:
        raise ValueError("a shell word cannot hold NUL")
    if _PLAIN_WORD.fullmatch(word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"
