"""Rows of the delivery table: faults of the host, its disk, its clock and of those who submit."""

from __future__ import annotations

import itertools
import random
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.gateway import SCALE, SEED, Gateway, gateway
from benchmarks.phone_faults import settle
from benchmarks.power_cut import CannotTraceError, survey
from benchmarks.rack import wait_for
from benchmarks.tally import Balance
from host_controller.messaging.submit import Accepted, Draft, submit
from host_controller.settings import MessageSettings
from host_controller.store.store import Store
from host_controller.wiring import utc_now

_LOCKS, _LOCK_S = 6, 30 * SCALE
# Longer than the store waits, which is not scaled.
_LONG_LOCK_S = 12.0
# The log of the database alone grows to 4 MB before it is written back.
_DISK_MB = 24
_STARTS, _SAME_REF = 30, 50
_CLOCK = "benchmarks.jumping_clock"
# An hour ahead and back, 2 January 1970, 20 January 2038, and right again.
_JUMPS = ("+3600", "-3600", "@86400", "@2147558400", "+0")


class CannotRunError(Exception):
    """This host lacks what the fault needs."""


def locked(module: str, messages: int) -> Balance:
    """Another program holds the database while messages are submitted."""
    with gateway(module) as made, ThreadPoolExecutor(1) as client:
        ends = []
        for hold_s in [*[_LOCK_S] * _LOCKS, _LONG_LOCK_S]:
            made.queue(messages // (2 * _LOCKS + 2))  # so that sends are under way when it begins
            with closing(sqlite3.connect(made.data_dir / "smsrack.db", isolation_level=None, timeout=30)) as db:
                db.execute("BEGIN EXCLUSIVE")
                submitting = client.submit(made.queue, messages // (2 * _LOCKS + 2), again_after_s=0.5)
                time.sleep(hold_s)
                db.execute("ROLLBACK")
            ends.append(time.time())
            submitting.result()
        settle(made)
        result = made.balance({})
        result.to_clear_s = _from_ends(made, ends)
        result.remark = f"{_LOCKS} × {_LOCK_S:g} s and once {_LONG_LOCK_S:g} s; {_refusals(made)}"
        return result


def disk_full(module: str, messages: int) -> Balance:
    """The disk of the data directory fills up while messages go out, and is freed again."""
    with _small_disk() as place, gateway(module, data_dir=place / "d") as made, ThreadPoolExecutor(1) as client:
        ends = []
        for _ in range(4):
            made.queue(messages // 8)
            time.sleep(0.3)
            ballast = place / "ballast"
            _fill(ballast)
            submitting = client.submit(made.queue, messages // 8, again_after_s=0.5)
            time.sleep(3)
            ballast.unlink()
            ends.append(time.time())
            submitting.result()
        settle(made)
        result = made.balance({})
        result.to_clear_s = _from_ends(made, ends)
        result.remark = f"filled 4 times for 3 s; {_refusals(made)}"
        return result


def restored(module: str, messages: int) -> Balance:
    """A backup is made with messages in the queue, they are sent, and the backup is put back."""
    with gateway(module) as made:
        made.queue(messages)
        backup = made.config.with_name("backup.db")
        done = made.cli("backup", str(backup))
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        with closing(sqlite3.connect(f"file:{backup}?mode=ro", uri=True)) as db:
            (queued,) = db.execute("SELECT count(*) FROM message WHERE state = 'queued'").fetchone()
        settle(made)
        made.stop()
        done = made.cli("restore", str(backup))
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        started_s = time.time()
        made.start()
        settle(made)
        result = made.balance({})
        result.to_clear_s = _from_ends(made, [started_s])
        result.remark = f"{queued} of them queued in the backup and sent since; time from the start"
        return result


def power_cut(_: str, messages: int) -> Balance:
    """The power is cut after any call of the database's files, in runs until so many disks were looked at."""
    result, states = Balance(), 0
    writes = 0
    while states < messages:
        with tempfile.TemporaryDirectory() as name:
            home, after = Path(name) / "home", Path(name) / "after"
            home.mkdir()
            after.mkdir()
            try:
                found = survey(home, after, cuts=10_000, chance=random.Random(SEED + writes))
            except CannotTraceError as error:
                raise CannotRunError(str(error)) from error
        states, writes = states + found.states, writes + found.acknowledged
    result.messages = states
    result.remark = f"N disks, one after each call of {writes} acknowledged writes, as three kinds of disk may be then"
    return result


def second_daemon(module: str, messages: int) -> Balance:
    """A second daemon is started on the same data directory, again and again."""
    with gateway(module) as made:
        made.queue(messages)
        starts, refused, took_s = min(_STARTS, messages), 0, []
        for _ in range(starts):
            begun_s = time.monotonic()
            second = made.cli("run")
            refused += second.returncode == 1 and "smsrack:" in second.stderr
            took_s.append(time.monotonic() - begun_s)
        settle(made)
        result = made.balance({})
        result.to_clear_s = took_s
        result.remark = f"refused {refused}/{starts}; time to the refusal"
        return result


def clock_jumps(_module: str, messages: int) -> Balance:
    """The host's clock goes an hour ahead and back, to 1970 and to 2038."""
    with tempfile.TemporaryDirectory(prefix="sr") as name:
        clock = Path(name) / "clock"
        clock.write_text("+0")
        with gateway(_CLOCK, environment={"SMSRACK_CLOCK": str(clock)}) as made:
            draw, jumps = random.Random(SEED), 0
            for _ in range(4):
                for jump in _JUMPS:
                    made.queue(messages // (4 * len(_JUMPS)))
                    time.sleep(draw.uniform(0.2, 0.6))
                    _set(clock, jump)
                    jumps += 1
                    time.sleep(draw.uniform(0.5, 1.5))
            settle(made)
            result = made.balance({})
            result.remark = f"{jumps} jumps: +1 h, -1 h, 1970, 2038, right"
            return result


def same_ref(module: str, messages: int) -> Balance:
    """Fifty threads submit the same message with the same `ref` at once."""
    rounds, took_s, ids, repeats = max(2, messages // _SAME_REF), [], set(), 0
    with tempfile.TemporaryDirectory(prefix="sr") as name, ThreadPoolExecutor(_SAME_REF) as pool:
        store = Store(Path(name) / "smsrack.db")
        for n in range(rounds):
            draft, barrier = Draft(f"+42077{n:07d}", f"Zpráva {n}", ref=f"ref {n}"), threading.Barrier(_SAME_REF)

            def ask(draft: Draft = draft, barrier: threading.Barrier = barrier) -> Accepted:
                barrier.wait()
                (outcome,) = submit(store, MessageSettings(), [draft], now=utc_now(), actor="test")
                if not isinstance(outcome, Accepted):
                    raise RuntimeError(outcome.reason)
                return outcome

            begun_s = time.monotonic()
            outcomes = [future.result() for future in [pool.submit(ask) for _ in range(_SAME_REF)]]
            took_s.append(time.monotonic() - begun_s)
            ids |= {outcome.message_id for outcome in outcomes}
            repeats += sum(outcome.repeated for outcome in outcomes)
        with store.reading() as session:
            stored = session.connection().exec_driver_sql("SELECT count(*) FROM message").scalar_one()
        store.close()
    submissions = rounds * _SAME_REF
    remark = f"{submissions} submissions with {rounds} refs gave {stored} messages; time of a round"
    doubled = max(stored, len(ids), submissions - repeats) - rounds
    return Balance(messages=submissions, doubled=doubled, to_clear_s=took_s, remark=remark)


def stops(module: str, messages: int) -> Balance:
    """People opt out, by SMS and over the API, while their messages are being taken and handed over."""
    with gateway(module) as made:
        made.queue(messages)
        numbers = list(made.accepted.values())
        random.Random(SEED).shuffle(numbers)
        stored_s: dict[str, float] = {}
        for n, to in enumerate(numbers[: len(numbers) // 2]):
            if n % 2:
                made.api.call("POST", "/optouts", {"number": to})
                stored_s[to] = time.time()
            else:
                path = f"/phones/{made.rack.phones[n // 2 % len(made.rack.phones)]}/inbox"
                made.control("POST", path, {"from": to, "text": "STOP"})
        settle(made)
        wait_for(lambda: made.totals()["opted_out"] >= len(numbers) // 2, 60)
        with closing(sqlite3.connect(f"file:{made.data_dir}/smsrack.db?mode=ro", uri=True, timeout=30)) as db:
            late = db.execute(
                "SELECT count(*) FROM attempt a JOIN message m ON m.id = a.message_id"
                " JOIN opt_out o ON o.msisdn = m.msisdn AND o.source = 'inbound' WHERE a.intent_at > o.created_at"
            ).fetchone()[0]
            for to, intent_at in db.execute(
                "SELECT m.msisdn, a.intent_at FROM attempt a JOIN message m ON m.id = a.message_id"
            ):
                begun_s = datetime.fromisoformat(intent_at).replace(tzinfo=UTC).timestamp()
                late += to in stored_s and begun_s > stored_s[to]
        result = made.balance({})
        result.remark = f"{len(numbers) // 2} STOPs; sends begun after a stored one: {late}"
        return result


def _from_ends(made: Gateway, ends: list[float]) -> list[float]:
    """For each end of a fault, the seconds to the next message that reached its end."""
    with closing(sqlite3.connect(f"file:{made.data_dir}/smsrack.db?mode=ro", uri=True, timeout=30)) as db:
        query = "SELECT at FROM message_event WHERE new_state = 'sent' ORDER BY at"
        moments = [datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() for (at,) in db.execute(query)]
    waits = (next((moment - end for moment in moments if moment >= end), None) for end in ends)
    return [wait for wait in waits if wait is not None]


def _refusals(made: Gateway) -> str:
    found = ", ".join(f"{count} × {status}" for status, count in sorted(made.refused.items()))
    return f"API refused {found}" if found else "API refused none"


@contextmanager
def _small_disk() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sr") as name:
        command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MB}m", "tmpfs", name]
        if subprocess.run(command, check=False, capture_output=True).returncode != 0:
            raise CannotRunError("a small disk can be mounted by root only")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "-l", name], check=False)  # noqa: S607


def _set(clock: Path, words: str) -> None:
    """All at once: the daemon may read it at any moment."""
    new = clock.with_suffix(".new")
    new.write_text(words)
    new.replace(clock)


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12):
            for _ in itertools.count():
                try:
                    file.write(bytes(size))
                except OSError:
                    break
