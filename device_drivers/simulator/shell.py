"""A warm POSIX shell for one simulated phone: each command is parsed by it and runs in a subshell of it.

Starting a shell for each command would cost several milliseconds; forking a subshell of a running one costs a
fraction. The Android tools are functions of that shell (prelude.sh) which ask the model and print its answer.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_PRELUDE = Path(__file__).with_name("prelude.sh")
_HOST_TOOLS = (
    "cat cut echo env expr false grep head ls mkdir printf rm rmdir"
    " sed seq sleep sort stat sync tail test touch tr true wc"
)
_READ_BYTES = 1 << 16
_STOP_LIMIT_S = 2.0
# The prelude keeps a tool's stdout here, since its own 1 is busy while it writes the request.
_TOOL_STDOUT = 6


class ShellMissingError(Exception):
    """Neither mksh nor dash is there."""


@dataclass(frozen=True)
class ToolAnswer:
    """What a tool prints and how it ends."""

    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int = 0


@dataclass(frozen=True)
class ToolStream:
    """A tool that goes on talking until it is killed."""

    begin: Callable[[Callable[[bytes], None]], Callable[[], None]]
    """Takes where its output goes, now and whenever there is some; gives what ends it."""


# Gives a tool's answer, at once or later, or what it says from time to time.
ToolHandler = Callable[[str, Sequence[bytes]], "asyncio.Future[ToolAnswer] | ToolAnswer | ToolStream"]


def find_shell(chosen: str | None = None) -> str:
    """Give the shell to use: the chosen one, else mksh as on Android, else dash. Raises ShellMissingError."""
    for name in (chosen,) if chosen else ("mksh", "dash"):
        path = shutil.which(name)
        if path:
            return path
    raise ShellMissingError(f"no {chosen or 'mksh or dash'} found; install the package 'mksh' or 'dash'")


class Shell:
    """The shell of one phone. Lives in the event loop's thread."""

    def __init__(self, path: str, home: Path, tool: ToolHandler, *, tools_read_stdin: bool = False) -> None:
        self._tool = tool
        tools = home / "bin"
        tools.mkdir(parents=True)
        for name in _HOST_TOOLS.split():
            found = shutil.which(name)
            if found:
                (tools / name).symlink_to(found)
        (home / "data" / "local" / "tmp").mkdir(parents=True)
        self._process = subprocess.Popen(  # noqa: S603 - a shell is the point
            [path, str(_PRELUDE)],
            stdin=subprocess.PIPE,
            cwd=home,
            env={
                "PATH": str(tools),
                "ANDROID_DATA": str(home / "data"),
                "HOME": "/",
                "SIM_FDS": f"/proc/{os.getpid()}/fd",
                "SIM_TOOLS_READ_STDIN": "1" if tools_read_stdin else "",
            },
            start_new_session=True,
        )
        self._jobs: set[Job] = set()

    def run(
        self,
        command: bytes,
        on_output: Callable[[int, bytes], None],
        on_exit: Callable[[int], None],
        *,
        merged: bool = False,
    ) -> Job:
        """Begin a command. `on_output` gets (1 or 2, bytes), `on_exit` the exit code, both in the event loop.

        `merged` lets both outputs share one pipe, in the order in which they are written.
        """
        job = Job(command, self._tool, on_output, on_exit, self._jobs.discard, merged=merged)
        self._jobs.add(job)
        stdin = self._process.stdin
        if stdin is None:
            raise RuntimeError("the shell has no standard input")
        stdin.write(job.order())
        stdin.flush()
        return job

    def kill_all(self) -> None:
        """End every running command at once, as a reboot does."""
        for job in list(self._jobs):
            job.kill()

    def stop(self) -> None:
        """End the shell and whatever runs in it."""
        self.kill_all()
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for job in list(self._jobs):
            job.drop()


class Job:
    """One running command with its pipes."""

    def __init__(
        self,
        command: bytes,
        tool: ToolHandler,
        on_output: Callable[[int, bytes], None],
        on_exit: Callable[[int], None],
        on_end: Callable[[Job], None],
        *,
        merged: bool,
    ) -> None:
        self._tool = tool
        self._on_output = on_output
        self._on_exit = on_exit
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._pid: int | None = None
        self._requests = bytearray()
        self._exit_text = b""
        self._ended = False
        self._is_doomed = False
        self._fds: list[int] = []
        self._end_stream: Callable[[], None] | None = None
        self._stdin = self._pipe()
        self._stdout, self._exit = self._pipe(), self._pipe()
        self._stderr = self._stdout if merged else self._pipe()
        self._request, self._token, self._answer = self._pipe(), self._pipe(), self._pipe()
        os.write(self._token[1], b"\n")
        self._command = os.memfd_create("command")
        self._fds.append(self._command)
        _write_all(self._command, command)
        self._loop.add_reader(self._stdout[0], self._read_output, 1, self._stdout[0])
        if not merged:
            self._loop.add_reader(self._stderr[0], self._read_output, 2, self._stderr[0])
        self._loop.add_reader(self._exit[0], self._read_exit)
        self._loop.add_reader(self._request[0], self._read_request)

    def order(self) -> bytes:
        """The line that makes the warm shell run this."""
        numbers = (
            self._stdin[0],
            self._stdout[1],
            self._stderr[1],
            self._exit[1],
            self._request[1],
            self._token[0],
            self._answer[0],
            self._command,
        )
        return " ".join(map(str, numbers)).encode() + b"\n"

    def feed(self, data: bytes) -> None:
        """Give the command standard input; a command that does not read loses what a pipe cannot hold."""
        if self._stdin[1] in self._fds:
            try:
                os.write(self._stdin[1], data)
            except BlockingIOError:
                return

    def close_stdin(self) -> None:
        """Let the command see the end of its standard input."""
        if self._stdin[1] in self._fds:
            self._fds.remove(self._stdin[1])
            os.close(self._stdin[1])

    def kill(self) -> None:
        """End the command and its children at once; there will be no output and no exit code."""
        if self._ended:
            return
        self._is_doomed = True
        if self._pid is None:
            return  # it is about to open its pipes by their numbers, which must not be another job's by then
        for pid in _tree(self._pid):
            _kill(pid)
        self._end()

    def drop(self) -> None:
        """Close the pipes of a command whose shell has ended."""
        self._end()

    def _pipe(self) -> tuple[int, int]:
        pair = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._fds += pair
        return pair

    def _read_output(self, stream: int, fd: int) -> None:
        data = _read(fd)
        if data and not self._is_doomed:
            self._on_output(stream, data)

    def _read_exit(self) -> None:
        self._exit_text += _read(self._exit[0])
        if not self._exit_text.endswith(b"\n") or self._ended:
            return
        # What the command wrote is in the pipes already: take all of it before the exit code goes out.
        for stream, fd in ((1, self._stdout[0]), (2, self._stderr[0])):
            while data := _read(fd):
                self._on_output(stream, data)
        code = int(self._exit_text)
        self._end()
        self._on_exit(code)

    def _read_request(self) -> None:
        self._requests += _read(self._request[0])
        while not self._ended:
            words = self._requests.split(b"\0")
            if len(words) < 3 or len(words) < 3 + int(words[1]):
                return
            pid, count = int(words[0]), int(words[1])
            argv = [bytes(word) for word in words[2 : 2 + count]]
            del self._requests[: sum(len(word) + 1 for word in words[: 2 + count])]
            if count == 0:
                self._pid = pid
                if self._is_doomed:
                    self.kill()
            else:
                self._ask_model(pid, argv)

    def _ask_model(self, pid: int, argv: list[bytes]) -> None:
        answer = self._tool(argv[0].decode(errors="replace"), argv[1:])
        if isinstance(answer, ToolAnswer):
            self._give(pid, answer)
        elif isinstance(answer, ToolStream):
            self._end_stream = answer.begin(lambda data: _print_as(pid, ToolAnswer(data), os.O_NONBLOCK))
        else:
            answer.add_done_callback(lambda done: self._give(pid, done.result()))

    def _give(self, pid: int, answer: ToolAnswer) -> None:
        """Print as the tool and let its function return. Large outputs must not stop the event loop."""
        if self._ended:
            return
        if len(answer.stdout) + len(answer.stderr) <= _READ_BYTES // 2:
            _print_as(pid, answer)
            self._finish_tool(answer.exit_code)
            return
        printing = self._loop.run_in_executor(None, _print_as, pid, answer)
        printing.add_done_callback(lambda _: self._finish_tool(answer.exit_code))

    def _finish_tool(self, exit_code: int) -> None:
        if not self._ended:
            os.write(self._answer[1], b"%d\n" % exit_code)

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        if self._end_stream:
            self._end_stream()
        for fd in (self._stdout[0], self._stderr[0], self._exit[0], self._request[0]):
            self._loop.remove_reader(fd)
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()
        self._on_end(self)


def _print_as(pid: int, answer: ToolAnswer, flags: int = 0) -> None:
    """Write to another process' own stdout and stderr, wherever it has redirected them to."""
    for fd, data in ((_TOOL_STDOUT, answer.stdout), (2, answer.stderr)):
        if data:
            try:
                target = os.open(f"/proc/{pid}/fd/{fd}", os.O_WRONLY | os.O_APPEND | flags)
            except OSError:
                continue  # gone, or its reader is: as if by SIGPIPE
            try:
                _write_all(target, data)
            except OSError:
                pass
            finally:
                os.close(target)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, _READ_BYTES)
    except BlockingIOError:
        return b""


def _tree(pid: int) -> list[int]:
    """A process and its descendants, parents first."""
    found = [pid]
    for parent in found:
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        except OSError:
            continue
        found += map(int, children.split())
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
