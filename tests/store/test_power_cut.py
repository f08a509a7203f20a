"""A power cut of the host at any moment: whatever was acknowledged is in the database, and the database is sound.

A child writes through the real store while strace records every write, truncation and sync of its database files. Then
the file system is rebuilt as a power cut after each of these calls may leave it: what was synced is there; of what was
not, nothing, all, or a random part, writes torn at sectors of 512 bytes.

How far it reaches: it takes a sync at its word, so a disk that lies is not covered; directory entries count as durable;
within one write, sectors arrive whole.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from host_controller.store.store import Store

CUTS = int(os.environ.get("SMSRACK_TEST_CUTS", "120"))
WRITES, SECTOR = 60, 512
_SCRIPT = """
import os, sys, threading
from datetime import UTC, datetime
from pathlib import Path
from sqlalchemy import Engine, event
from host_controller.store.models import OptOutRecord
from host_controller.store.store import Store

@event.listens_for(Engine, "connect")
def checkpoint_often(connection, _):
    connection.execute("PRAGMA wal_autocheckpoint=16")

home = Path(sys.argv[1])
store = Store(home / "smsrack.db")
ack = os.open(home / "ack", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def write(first):
    for n in range(first, int(sys.argv[2]), 3):
        record = OptOutRecord(msisdn=f"+420{n:09d}", source="x" * 300, actor="t", created_at=datetime.now(UTC))
        store.write(lambda session: session.add(record))
        os.write(ack, b"%d\\n" % n)

threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
os._exit(0)
"""
_CALL = re.compile(r"^\d+ +(\w+)\((?:\d+<([^>]+)>)?(.*)\) += (-?\d+)")
_BYTES = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass
class Disk:
    """Files by name: what a power cut leaves for certain, and what is still on its way."""

    durable: dict[str, bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    pending: dict[str, list[tuple[int, bytes | None]]] = field(default_factory=lambda: defaultdict(list))

    def sync(self, name: str) -> None:
        for offset, data in self.pending.pop(name, []):
            _apply(self.durable[name], offset, data)

    def after_a_cut(self, chance: random.Random, kept: float) -> dict[str, bytes]:
        files = {name: bytearray(content) for name, content in self.durable.items()}
        for name, writes in self.pending.items():
            content = files.setdefault(name, bytearray())
            for offset, data in writes:
                if data is None:
                    if chance.random() < kept:
                        _apply(content, offset, None)
                    continue
                for start in range(0, len(data), SECTOR):
                    if chance.random() < kept:
                        _apply(content, offset + start, data[start : start + SECTOR])
        return {name: bytes(content) for name, content in files.items()}


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
    else:
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(data)] = data


def _record(home) -> list[tuple[str, str, str, int]]:
    command = ["strace", "-f", "-y", "-xx", "-s", "100000", "-o", str(home / "calls")]
    command += ["-e", "trace=pwrite64,write,fdatasync,fsync,ftruncate"]
    command += [sys.executable, "-c", _SCRIPT, str(home), str(WRITES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if "PTRACE" in done.stderr or "Operation not permitted" in done.stderr:
        pytest.skip("this system lets nobody be traced")
    assert done.returncode == 0, done.stderr
    calls, begun = [], {}
    for raw in (home / "calls").read_text().splitlines():
        line = raw
        # Calls of several threads are written in two halves.
        thread = line.split(" ", 1)[0]
        if line.endswith("<unfinished ...>"):
            begun[thread] = line.removesuffix("<unfinished ...>").rstrip()
            continue
        if "resumed>" in line:
            line = begun.pop(thread) + line.split("resumed>", 1)[1]
        match = _CALL.match(line)
        if match and match[2]:
            calls.append((match[1], bytes.fromhex(match[2].replace("\\x", "")).decode(), match[3], int(match[4])))
    return calls


def test_whatever_was_acknowledged_survives_a_power_cut(tmp_path):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (Debian: strace)")
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    home, after = tmp_path / "home", tmp_path / "after"
    home.mkdir()
    after.mkdir()
    Store(home / "smsrack.db").close()
    disk = Disk()
    disk.durable["smsrack.db"][:] = (home / "smsrack.db").read_bytes()
    calls = [call for call in _record(home) if call[1].startswith(f"{home}/")]
    assert sum(call[0] in ("fsync", "fdatasync") for call in calls) >= WRITES / 3

    cuts = set(chance.sample(range(len(calls)), min(CUTS, len(calls)))) | {len(calls) - 1}
    acknowledged: set[int] = set()
    for number, (call, path, arguments, result) in enumerate(calls):
        name = path.rsplit("/", 1)[1]
        data = _BYTES.search(arguments)
        content = bytes.fromhex(data[1].replace("\\x", ""))[:result] if data else b""
        if name == "ack":
            acknowledged |= {int(n) for n in content.split()}
        elif call == "pwrite64":
            disk.pending[name].append((int(arguments.rsplit(",", 1)[1]), content))
        elif call == "ftruncate":
            disk.pending[name].append((int(arguments.rsplit(",", 1)[1]), None))
        elif call in ("fsync", "fdatasync"):
            disk.sync(name)
        if number in cuts:
            for kept in (0.0, 0.5, 1.0):
                _check(after, disk.after_a_cut(chance, kept), acknowledged, f"call {number}, kept {kept}")
    assert len(acknowledged) == WRITES


def _check(home, files: dict[str, bytes], acknowledged: set[int], where: str) -> None:
    for path in home.iterdir():
        path.unlink()
    for name in ("smsrack.db", "smsrack.db-wal"):
        if name in files:
            (home / name).write_bytes(files[name])
    with closing(sqlite3.connect(home / "smsrack.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], where
        found = {int(number[4:]) for (number,) in db.execute("SELECT msisdn FROM opt_out")}
    assert acknowledged <= found, f"{where}: {len(acknowledged - found)} acknowledged writes are gone"
