"""The adb server under our care: a real one, killed, stopped, replaced, left behind; and what is said of it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from device_drivers.adb.address import ClientLibrary, ServerAddress
from device_drivers.adb.command import call
from device_drivers.adb.listener import ask_version, find_listener
from device_drivers.adb.server import AdbServer
from device_drivers.adb.socket_link import SocketLink
from device_drivers.adb.supervision import AdbSupervision, ForeignServer
from device_drivers.errors import AdbServerUnreachableError


@pytest.fixture(params=["socket", "port"])
def address(request, tmp_path):
    if request.param == "socket":
        return ServerAddress(socket_path=tmp_path / "adb.sock")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return ServerAddress(port=probe.getsockname()[1])


@pytest.fixture
def server(address, adb_binary, tmp_path):
    made = AdbServer(adb_binary, address, tmp_path, usb=False)
    yield made
    made.kill()


class Watched:
    """A supervised server and what the supervision told."""

    def __init__(self, server, link):
        self.changes, self.restarts = [], []
        self.supervision = AdbSupervision(server, link, lambda: self.changes.append(1), lambda: self.restarts.append(1))


@pytest.fixture
def watched(server, address):
    server.start()
    made = Watched(server, SocketLink(address))
    made.supervision.start()
    yield made
    made.supervision.stop()


def pid(address):
    return find_listener(address).pid


def foreign_server(address, version: bytes) -> socket.socket:
    """Somebody else's server there, of this version."""
    if address.socket_path:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(address.socket_path))
        listener.listen()
    else:
        listener = socket.create_server(("127.0.0.1", address.port), reuse_port=False)

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.recv(64)
                connection.sendall(b"OKAY0004" + version)

    threading.Thread(target=serve, daemon=True).start()
    return listener


@pytest.mark.parametrize("library", list(ClientLibrary))
def test_a_server_at_its_own_address_drives_phones(server, address, library, start_rack, eventually):
    server.start()
    control, link = start_rack(phones=1, seed=51), SocketLink(address, library)
    link.attach(control.phones[0])
    eventually(lambda: [(p.serial, p.state) for p in link.list_phones()] == [(control.phones[0], "device")])
    assert link.run(control.phones[0], call("echo", "ahoj"), 10).stdout == "ahoj\n"


def test_a_hundred_lanes_at_once(server, address, start_rack, eventually):
    """adb's queue of waiting connections is short: on a socket nobody may be turned away for that."""
    server.start()
    control, link = start_rack(phones=1, seed=53), SocketLink(address)
    link.attach(control.phones[0])
    eventually(lambda: [p.state for p in link.list_phones()] == ["device"])
    with ThreadPoolExecutor(100) as pool:
        results = list(pool.map(lambda n: link.run(control.phones[0], call("echo", str(n)), 30).stdout, range(300)))
    assert results == [f"{n}\n" for n in range(300)]


def test_only_this_user_reaches_the_socket(adb_binary, tmp_path):
    home = tmp_path / "home"
    server = AdbServer(adb_binary, ServerAddress(socket_path=home / "adb.sock"), home, usb=False)
    server.start()
    assert home.stat().st_mode & 0o077 == 0
    assert (home / "adbkey").exists() or (home / ".android" / "adbkey").exists()
    server.stop()


def test_who_listens(server, address):
    server.start()
    listener = find_listener(address)
    assert listener.is_ours
    assert "adb (pid" in str(listener)
    assert ask_version(address, 2) == 41
    server.stop()
    assert ask_version(address, 0.5) is None


def test_another_tool_cannot_kill_it(server, address, adb_binary, tmp_path):
    server.start()
    before = pid(address)
    where = ["-L", str(address)] if address.socket_path else ["-P", str(address.port)]
    subprocess.run(
        [str(adb_binary), *where, "kill-server"], env={"HOME": str(tmp_path)}, capture_output=True, timeout=20
    )
    assert pid(address) == before
    assert server.answers()


def test_killed_it_is_started_anew(watched, address, eventually):
    before = pid(address)
    os.kill(before, signal.SIGKILL)
    eventually(lambda: watched.restarts, 10)
    assert pid(address) != before
    eventually(lambda: watched.supervision.trouble is None)
    assert watched.changes


def test_stopped_it_is_killed_and_started_anew(watched, address, eventually):
    before = pid(address)
    os.kill(before, signal.SIGSTOP)
    eventually(lambda: watched.restarts, 20)
    assert pid(address) != before
    assert not Path(f"/proc/{before}").exists()


def test_a_change_of_the_list_is_told_at_once(watched, start_rack, address, eventually):
    eventually(lambda: watched.changes)
    control = start_rack(phones=1, seed=52)
    count = len(watched.changes)
    SocketLink(address).attach(control.phones[0])
    eventually(lambda: len(watched.changes) > count)


def test_a_server_that_an_earlier_run_left_is_used_and_stopped(server, address, adb_binary, tmp_path, eventually):
    server.start()
    before = pid(address)
    later = AdbServer(adb_binary, address, tmp_path, usb=False)
    later.start()
    assert pid(address) == before
    later.stop()
    eventually(lambda: ask_version(address, 0.5) is None)


@pytest.mark.parametrize("address", ["port"], indirect=True)
def test_a_server_of_another_version_is_named(server, address):
    other = foreign_server(address, b"0028")
    with pytest.raises(AdbServerUnreachableError, match=r"taken by an adb server of version 1\.0\.40: .*pid \d+.*user"):
        server.start()
    other.close()


def test_an_old_server_of_ours_is_replaced(adb_binary, tmp_path, eventually):
    """Whatever listens on the socket in our own directory can only be ours."""
    address = ServerAddress(socket_path=tmp_path / "adb.sock")
    script = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()\n"
        "while True:\n"
        "    c, _ = s.accept()\n"
        "    try: c.recv(64); c.sendall(b'OKAY00040028')\n"
        "    except OSError: pass  # who asks waits for a second only\n"
        "    c.close()"
    )
    old = subprocess.Popen([sys.executable, "-c", script, str(address.socket_path)])
    eventually(lambda: ask_version(address, 1) == 40)
    server = AdbServer(adb_binary, address, tmp_path, usb=False)
    server.start()
    assert old.wait(20) == -signal.SIGKILL
    assert server.answers()
    server.stop()


@pytest.mark.parametrize("address", ["port"], indirect=True)
def test_a_server_of_another_version_that_takes_the_place_of_ours_is_told(watched, address, eventually):
    os.kill(pid(address), signal.SIGKILL)
    other = None

    def taken():
        nonlocal other
        try:
            other = foreign_server(address, b"0028")
        except OSError:
            return False
        return True

    eventually(taken)
    eventually(lambda: "version 1.0.40" in (watched.supervision.trouble or ""), 20)
    assert str(os.getpid()) in watched.supervision.trouble
    other.close()
    eventually(lambda: watched.supervision.trouble is None, 40)


def test_a_program_of_ours_on_a_socket_elsewhere_is_left_alone(adb_binary, tmp_path):
    address = ServerAddress(socket_path=tmp_path / "agent.sock")
    server = AdbServer(adb_binary, address, tmp_path / "home", usb=False)
    with foreign_server(address, b"junk"), pytest.raises(AdbServerUnreachableError, match="a program that is no adb"):
        server.start()


@pytest.mark.parametrize("address", ["port"], indirect=True)
def test_a_program_that_is_no_adb(server, address):
    with foreign_server(address, b"junk"), pytest.raises(AdbServerUnreachableError, match="a program that is no adb"):
        server.start()


def test_an_existing_server_is_watched_and_never_touched(server, address, eventually):
    foreign = ForeignServer(address)
    with pytest.raises(AdbServerUnreachableError, match="nothing listens there; start it"):
        foreign.start()
    server.start()
    foreign.start()
    watched = Watched(foreign, SocketLink(address))
    watched.supervision.start()
    before = pid(address)
    os.kill(before, signal.SIGSTOP)
    eventually(lambda: watched.supervision.trouble, 20)
    os.kill(before, signal.SIGCONT)
    eventually(lambda: watched.supervision.trouble is None, 30)
    assert pid(address) == before
    watched.supervision.stop()


def test_an_adb_that_does_not_start_leaves_its_words(tmp_path, adb_binary, address):
    fake = tmp_path / "adb"
    fake.write_text(f'#!/bin/sh\ncase $1 in version) exec {adb_binary} version;; esac\necho "no" >&2\nexit 1\n')
    fake.chmod(0o755)
    with pytest.raises(AdbServerUnreachableError, match=r"adb\.log"):
        AdbServer(fake, address, tmp_path / "home", usb=False).start()
    assert "no" in (tmp_path / "home" / "adb.log").read_text()
    with pytest.raises(AdbServerUnreachableError, match="does not tell its version"):
        AdbServer(Path("/bin/true"), address, tmp_path / "home", usb=False).start()
