"""Faults of an Odoo: away for hours, silent, cut off after a commit, out of breath, and a key that holds no more.

The numbers are those of the list of faults in the project's plan. Time is simulated but for the silent Odoo, beside
which the real daemon sends.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update

from benchmarks.drain import FAST, drain
from benchmarks.figures import machine, save
from benchmarks.host import Host, numbered_messages, queue
from benchmarks.odoo_rig import POLL_S, OdooRig, campaign, odoo_rig
from host_controller.cli.simulated_rack import simulated_rack
from host_controller.rules.states import MessageState
from host_controller.settings import OdooMode
from host_controller.store.models import MessageRecord

LEGS = int(os.environ.get("SMSRACK_BENCH_LEGS", "100"))
SENDS = int(os.environ.get("SMSRACK_BENCH_SENDS", "600"))
SEED = 65
_MESSAGES, _LEG_MESSAGES, _SLOTS = 2000, 20, 24
_AWAY_H = 6
_HOUR_S = 3600.0
# Enough for some failures in a row, with their pauses; and after the last of those.
_LEG_S, _LONGEST_PAUSE_S = 200.0, 310.0
_PHONES, _PER_MINUTE, _PAIRS = 4, 300, 3
_GIVE_UPS = 8
_FAULTS = ("lost_answer", "down", "serialization", "database_down", "garbage")
_ENDS = (MessageState.SENT, MessageState.FAILED, MessageState.UNKNOWN)

Row = dict[str, Any]


def away(directory: Path) -> Row:
    """63: Odoo is down for six hours while everything is sent."""
    with odoo_rig(directory, OdooMode.PUSH, has_login=False) as rig:
        rig.odoo.add_mailing(campaign(_MESSAGES))
        rig.send_queue()
        rig.pass_time(POLL_S)
        rig.served.stop()
        for _ in range(_AWAY_H):
            rig.end(MessageState.SENT, most=_MESSAGES // _AWAY_H + 1)
            rig.pass_time(_HOUR_S)
        calls = rig.row("results").failures
        rig.served.start()
        return _row("63", f"Odoo down for {_AWAY_H} h", rig, calls, _AWAY_H * 60, _back_s(rig))


def cut_off(directory: Path) -> Row:
    """65: answers are lost after the commit, and Odoo goes away, at random calls."""
    chance, total = random.Random(SEED), {"calls": 0, "wrong": 0, "doubled": 0}
    for leg in range(LEGS):
        home = directory / str(leg)
        home.mkdir()
        mode = OdooMode.PUSH if leg % 2 else OdooMode.PULL
        with odoo_rig(home, mode) as rig:
            rig.odoo.add_mailing(campaign(_LEG_MESSAGES))
            rig.faults.extend(_random_faults(chance))
            if mode is OdooMode.PUSH:
                rig.send_queue()
            else:
                rig.pass_time(_LEG_S)
                rig.faults.clear()
                rig.pass_time(_LONGEST_PAUSE_S)
            rig.faults[:] = _random_faults(chance)
            while rig.end(chance.choice(_ENDS), most=chance.randint(1, 8)):
                rig.pass_time(POLL_S)
            _prove_late(rig, chance)
            rig.faults[:] = _random_faults(chance)
            rig.pass_time(_LEG_S)
            rig.faults.clear()
            _back_s(rig)
            row = _row("", "", rig, 0, 1, 0)
            for name in ("wrong", "doubled"):
                total[name] += row[name]
            total["calls"] += rig.served.calls
    how = f"answers lost after the commit, restarts: {LEGS} histories, seed {SEED}"
    return {"fault": "65", "how": how, "messages": LEGS * _LEG_MESSAGES, **total}


def out_of_breath(directory: Path) -> Row:
    """66: Odoo gives up on a row that others hold, again and again."""
    with odoo_rig(directory, OdooMode.PUSH) as rig:
        rig.odoo.add_mailing(campaign(_LEG_MESSAGES))
        rig.send_queue()
        rig.end(MessageState.SENT)
        rig.pass_time(POLL_S)
        rig.faults.extend(["serialization"] * _GIVE_UPS)
        calls = rig.served.calls
        back_s = _back_s(rig)
        how = f"gives up on a held row {_GIVE_UPS} times"
        return _row("66", how, rig, rig.served.calls - calls, back_s / 60, back_s)


def key_taken_away(directory: Path) -> Row:
    """68: the user's key is changed; an hour later we get the new one."""
    alerts = _Alerts()
    logging.getLogger("odoo_sync").addHandler(alerts)
    with odoo_rig(directory, OdooMode.PULL) as rig:
        rig.odoo.add_mailing(campaign(_LEG_MESSAGES))
        rig.pass_time(POLL_S)
        password, rig.odoo.password = rig.odoo.password, "changed"
        rig.end(MessageState.SENT)
        before = rig.served.calls
        rig.pass_time(_HOUR_S)
        calls, reached = rig.served.calls - before, len(rig.odoo.reports) - _LEG_MESSAGES
        rig.odoo.password = password
        row = _row("68", "the key holds no more, for 1 h, mode pull", rig, calls, 60, _back_s(rig))
        row["how"] += f"; {alerts.count} alert, {reached} reports made without it"
    logging.getLogger("odoo_sync").removeHandler(alerts)
    return row


def silent(directory: Path) -> Row:
    """64: Odoo takes connections and says nothing, beside a rack that sends at its pace."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    for number in range(_PAIRS):
        for is_silent in (False, True):
            home = directory / f"{number}{is_silent}"
            home.mkdir()
            with _black_hole() as port, simulated_rack(_PHONES, FAST) as rack:
                host = Host(home, rack.phones, _PER_MINUTE)
                if is_silent:
                    secret = home / "key"
                    secret.write_text("a key")
                    section = f'[odoo.shop]\nurl = "http://127.0.0.1:{port}"\ndatabase = "odoo"\nuser = "us"\n'
                    section += f'password_file = "{secret}"\npoll_s = 1.0\ncall_limit_s = 30.0\n'
                    host.config.write_text(host.config.read_text() + section)
                with host.calls() as api:
                    queue(api, numbered_messages(SENDS))
                rates[is_silent].append(drain(host, rack, SENDS)["per_s"])
            print(f"silent {is_silent}: {rates[is_silent][-1]:.1f}/s", file=sys.stderr)
    well, beside = (statistics.median(rates[is_silent]) for is_silent in (False, True))
    how = f"silent, 30 s a call: {beside:.1f} sent a second, {well:.1f} without an Odoo ({100 * beside / well:.0f} %)"
    return {"fault": "64", "how": how, "messages": SENDS * _PAIRS}


class _Alerts(logging.Handler):
    """Counts what a person must act on."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


@contextmanager
def _black_hole() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        yield listener.getsockname()[1]


def _random_faults(chance: random.Random) -> list[str]:
    return [chance.choice(_FAULTS) if chance.random() < 0.3 else "none" for _ in range(_SLOTS)]


def _prove_late(rig: OdooRig, chance: random.Random) -> None:
    """Some of what was unknown turns out to have left."""

    def work(session: Any) -> None:
        unknown = session.scalars(select(MessageRecord.id).where(MessageRecord.state == MessageState.UNKNOWN)).all()
        proven = [message_id for message_id in unknown if chance.random() < 0.5]
        change = update(MessageRecord).where(MessageRecord.id.in_(proven)).values(state=MessageState.SENT)
        session.execute(change.execution_options(synchronize_session=False))

    rig.store.write(work)


def _back_s(rig: OdooRig) -> float:
    """Let time pass until all is in step; give how long that took."""
    began = rig.now
    while rig.wrong() or rig.row("results").failures:
        rig.pass_time(POLL_S)
        if (rig.now - began).total_seconds() > _HOUR_S:
            raise RuntimeError("it does not come in step again")
    return (rig.now - began).total_seconds()


def _row(fault: str, how: str, rig: OdooRig, calls: int, minutes: float, back_s: float) -> Row:
    with rig.store.reading() as session:
        messages = session.scalar(select(func.count()).select_from(MessageRecord)) or 0
    return {
        "fault": fault,
        "how": how,
        "messages": messages,
        "calls": calls,
        "a_minute": calls / minutes if minutes else 0.0,
        "wrong": rig.wrong() + rig.failures_after_success(),
        "doubled": messages - len(rig.odoo.traces),  # a lease is an SMS too, without a trace
        "back_s": back_s,
    }


def main() -> None:
    """Measure."""
    about, rows = machine(), []
    for measure in (away, silent, cut_off, out_of_breath, key_taken_away):
        with tempfile.TemporaryDirectory(prefix="sr") as name:
            rows.append(measure(Path(name)))
        print(rows[-1], file=sys.stderr)
    columns = [
        ["fault", "fault"],
        ["how", "what"],
        ["messages", "messages"],
        ["calls", "calls meanwhile"],
        ["a_minute", "a minute"],
        ["wrong", "wrong in Odoo afterwards, or a failure after a success"],
        ["doubled", "doubled"],
        ["back_s", "all in step again after, s"],
    ]
    note = "Against the fake Odoo. Time is simulated, but for the silent one: median of alternating runs of the daemon."
    save("odoo_faults", {"machine": about, "note": note, "columns": columns, "rows": rows})


if __name__ == "__main__":
    main()
