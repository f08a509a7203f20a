"""A power cut of the host at any moment: whatever was acknowledged is in the database, and the database is sound.

A child writes through the real store while strace records every write, truncation and sync of its database files. Then
the file system is rebuilt as a power cut after each of these calls may leave it: what was synced is there; of what was
not, nothing, all, or a random part, writes torn at sectors of 512 bytes.

How far it reaches: it takes a sync at its word, so a disk that lies is not covered; directory entries count as durable;
within one write, sectors arrive whole.
"""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from host_controller.store.store import Store

WRITES, SECTOR = 60, 512
_KEPT = (0.0, 0.5, 1.0)
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
        """What was written to a file is there for certain now."""
        for offset, data in self.pending.pop(name, []):
            _apply(self.durable[name], offset, data)

    def after_a_cut(self, chance: random.Random, kept: float) -> dict[str, bytes]:
        """Give the files as a power cut leaves them that lets this part of what is on its way through."""
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


def _record(home: Path) -> list[tuple[str, str, str, int]]:
    if shutil.which("strace") is None:
        raise CannotTraceError("strace is not installed (Debian: strace)")
    command = ["strace", "-f", "-y", "-xx", "-s", "100000", "-o", str(home / "calls")]
    command += ["-e", "trace=pwrite64,write,fdatasync,fsync,ftruncate"]
    command += [sys.executable, "-c", _SCRIPT, str(home), str(WRITES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if "PTRACE" in done.stderr or "Operation not permitted" in done.stderr:
        raise CannotTraceError("this system lets nobody be traced")
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    calls: list[tuple[str, str, str, int]] = []
    begun: dict[str, str] = {}
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


class CannotTraceError(Exception):
    """This host has no strace, or lets nobody be traced."""


@dataclass(frozen=True)
class Survey:
    """What power cuts left."""

    cuts: int
    """Calls after which the power was cut."""
    states: int
    """Disks that were looked at: three for each cut."""
    acknowledged: int
    """Writes in all."""


def survey(home: Path, after: Path, cuts: int, chance: random.Random) -> Survey:
    """Record writes below `home`, cut the power so often, and look at each disk in `after`; both are empty folders.

    Raises AssertionError where something acknowledged is gone or the database is not sound, CannotTraceError.
    """
    Store(home / "smsrack.db").close()
    disk = Disk()
    disk.durable["smsrack.db"][:] = (home / "smsrack.db").read_bytes()
    calls = [call for call in _record(home) if call[1].startswith(f"{home}/")]
    if sum(call[0] in ("fsync", "fdatasync") for call in calls) < WRITES / 3:
        raise AssertionError("hardly anything was synced: the record cannot be right")
    cut_after = set(chance.sample(range(len(calls)), min(cuts, len(calls)))) | {len(calls) - 1}
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
        if number in cut_after:
            for kept in _KEPT:
                _check(after, disk.after_a_cut(chance, kept), acknowledged, f"call {number}, kept {kept}")
    if len(acknowledged) != WRITES:
        raise AssertionError(f"{len(acknowledged)} of {WRITES} writes were acknowledged")
    return Survey(len(cut_after), len(cut_after) * len(_KEPT), len(acknowledged))


def _check(home: Path, files: dict[str, bytes], acknowledged: set[int], where: str) -> None:
    for path in home.iterdir():
        path.unlink()
    for name in ("smsrack.db", "smsrack.db-wal"):
        if name in files:
            (home / name).write_bytes(files[name])
    with closing(sqlite3.connect(home / "smsrack.db")) as db:
        if db.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            raise AssertionError(f"{where}: the database is not sound")
        found = {int(number[4:]) for (number,) in db.execute("SELECT msisdn FROM opt_out")}
    if not acknowledged <= found:
        raise AssertionError(f"{where}: {len(acknowledged - found)} acknowledged writes are gone")
