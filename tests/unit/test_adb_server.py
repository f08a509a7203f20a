"""Finding adb, and starting a server of our own or saying why not."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from device_drivers.adb import server as adb_server
from device_drivers.adb.server import AdbNotFoundError, AdbServer, find_adb
from device_drivers.errors import AdbServerUnreachableError


def make_executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def no_bundle(tmp_path, monkeypatch):
    monkeypatch.setattr(adb_server.adbutils, "__file__", str(tmp_path / "adbutils" / "__init__.py"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def test_the_chosen_one_wins(tmp_path):
    chosen = make_executable(tmp_path / "my-adb")
    assert find_adb(str(chosen)) == chosen


def test_a_chosen_one_that_is_not_there():
    with pytest.raises(AdbNotFoundError, match=r"correct SMSRACK_ADB or the setting adb\.binary"):
        find_adb("/nowhere/adb")


def test_the_one_that_comes_with_adbutils(no_bundle):
    bundled = make_executable(no_bundle / "adbutils" / "binaries" / "adb")
    make_executable(no_bundle / "bin" / "adb")
    assert find_adb(None) == bundled


def test_the_distributions_where_adbutils_brings_none(no_bundle):
    assert find_adb_is_missing()
    assert find_adb(str(make_executable(no_bundle / "bin" / "adb"))) == no_bundle / "bin" / "adb"
    assert find_adb(None) == no_bundle / "bin" / "adb"


def find_adb_is_missing() -> bool:
    with pytest.raises(AdbNotFoundError, match="install the package 'adb'"):
        find_adb(None)
    return True


def test_a_port_of_another_program(tmp_path, adb_binary):
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.listen()
        server = AdbServer(adb_binary, other.getsockname()[1], tmp_path, usb=False)
        with pytest.raises(AdbServerUnreachableError, match="in use by another program"):
            server.start()


def test_an_adb_that_does_not_start_leaves_its_words(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = AdbServer(make_executable(tmp_path / "adb"), port, tmp_path / "home", usb=False)
    with pytest.raises(AdbServerUnreachableError, match=r"adb\.log"):
        server.start()


def test_a_server_that_an_earlier_run_left_is_used_and_stopped(tmp_path, adb_binary, eventually):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    left = AdbServer(adb_binary, port, tmp_path, usb=False)
    left.start()
    later = AdbServer(adb_binary, port, tmp_path, usb=False)
    later.start()
    later.stop()
    eventually(lambda: not adb_server._answers_as_adb(port))
    left.stop()
