"""The built wheel, installed into an empty environment, is the whole product."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    source = tmp_path_factory.mktemp("source") / "smsrack"
    # What git would ship, so that nothing left over from other builds gets in.
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(source)], check=True)
    changed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--modified", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in changed:
        if (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(target), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = target.glob("*.whl")
    return built


def test_the_wheel_brings_pages_migrations_shell_and_udev(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "web/templates/overview.html",
        "web/templates/live.html",
        "web/static/style.css",
        "web/static/live.js",
        "web/openapi/api.yaml",
        "web/openapi/gateway.yaml",
        "web/py.typed",
        "host_controller/store/migrations/env.py",
        "host_controller/store/migrations/versions/0001_first_tables.py",
        "device_drivers/simulator/prelude.sh",
    ):
        assert wanted in names
    data = [name.split(".data/data/")[1] for name in names if ".data/data/" in name]
    assert set(data) == {
        "share/smsrack/udev/51-smsrack.rules",
        "share/smsrack/udev/README.md",
        "share/smsrack/examples/batches.csv",
        "share/smsrack/examples/messages.csv",
    }
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if ".d" not in name} == {"host_controller", "device_drivers", "web", "odoo_sync"}


def test_installed_into_an_empty_environment_it_sends(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    binaries = tmp_path / "venv" / "bin"
    subprocess.run(
        [str(binaries / "pip"), "install", "--quiet", str(wheel)], check=True, capture_output=True, timeout=280
    )
    from socket import create_server

    with create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    command = [str(binaries / "smsrack"), "demo", "--exit", "--json", "--port", port]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert (summary["doubled"], summary["accepted"]) == (0, 215)
    assert (tmp_path / "venv" / "share" / "smsrack" / "udev" / "51-smsrack.rules").exists()
