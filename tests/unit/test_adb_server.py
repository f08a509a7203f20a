"""Finding adb, or saying which package brings it."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_drivers.adb import server as adb_server
from device_drivers.adb.server import AdbNotFoundError, find_adb


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
