"""The device side of the ADB protocol over TCP, for one connection of the adb server."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from enum import StrEnum
from typing import Protocol

from device_drivers.simulator import wire
from device_drivers.simulator.command_runner import CommandRunner, RunningCommand
from device_drivers.simulator.wire import Frame

_FEATURES = "shell_v2,cmd,stat_v2,ls_v2,fixed_push_mkdir,apex,abb,abb_exec"


# More than any host reads of one answer.
_FLOOD_BYTES = 65 * 1024 * 1024


class Spoil(StrEnum):
    """What is wrong with the output of a command; the names of faults."""

    GARBLED = "garbled"
    CUT_SHORT = "cut_short"
    DRIBBLE = "dribble"
    FLOOD = "flood"


class AdbdPhone(Protocol):
    """What a connection needs of its phone."""

    shell: CommandRunner

    @property
    def banner(self) -> str:
        """`ro.product.name=...;...` for the greeting."""
        ...

    @property
    def is_authorized(self) -> bool:
        """Whether the host's key is accepted."""
        ...

    @property
    def speaks_shell_v2(self) -> bool:
        """Whether it is an adbd of Android 7 or newer."""
        ...

    @property
    def is_mute(self) -> bool:
        """Whether adbd answers nothing."""
        ...

    def admit(self, command: bytes) -> bool:
        """Tell whether the link survives the arrival of this command."""
        ...

    def shell_life_s(self, command: bytes) -> float | None:
        """After how many seconds the command's shell is killed, or None."""
        ...

    def spoil(self, command: bytes) -> Spoil | None:
        """What is wrong with this command's output, or None."""
        ...

    def damage(self, data: bytes) -> bytes:
        """Other bytes, as many."""
        ...


class Adbd(asyncio.Protocol):
    """One connection."""

    def __init__(self, phone: AdbdPhone, connections: set[Adbd]) -> None:
        self._phone = phone
        self._connections = connections
        self._buffer = bytearray()
        self._streams: dict[int, Stream] = {}
        self._next_id = 1
        self._waits_for_key = False
        self._transport: asyncio.Transport | None = None
        self._own_max_payload = wire.MAX_PAYLOAD if phone.speaks_shell_v2 else wire.OLD_MAX_PAYLOAD
        self._max_payload = self._own_max_payload

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = transport  # type: ignore[assignment]
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End every command of this connection, as adbd does."""
        self._connections.discard(self)
        for stream in list(self._streams.values()):
            stream.abandon()
        self._streams.clear()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._buffer += data
        try:
            while (frame := wire.take_frame(self._buffer)) is not None:
                if not self._phone.is_mute:
                    self._handle(frame)
        except wire.FrameError:
            self.cut()

    def cut(self) -> None:
        """Break the link at once."""
        if self._transport:
            self._transport.abort()

    def key_accepted(self) -> None:
        """A person pressed `allow` on the phone's screen."""
        if self._waits_for_key:
            self._greet()

    def send(self, command: int, arg0: int, arg1: int, payload: bytes = b"") -> None:
        """Send one frame."""
        if self._transport and not self._transport.is_closing():
            checked = command in (wire.CNXN, wire.AUTH) or not self._phone.speaks_shell_v2
            self._transport.write(Frame(command, arg0, arg1, payload).encode(checked=checked))

    def _handle(self, frame: Frame) -> None:
        if frame.command == wire.CNXN:
            self._max_payload = min(frame.arg1, self._own_max_payload)
            self._greet() if self._phone.is_authorized else self._ask_key()
        elif frame.command == wire.AUTH:
            self._handle_auth(frame)
        elif frame.command == wire.OPEN:
            self._open(frame.arg0, frame.payload.rstrip(b"\0"))
        elif (stream := self._streams.get(frame.arg1)) is not None:
            if frame.command == wire.WRTE:
                self.send(wire.OKAY, frame.arg1, frame.arg0)
                stream.receive(frame.payload)
            elif frame.command == wire.OKAY:
                stream.acknowledge()
            elif frame.command == wire.CLSE:
                del self._streams[frame.arg1]
                stream.abandon()
                self.send(wire.CLSE, frame.arg1, frame.arg0)

    def _greet(self) -> None:
        self._waits_for_key = False
        new = self._phone.speaks_shell_v2
        features = f"features={_FEATURES}" if new else ""
        banner = f"device::{self._phone.banner};{features}".encode()
        self.send(wire.CNXN, wire.VERSION if new else wire.OLD_VERSION, self._own_max_payload, banner)

    def _ask_key(self) -> None:
        self.send(wire.AUTH, wire.AUTH_TOKEN, 0, os.urandom(20))

    def _handle_auth(self, frame: Frame) -> None:
        if self._phone.is_authorized:
            self._greet()
        elif frame.arg0 == wire.AUTH_PUBLIC_KEY:
            self._waits_for_key = True  # the dialog is on the screen now
        else:
            self._ask_key()

    def _open(self, remote_id: int, service: bytes) -> None:
        kind, _, command = service.partition(b":")
        options = kind.split(b",")
        packets = b"v2" in options
        if options[0] not in (b"shell", b"exec") or (not command and options[0] == b"exec"):
            self.send(wire.CLSE, 0, remote_id)
            return
        if not self._phone.speaks_shell_v2 and (packets or len(service) >= wire.OLD_MAX_PAYLOAD):
            self.cut()  # an oversized packet kills the transport
            return
        if not self._phone.admit(command):
            self.cut()
            return
        local_id, self._next_id = self._next_id, self._next_id + 1
        self.send(wire.OKAY, local_id, remote_id)
        terminal = options[0] == b"shell" and not self._phone.speaks_shell_v2
        stream = Stream(self, local_id, remote_id, self._max_payload, packets=packets, terminal=terminal)
        self._streams[local_id] = stream
        stream.spoil = self._phone.spoil(command)
        stream.start(self._phone.shell, command)
        life_s = self._phone.shell_life_s(command)
        if life_s is not None:
            asyncio.get_running_loop().call_later(life_s, stream.die)

    def damage(self, data: bytes) -> bytes:
        """Other bytes, as many."""
        return self._phone.damage(data)

    def forget(self, local_id: int, remote_id: int) -> None:
        """A command ended and all of its output is out."""
        if self._streams.pop(local_id, None):
            self.send(wire.CLSE, local_id, remote_id)


class Stream:
    """One open shell service: output goes out in one frame at a time, each after the last was acknowledged."""

    def __init__(
        self, adbd: Adbd, local_id: int, remote_id: int, max_payload: int, *, packets: bool, terminal: bool
    ) -> None:
        """`packets` wraps output in shell protocol v2; `terminal` ends lines as a PTY does."""
        self._adbd = adbd
        self._ids = local_id, remote_id
        self._max_payload = max_payload
        self._packets = packets
        self._terminal = terminal
        self._input = bytearray()
        self._output: deque[bytes] = deque()
        self._in_flight = False
        self._ended = False
        self._job: RunningCommand | None = None
        self.spoil: Spoil | None = None

    def start(self, shell: CommandRunner, command: bytes) -> None:
        """Run the command."""
        self._job = shell.run(command, self._on_output, self._on_exit, merged=not self._packets)
        if not self._packets:
            self._job.close_stdin() if not command else None

    def receive(self, data: bytes) -> None:
        """Take standard input from the host."""
        if self._job is None or self._ended:
            return
        if not self._packets:
            self._job.feed(data)
            return
        self._input += data
        while (packet := wire.take_shell_packet(self._input)) is not None:
            kind, payload = packet
            if kind == wire.STDIN:
                self._job.feed(payload)
            elif kind == wire.CLOSE_STDIN:
                self._job.close_stdin()

    def acknowledge(self) -> None:
        """The host has taken the last frame."""
        self._in_flight = False
        self._pump()

    def abandon(self) -> None:
        """The host is gone: end the command."""
        self._ended = True
        self._output.clear()
        if self._job:
            self._job.kill()

    def die(self) -> None:
        """The command's shell is killed: the stream ends, without an exit code."""
        if self._ended:
            return
        self.abandon()
        self._adbd.forget(*self._ids)

    def _on_output(self, stream: int, data: bytes) -> None:
        room = 1 if self.spoil is Spoil.DRIBBLE else self._max_payload - 8
        if self._terminal:
            data = data.replace(b"\n", b"\r\n")
        if self.spoil is Spoil.GARBLED:
            data = self._adbd.damage(data)
        elif self.spoil is Spoil.CUT_SHORT:
            data = data[: len(data) // 2]
        for start in range(0, len(data), room):
            chunk = data[start : start + room]
            self._output.append(wire.shell_packet(stream, chunk) if self._packets else chunk)
        self._pump()

    def _on_exit(self, code: int) -> None:
        if self.spoil is Spoil.FLOOD:
            noise = bytes(self._max_payload - 8)
            packet = wire.shell_packet(1, noise) if self._packets else noise
            self._output += [packet] * (_FLOOD_BYTES // len(noise) + 1)
        if self._packets:
            self._output.append(wire.shell_packet(wire.EXIT, bytes([code & 0xFF])))
        self._ended = True
        self._pump()

    def _pump(self) -> None:
        if self._in_flight:
            return
        if self._output:
            self._in_flight = True
            self._adbd.send(wire.WRTE, *self._ids, self._output.popleft())
        elif self._ended:
            self._adbd.forget(*self._ids)
