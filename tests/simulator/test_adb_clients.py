"""The real adb server with every client drives the simulated phones."""

from __future__ import annotations

import subprocess

import adbutils
import pytest
from ppadb.client import Client as PureClient

SCRIPT = "echo out; echo err >&2; exit 7"


@pytest.fixture(params=[0, 1], ids=["android10", "android14"])
def serial(request, phones):
    return phones.phones[request.param]


@pytest.fixture
def adb(adb_binary, adb_port, serial):
    def run(*arguments, **options):
        command = [str(adb_binary), "-P", str(adb_port), "-s", serial, *arguments]
        return subprocess.run(command, capture_output=True, check=False, timeout=20, **options)

    return run


def test_the_adb_binary_gives_text_and_exit_code(adb):
    result = adb("shell", 'echo "a b"; exit 7')
    assert (result.returncode, result.stdout) == (7, b"a b\n")


def test_the_adb_binary_keeps_errors_apart(adb):
    result = adb("shell", SCRIPT)
    assert (result.returncode, result.stdout, result.stderr) == (7, b"out\n", b"err\n")


def test_exec_out_is_raw_and_merged(adb):
    assert sorted(adb("exec-out", SCRIPT).stdout.split()) == [b"err", b"out"]


def test_standard_input_reaches_the_command(adb):
    assert adb("shell", "cat; echo done", input=b"a\nb\n").stdout == b"a\nb\ndone\n"


def test_five_megabytes_come_back_whole(adb):
    result = adb("shell", "seq 1 700000")
    assert result.stdout == b"".join(b"%d\n" % n for n in range(1, 700_001))


def test_a_syntax_error_is_the_shells(adb):
    result = adb("shell", "if then")
    assert result.returncode != 0
    assert result.stderr


def test_features_and_state(adb):
    assert b"shell_v2" in adb("features").stdout
    assert adb("get-state").stdout == b"device\n"


def test_adbutils(adb_port, serial):
    device = adbutils.AdbClient("127.0.0.1", adb_port).device(serial)
    result = device.shell2(SCRIPT, v2=True)
    assert (result.returncode, result.stdout, result.stderr) == (7, "out\n", "err\n")
    assert device.prop.get("ro.product.model").startswith("Sim")


def test_pure_python_adb(adb_port, serial):
    device = PureClient("127.0.0.1", adb_port).device(serial)
    assert device.shell("echo hello; getprop ro.serialno").split() == ["hello", device.get_properties()["ro.serialno"]]


def test_an_unauthorized_phone_waits_for_its_key_dialog(start_rack, link, eventually):
    control = start_rack(phones=1, auth=True, seed=12)
    link.attach(control.phones[0])

    def state():
        return dict((p.serial, p.state) for p in link.list_phones()).get(control.phones[0])

    eventually(lambda: state() == "unauthorized")
    control.call("POST", f"/phones/{control.phones[0]}/authorize")
    eventually(lambda: state() == "device")


def test_content_prints_rows_as_android_does(adb, phones, serial):
    phones.inject(serial, "+420603111222", "Ahoj, jak se máš?\nRow: 1 _id=9, type=2")
    query = (
        "content query --uri content://sms/inbox --projection address:body:date_sent:subject:read"
        " --sort '_id DESC LIMIT 1'"
    )
    lines = adb("shell", query).stdout.decode().splitlines()
    assert lines[0].startswith("Row: 0 address=+420603111222, body=Ahoj, jak se máš?")
    assert lines[1].startswith("Row: 1 _id=9, type=2, date_sent=")
    assert lines[1].endswith(", subject=NULL, read=0")
    empty = adb("shell", "content query --uri content://sms/failed")
    assert empty.stdout == b"No result found.\n"
    broken = adb("shell", "content query --uri content://sms --where 'nonsense'")
    assert (broken.returncode, broken.stdout) == (0, b"")
    assert b"Error while accessing provider:sms" in broken.stderr
