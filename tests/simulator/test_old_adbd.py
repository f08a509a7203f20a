"""What sets an adbd of Android 5 and 6 apart, seen by the real adb binary: a terminal, CRLF, no exit code, 4 KB."""

from __future__ import annotations

import subprocess

import pytest

from device_drivers.adb.command import call
from device_drivers.adb.link import ShellKind


@pytest.fixture(scope="module")
def rack(start_rack, attach):
    return attach(start_rack(phones=3, profiles=("23", "28-stdin", "28"), seed=33))


@pytest.fixture
def adb(adb_binary, adb_port, rack):
    def run(which, *arguments):
        command = [str(adb_binary), "-P", str(adb_port), "-s", rack.phones[which], *arguments]
        return subprocess.run(command, capture_output=True, timeout=20, stdin=subprocess.DEVNULL)

    return run


def test_a_terminal_ends_lines_with_cr_and_knows_no_exit_code(adb):
    result = adb(0, "shell", "echo a; echo b >&2; exit 7")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"a\r\nb\r\n", b"")
    assert adb(1, "shell", "echo a; exit 7").returncode == 7


def test_exec_out_is_raw_and_merged(adb):
    assert adb(0, "exec-out", "echo a; echo b >&2").stdout == b"a\nb\n"


def test_an_oversized_command_kills_the_link_only_there(adb, link, rack, eventually):
    assert adb(0, "shell", "echo " + "x" * 5000).stdout == b""
    eventually(lambda: adb(0, "shell", "echo back").stdout == b"back\r\n", 30)
    assert len(adb(1, "shell", "echo " + "x" * 5000).stdout) == 5001


def test_tools_that_eat_their_input(adb, rack):
    def left_over(which):
        command = [*adb(which, "version").args[:-1], "shell", "content query --uri content://sms >/dev/null 2>&1; cat"]
        return subprocess.run(command, input=b"left\n", capture_output=True, timeout=20).stdout

    assert left_over(1) == b""
    assert left_over(2) == b"left\n"


def test_a_swapped_sim_and_airplane_mode(rack, link):
    serial = rack.phones[1]
    old = rack.sims(serial)[0]
    new = rack.call("POST", f"/phones/{serial}/sims/0/swap", {"number": "+420606000001"})
    assert new["subscription_id"] != old["subscription_id"]
    assert f"subId={new['subscription_id']}" in link.run(serial, call("dumpsys", "isub"), 10).stdout
    rack.inject(rack.phones[0], "+420777000001", "to nobody")
    rack.call("PATCH", f"/phones/{serial}", {"airplane_mode": True})
    assert link.run(serial, call("getprop", "gsm.network.type"), 10).stdout == "Unknown,Unknown\n"
    assert rack.call("POST", f"/phones/{serial}/sims/7/swap", {"number": "+420606000001"})["status"] == 400


def test_the_shell_of_an_old_phone_through_the_link(rack, link):
    assert link.run(rack.phones[0], call("echo", "řádek"), 10, ShellKind.EXEC).stdout == "řádek\n"
