"""A shell for measurements: the lines that quick_parser knows run right here, all others in the real shell.

A subshell of a real one costs the simulator several milliseconds of CPU for a send, more than the whole daemon under
measurement, on the same cores. Here nothing is started: a line runs at once, up to its end or to a tool that waits.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path

from device_drivers.simulator.command_runner import RunningCommand
from device_drivers.simulator.quick_parser import (
    BOOT_ID,
    NOWHERE,
    SYSTEM,
    TOOLS,
    Case,
    Command,
    Group,
    If,
    NotQuickError,
    Redirection,
    Script,
    Simple,
    parse,
)
from device_drivers.simulator.shell import Shell, ToolAnswer, ToolHandler, ToolStream

Sink = Callable[[bytes], object]
# Gives what it waits for, takes its result.
Steps = Generator["asyncio.Future[ToolAnswer]", ToolAnswer, None]
_DONE = ToolAnswer()
_READ_BYTES = 1 << 16


class QuickShell:
    """The shell of one phone. Lives in the event loop's thread."""

    def __init__(self, real: Shell, home: Path, tool: ToolHandler) -> None:
        self._real = real
        self._home = os.fsencode(home)
        self._tool = tool
        self._jobs: set[QuickJob] = set()

    def run(
        self,
        command: bytes,
        on_output: Callable[[int, bytes], None],
        on_exit: Callable[[int], None],
        *,
        merged: bool = False,
    ) -> RunningCommand:
        """See CommandRunner."""
        try:
            script = parse(command)
        except NotQuickError:
            return self._real.run(command, on_output, on_exit, merged=merged)
        job = QuickJob(script, self._home, self._tool, on_output, on_exit, merged=merged)
        if not job.has_ended:
            self._jobs = {job, *(other for other in self._jobs if not other.has_ended)}
        return job

    def kill_all(self) -> None:
        """See CommandRunner."""
        for job in self._jobs:
            job.kill()
        self._jobs.clear()
        self._real.kill_all()

    def stop(self) -> None:
        """See CommandRunner."""
        self.kill_all()
        self._real.stop()


class QuickJob:
    """One line that runs; none of what it may hold reads its standard input."""

    def __init__(
        self,
        script: Script,
        home: bytes,
        tool: ToolHandler,
        on_output: Callable[[int, bytes], None],
        on_exit: Callable[[int], None],
        *,
        merged: bool,
    ) -> None:
        """Run up to the end, or to the first tool that does not answer at once."""
        self._home = self._directory = home
        self._tool = tool
        self._on_output = on_output
        self._on_exit = on_exit
        self._status = 0
        self._said: list[tuple[int, bytes]] = []
        self.has_ended = False
        stdout = partial(self._say, 1)
        self._steps = self._script(script, stdout, stdout if merged else partial(self._say, 2))
        self._proceed(None)

    def feed(self, data: bytes) -> None:
        """See RunningCommand."""

    def close_stdin(self) -> None:
        """See RunningCommand."""

    def kill(self) -> None:
        """See RunningCommand."""
        if not self.has_ended:
            self.has_ended = True
            self._steps.close()

    def _proceed(self, answer: ToolAnswer | None) -> None:
        try:
            later = self._steps.send(answer)  # type: ignore[arg-type]
        except StopIteration:
            self.has_ended = True
            self._flush()
            self._on_exit(self._status)
        else:
            self._flush()
            later.add_done_callback(self._take_answer)

    def _take_answer(self, later: asyncio.Future[ToolAnswer]) -> None:
        if not self.has_ended:
            self._proceed(later.result())

    def _say(self, stream: int, data: bytes) -> None:
        self._said.append((stream, data))

    def _flush(self) -> None:
        """Give what was said; what follows each other in one stream goes as one."""
        said, self._said = self._said, []
        start = 0
        for end in range(1, len(said) + 1):
            if end == len(said) or said[end][0] != said[start][0]:
                self._on_output(said[start][0], b"".join([data for _, data in said[start:end]]))
                start = end

    def _script(self, script: Script, out: Sink, err: Sink) -> Steps:
        for chain in script:
            for command in chain:
                if isinstance(command, (Simple, Group)) and command.redirections:
                    yield from self._redirected(command, out, err)
                else:
                    yield from self._command(command, out, err)
                if self._status:
                    break

    def _redirected(self, command: Simple | Group, out: Sink, err: Sink) -> Steps:
        opened: list[int] = []
        try:
            try:
                inner_out, inner_err = self._redirect(command.redirections, out, err, opened)
            except OSError as error:
                err(f"sh: {error.strerror}\n".encode())
                self._status = 1
                return
            yield from self._command(command, inner_out, inner_err)
        finally:
            for fd in opened:
                os.close(fd)

    def _redirect(
        self, redirections: Sequence[Redirection], out: Sink, err: Sink, opened: list[int]
    ) -> tuple[Sink, Sink]:
        for redirection in redirections:
            if redirection.file is None:
                err = out
                continue
            if redirection.file == NOWHERE:
                sink: Sink = _discard
            else:
                flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if redirection.appends else os.O_TRUNC)
                opened.append(os.open(self._path(redirection.file), flags, 0o666))
                sink = partial(_write, opened[-1])
            out, err = (sink, err) if redirection.stream == 1 else (out, sink)
        return out, err

    def _simple(self, command: Simple, out: Sink, err: Sink) -> Steps:
        answer = self._answer(command.words)
        if isinstance(answer, ToolStream):
            answer = yield from self._follow(answer, out)
        elif not isinstance(answer, ToolAnswer):
            answer = yield answer
        if answer.stdout:
            out(answer.stdout)
        if answer.stderr:
            err(answer.stderr)
        self._status = answer.exit_code

    def _follow(self, stream: ToolStream, out: Sink) -> Generator[asyncio.Future[ToolAnswer], ToolAnswer, ToolAnswer]:
        """Print what a tool says as it says it, until this is killed."""

        def say(data: bytes) -> None:
            out(data)
            self._flush()

        end = stream.begin(say)
        try:
            return (yield asyncio.get_running_loop().create_future())
        finally:
            end()

    def _command(self, command: Command, out: Sink, err: Sink) -> Steps:
        if isinstance(command, Simple):
            return self._simple(command, out, err)
        if isinstance(command, Group):
            return self._script(command.body, out, err)
        if isinstance(command, If):
            return self._if(command, out, err)
        return self._case(command, out, err)

    def _if(self, command: If, out: Sink, err: Sink) -> Steps:
        for condition, body in command.branches:
            yield from self._script(condition, out, err)
            if self._status == 0:
                yield from self._script(body, out, err)
                return
        if command.otherwise:
            yield from self._script(command.otherwise, out, err)
        else:
            self._status = 0

    def _case(self, command: Case, out: Sink, err: Sink) -> Steps:
        answer = self._answer(command.tool)
        if isinstance(answer, ToolStream):
            answer = yield from self._follow(answer, _discard)
        elif not isinstance(answer, ToolAnswer):
            answer = yield answer
        if answer.stderr:
            err(answer.stderr)
        text = b"\n" + answer.stdout.rstrip(b"\n") + b"\n"
        is_there = b"\n" + command.wanted in text or b" " + command.wanted in text
        yield from self._script(command.found if is_there else command.otherwise, out, err)

    def _answer(self, asked: Sequence[bytes | None]) -> ToolAnswer | asyncio.Future[ToolAnswer] | ToolStream:
        """What a program prints and how it ends."""
        words = [b"%d" % self._status if word is None else word for word in asked]
        name = words[0]
        if name in TOOLS or (name == b"cat" and words[1].startswith(SYSTEM)):
            return self._tool(name.decode(), words[1:])
        if name == b"echo":
            return ToolAnswer(b" ".join(words[1:]) + b"\n")
        try:
            return self._file_program(name, words[1:-1], self._path(words[-1]))
        except OSError as error:
            code = 2 if name in (b"cd", b"ls") else 1  # as the real shell and GNU's programs behind it
            return ToolAnswer(stderr=f"{name.decode()}: {error.strerror}\n".encode(), exit_code=code)

    def _file_program(self, name: bytes, options: Sequence[bytes], path: bytes) -> ToolAnswer:
        if name == b"cat":
            return ToolAnswer(_contents(path))
        if name == b"mkdir":
            os.makedirs(path, exist_ok=True) if options else os.mkdir(path)
            return _DONE
        if name == b"cd":
            if not stat.S_ISDIR(os.stat(path).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, "Not a directory")
            self._directory = path
            return _DONE
        os.stat(path)
        if options or not os.path.isdir(path):
            return ToolAnswer(path + b"\n")
        names = sorted(entry for entry in os.listdir(path) if not entry.startswith(b"."))
        return ToolAnswer(b"".join(entry + b"\n" for entry in names))

    def _path(self, word: bytes) -> bytes:
        """Where a file of the phone is on the host."""
        if word.startswith(b"/data/"):
            return self._home + word
        return self._home + b"/data/boot_id" if word == BOOT_ID else self._directory + b"/" + word


def _contents(path: bytes) -> bytes:
    fd = os.open(path, os.O_RDONLY)
    try:
        data = b""
        while more := os.read(fd, _READ_BYTES):
            data += more
        return data
    finally:
        os.close(fd)


def _write(fd: int, data: bytes) -> None:
    try:
        os.write(fd, data)
    except OSError:
        return  # the disk is full: what is said is lost, as with a tool in a real shell


def _discard(_data: bytes) -> None:
    """Take what goes to /dev/null."""
