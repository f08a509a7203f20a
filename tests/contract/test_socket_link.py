"""`SocketLink` over both client libraries, with an adb server that misbehaves: what proves that a phone got nothing."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

import pytest

from device_drivers.adb.address import ClientLibrary, ServerAddress
from device_drivers.adb.command import call
from device_drivers.adb.link import MAX_ANSWER_BYTES, ShellKind
from device_drivers.adb.socket_link import SocketLink
from device_drivers.errors import (
    AdbServerUnreachableError,
    CommandTimeoutError,
    ConnectionLostError,
    LinkError,
    PhoneAnswerError,
    PhoneOfflineError,
    PhoneUnauthorizedError,
)
from device_drivers.stop import Stop

HANG = None


def fail(text: str) -> bytes:
    return b"FAIL%04x" % len(text) + text.encode()


def packet(kind: int, payload: bytes) -> bytes:
    return struct.pack("<BI", kind, len(payload)) + payload


class FakeServer:
    """Answers each request of a connection with the next reply; HANG answers nothing."""

    def __init__(self, *replies: bytes | None, one_byte_at_a_time: bool = False) -> None:
        self._replies = replies
        self._slow = one_byte_at_a_time
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(10)
        self.port = self._listener.getsockname()[1]
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            for reply in self._replies:
                size = connection.recv(4, socket.MSG_WAITALL)
                if not size:
                    return
                connection.recv(int(size, 16), socket.MSG_WAITALL)
                if reply is HANG:
                    self._end.wait(10)
                    return
                for piece in [reply[i : i + 1] for i in range(len(reply))] if self._slow else [reply]:
                    connection.sendall(piece)
            # Closing with something unread would reset the connection and lose what is under way.
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass

    def close(self) -> None:
        self._end.set()
        self._listener.close()
        self._thread.join(5)


@pytest.fixture(params=list(ClientLibrary))
def library(request):
    return request.param


@pytest.fixture
def serve(library):
    servers = []

    def start(*replies, **options):
        servers.append(FakeServer(*replies, **options))
        return SocketLink(ServerAddress(port=servers[-1].port), library)

    yield start
    for server in servers:
        server.close()


ANSWER = b"OKAY" + packet(1, b"out") + packet(2, b"err") + packet(1, b"put\n") + packet(3, b"\7")


@pytest.mark.parametrize("slow", [False, True])
def test_a_whole_answer(serve, slow):
    result = serve(b"OKAY", ANSWER, one_byte_at_a_time=slow).run("X", call("true"), 5)
    assert (result.stdout, result.stderr, result.exit_code) == ("output\n", "err", 7)


@pytest.mark.parametrize(
    ("replies", "error", "reached_phone"),
    [
        ([fail("device 'X' not found")], PhoneOfflineError, False),
        ([fail("device offline")], PhoneOfflineError, False),
        ([fail("device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set")], PhoneUnauthorizedError, False),
        ([b""], AdbServerUnreachableError, False),
        ([b"HTTP/1.1 400"], AdbServerUnreachableError, False),
        ([b"OKAY", fail("device offline (transport offline)")], PhoneOfflineError, False),
        ([b"OKAY", fail("closed")], ConnectionLostError, True),
        ([b"OKAY", b""], ConnectionLostError, True),
        ([b"OKAY", b"OKAY"], ConnectionLostError, True),
        ([b"OKAY", b"OKAY" + packet(1, b"Result: Parcel(00000000")], ConnectionLostError, True),
        ([b"OKAY", b"OKAY" + packet(1, b"x")[:-1]], ConnectionLostError, True),
        ([b"OKAY", HANG], CommandTimeoutError, True),
        ([b"OKAY", b"junk"], ConnectionLostError, True),
    ],
)
def test_what_proves_that_the_phone_got_nothing(serve, replies, error, reached_phone):
    with pytest.raises(LinkError) as caught:
        serve(*replies).run("X", call("true"), 0.5)
    assert type(caught.value) is error
    assert caught.value.reached_phone is reached_phone


def test_a_server_that_hangs_before_the_phone_is_chosen_reached_nobody(serve):
    with pytest.raises(AdbServerUnreachableError):
        serve(HANG).run("X", call("true"), 0.3)


def test_an_endless_answer_is_cut(serve, monkeypatch):
    monkeypatch.setattr("device_drivers.adb.socket_link.MAX_ANSWER_BYTES", 100)
    with pytest.raises(PhoneAnswerError, match="longer than"):
        serve(b"OKAY", b"OKAY" + packet(1, b"x" * 101)).run("X", call("true"), 5)


def test_an_answer_of_sixty_four_megabytes_is_read_and_one_byte_more_is_not(serve):
    chunk = b"x" * (1 << 20)
    whole = b"OKAY" + packet(1, chunk) * 64
    result = serve(b"OKAY", whole + packet(3, b"\0")).run("X", call("true"), 60)
    assert len(result.stdout) == MAX_ANSWER_BYTES
    with pytest.raises(PhoneAnswerError, match="longer than"):
        serve(b"OKAY", whole + packet(1, b"x")).run("X", call("true"), 60)


def test_no_server_is_an_error_and_none_is_started(library):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(AdbServerUnreachableError, match="start it"):
        SocketLink(ServerAddress(port=port), library).list_phones()


def test_the_list_of_phones(serve):
    """As both USB backends write it, with a state that is a sentence, and two phones of one serial."""
    listing = (
        b"0123456789ABCDEF       device usb:1-2.3 product:a model:Pixel_7 device:b transport_id:1\n"
        b"0123456789ABCDEF       device 1-2.4 product:a model:Pixel_7 device:b transport_id:2\n"
        b"127.0.0.1:5            unauthorized transport_id:3\n"
        b"R58N12ABCDE            no permissions (user in plugdev group; are your udev rules wrong?); see"
        b" [http://developer.android.com/tools/device.html] usb:3-1.4.2 transport_id:4\n"
    )
    phones = serve(b"OKAY%04x" % len(listing) + listing).list_phones()
    assert [(p.serial, p.state.split(" (")[0], p.usb_path) for p in phones] == [
        ("0123456789ABCDEF", "device", "1-2.3"),
        ("0123456789ABCDEF", "device", "1-2.4"),
        ("127.0.0.1:5", "unauthorized", None),
        ("R58N12ABCDE", "no permissions", "3-1.4.2"),
    ]


def test_an_empty_list(serve):
    assert serve(b"OKAY0000").list_phones() == ()


def test_changes_of_the_list_are_told_until_the_server_goes(serve):
    told, stop = [], threading.Event()
    with pytest.raises(AdbServerUnreachableError):
        serve(b"OKAY" + b"0000" + b"000aA1\tdevice\n").track(lambda: told.append(1), stop)
    assert len(told) == 2


def test_a_phone_that_cannot_be_attached(serve):
    words = b"failed to connect to '127.0.0.1:9': Connection refused"
    with pytest.raises(PhoneOfflineError, match="Connection refused"):
        serve(b"OKAY%04x" % len(words) + words).attach("127.0.0.1:9")


def follow(link, *, shell=ShellKind.V2):
    """Follow up to an error; give it and the lines."""
    lines = []
    with pytest.raises(LinkError) as caught:
        link.follow("X", call("logcat"), lines.append, Stop(), shell)
    return caught.value, lines


@pytest.mark.parametrize("slow", [False, True])
def test_lines_are_given_as_they_come_until_the_command_ends(serve, slow):
    said = b"OKAY" + packet(1, b"one\ntw") + packet(2, b"err\n") + packet(1, b"o\nthr") + packet(3, b"\0")
    error, lines = follow(serve(b"OKAY", said, one_byte_at_a_time=slow))
    assert isinstance(error, ConnectionLostError)
    assert lines == ["one", "two"]


def test_lines_of_a_phone_without_shell_v2(serve):
    error, lines = follow(serve(b"OKAY", b"OKAYone\ntwo\nthr"), shell=ShellKind.EXEC)
    assert isinstance(error, ConnectionLostError)
    assert lines == ["one", "two"]


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        ([fail("device 'X' not found")], PhoneOfflineError),
        ([HANG], AdbServerUnreachableError),
        ([b"OKAY", HANG], CommandTimeoutError),
        ([b"OKAY", b""], ConnectionLostError),
        ([b"OKAY", fail("closed")], ConnectionLostError),
    ],
)
def test_what_cannot_be_followed_is_an_error_within_its_limit(serve, replies, error, monkeypatch):
    monkeypatch.setattr("device_drivers.adb.socket_link._FOLLOW_LIMIT_S", 0.3)
    found, lines = follow(serve(*replies))
    assert type(found) is error
    assert lines == []


@pytest.mark.parametrize("replies", [[HANG], [b"OKAY", HANG], [b"OKAY", b"OKAYone\n", HANG]])
def test_following_ends_at_once_when_it_is_to(serve, replies, eventually):
    """Also while it is being opened; the server would hang for longer than the test waits."""
    link, stop, lines = serve(*replies), Stop(), []
    arguments = ("X", call("logcat"), lines.append, stop, ShellKind.EXEC)
    thread = threading.Thread(target=link.follow, args=arguments, daemon=True)
    thread.start()
    if len(replies) == 3:
        eventually(lambda: lines == ["one"])
    stop.set()
    thread.join(3)
    assert not thread.is_alive()
