"""Rows of the delivery table: faults of phones, cables and adb servers."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from benchmarks.gateway import SCALE, SEED, Gateway, gateway, kill
from benchmarks.hostile import hostile_texts
from benchmarks.rack import wait_for
from benchmarks.tally import Balance

_HIT = 0.25
_BOOT_S = 2.0
# Rows of given-up messages are looked for every 300 s, and must be seen twice.
_LATE_ROUND_S = 1.3 * 300 * SCALE
_HANGS = 100
_TAP_AFTER_S = 200 * SCALE
_OUTAGE_S, _OUTAGES = 30 * SCALE, 10
_ADB_KILLS, _ADB_PAUSE_S = 8, 6.0


def on_sends(
    kind: str, *, chance: float = _HIT, seconds: float | None = None, same: int = 1
) -> Callable[[str, int], Balance]:
    """A fault that hits some of the sends."""

    def run(module: str, messages: int) -> Balance:
        with gateway(module) as made:
            options = {"chance": chance} | ({} if seconds is None else {"seconds": seconds})
            made.fault_everywhere(kind, **options)
            made.queue(messages - messages % same, same=same)
            settle(made)
            return _result(made, made.ends(lambda _: 0.0, kind))

    return run


def restarts(module: str, messages: int, loses_s: float | None = None) -> Balance:
    """Phones restart while a send is under way."""
    with gateway(module) as made:
        made.fault_everywhere("reboot_inside", chance=_HIT, seconds=0.1)
        if loses_s is not None:
            made.fault_everywhere("reboot_loses", seconds=loses_s)
        made.queue(messages)
        settle(made)
        return _result(made, made.ends(lambda one: _BOOT_S + one["seconds"], "reboot_inside"))


def restarts_that_lose(module: str, messages: int) -> Balance:
    """The same, and what they had written in the last moments is gone."""
    return restarts(module, messages, loses_s=5 * SCALE)


def late_rows(module: str, messages: int) -> Balance:
    """Rows come long after their messages were given up; each phone has a delay of its own."""
    with gateway(module) as made:
        shortest_s, longest_s = 30 * SCALE, 1200 * SCALE
        for n, serial in enumerate(made.rack.phones):
            delay_s = shortest_s * (longest_s / shortest_s) ** (n / (len(made.rack.phones) - 1))
            made.control("POST", f"/phones/{serial}/faults", {"kind": "late_row", "chance": _HIT, "seconds": delay_s})
        made.queue(messages)
        made.rest()
        ends = made.ends(lambda one: one["seconds"], "late_row")
        time.sleep(max(0.0, max((max(times) for times in ends.values()), default=0.0) - time.time()))
        settle(made)
        return _result(made, made.ends(lambda one: one["seconds"], "late_row"))


def hangs(module: str, messages: int) -> Balance:
    """Calls that never return."""
    with gateway(module) as made:
        made.fault_everywhere("hang", chance=1.0)
        made.queue(min(messages, _HANGS))
        settle(made)
        # It ends when the daemon gives up the call, by its own limit.
        return _result(made, made.ends(lambda _: 0.0, "hang"))


def dialogs(module: str, messages: int) -> Balance:
    """Five messages on each phone wait behind a dialog, which is answered when they were given up."""
    with gateway(module) as made:
        made.fault_everywhere("dialog", count=min(5, max(1, messages // (2 * len(made.rack.phones)))))
        made.queue(messages)
        time.sleep(_TAP_AFTER_S)
        tapped_s = time.time()
        for phone in made.control("GET", "/phones")["phones"]:
            for sim in phone["sims"]:
                for _ in range(sim["waiting_dialogs"]):
                    answer = {"slot_index": sim["slot_index"]}
                    made.control("POST", f"/phones/{phone['serial']}/dialogs/send", answer)
        settle(made)
        return _result(made, {one["to"]: [tapped_s] for one in made.happened("dialog")})


def hub(module: str, messages: int) -> Balance:
    """Ten phones at once lose their link, and get it back at once."""
    with gateway(module) as made:
        ends: dict[str, list[float]] = {}
        draw, hit = random.Random(SEED), 0
        for _ in range(_OUTAGES):
            made.queue(messages // _OUTAGES)
            time.sleep(draw.uniform(0.3, 1.0))
            serials = draw.sample(made.rack.phones, len(made.rack.phones) // 2)
            _all_at_once(made, serials, "unplug")
            time.sleep(_OUTAGE_S)
            cut = in_flight(made, serials)
            _all_at_once(made, serials, "plug")
            for to in cut:
                ends.setdefault(to, []).append(time.time())
            hit += len(cut)
        settle(made)
        return _result(made, ends, f"{_OUTAGES} outages of 10 phones, {hit} messages cut")


def adb_killed(module: str, messages: int) -> Balance:
    """SIGKILL to the adb server, again and again."""
    with gateway(module) as made:
        ends: dict[str, list[float]] = {}
        hit = 0
        for _ in range(_ADB_KILLS):
            made.queue(messages // _ADB_KILLS)
            time.sleep(0.7)
            before = made.adb_pid()
            kill(before)
            cut = in_flight(made, made.rack.phones)
            wait_for(lambda before=before: made.adb_pid() not in (0, before), 60)  # type: ignore[misc]
            for to in cut:
                ends.setdefault(to, []).append(time.time())
            hit += len(cut)
            time.sleep(_ADB_PAUSE_S)
        settle(made)
        return _result(made, ends, f"{_ADB_KILLS} kills, {hit} messages cut")


def spoilt_answers(module: str, messages: int) -> Balance:
    """Answers of sends and of queries come damaged, in half, byte by byte, or without end."""
    with gateway(module) as made:
        for kind, chance in (("garbled", 0.1), ("cut_short", 0.1), ("dribble", 0.1), ("flood", 0.005)):
            made.fault_everywhere(kind, chance=chance)
        made.queue(messages)
        made.rest()
        made.clear_faults()
        settle(made)
        kinds = ("garbled", "cut_short", "flood")
        hit = len(made.happened(*kinds, "dribble"))
        peak_mb = _peak_mb(made.process.pid)
        return _result(made, made.ends(lambda _: 0.0, *kinds), f"{hit} answers; daemon's memory at most {peak_mb} MB")


def hostile_inbox(module: str, messages: int) -> Balance:
    """Texts come in that look like rows, like replies and like borders, while messages go out."""
    texts = hostile_texts(max(20, messages // 2))
    with gateway(module) as made:
        made.queue(messages)
        senders = [f"+42060399{n:04d}" for n in range(len(texts))]

        def bring(first: int) -> None:
            for n in range(first, len(texts), 4):
                path = f"/phones/{made.rack.phones[n % len(made.rack.phones)]}/inbox"
                made.control(
                    "POST", path, {"from": senders[n], "text": texts[n], "slot_index": n // len(made.rack.phones) % 2}
                )

        threads = [threading.Thread(target=bring, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        settle(made)
        wait_for(lambda: len(_inbound(made)) >= len(texts), 60)
        found = _inbound(made)
        # Half of a surrogate pair cannot be said in UTF-8: three replacement characters stand for its bytes.
        wanted = {
            sender: text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
            for sender, text in zip(senders, texts, strict=True)
        }
        true = sum(found.get(sender) == text for sender, text in wanted.items())
        opted_out = made.totals()["opted_out"]
        remark = f"{true}/{len(texts)} texts stored true, {len(found) - len(texts)} forged, {opted_out} opted out"
        return _result(made, {}, remark)


def settle(made: Gateway) -> None:
    """Wait until every message has ended, and as long as late proofs still come."""
    made.rest()
    while (unknown := made.totals()["unknown"]) > 0:
        time.sleep(_LATE_ROUND_S)
        if made.totals()["unknown"] == unknown:
            return


def in_flight(made: Gateway, serials: tuple[str, ...] | list[str]) -> list[str]:
    """Numbers of the messages that these phones have in their hands."""
    query = (
        "SELECT p.adb_serial, m.msisdn FROM attempt a JOIN message m ON m.id = a.message_id"
        " JOIN phone p ON p.id = a.phone_id WHERE a.state IN ('intent', 'returned')"
    )
    with closing(sqlite3.connect(f"file:{made.data_dir}/smsrack.db?mode=ro", uri=True, timeout=30)) as db:
        return [to for serial, to in db.execute(query) if serial in serials]


def _inbound(made: Gateway) -> dict[str, str]:
    with closing(sqlite3.connect(f"file:{made.data_dir}/smsrack.db?mode=ro", uri=True, timeout=30)) as db:
        return dict(db.execute("SELECT sender, text FROM inbound"))


def _all_at_once(made: Gateway, serials: list[str], action: str) -> None:
    threads = [threading.Thread(target=made.control, args=("POST", f"/phones/{serial}/{action}")) for serial in serials]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _result(made: Gateway, ends: dict[str, list[float]], remark: str = "") -> Balance:
    result = made.balance(ends)
    occasions = len([one for one in made.happened() if one["to"]])
    result.remark = remark or f"{occasions} hit"
    return result


def _peak_mb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024)
    raise RuntimeError("the kernel does not tell the peak of a process' memory")
