"""Faults of what comes in: full inboxes, row ids that are used again, floods, and STOP in odd forms."""

from __future__ import annotations

import csv
import random
import threading
import time
from datetime import UTC, datetime

from benchmarks.figures import ROOT
from benchmarks.gateway import PHONES, SEED, Gateway, gateway
from benchmarks.phone_faults import settle
from benchmarks.rack import wait_for
from benchmarks.tally import Balance
from host_controller.text.stop_words import StopVerdict, judge_stop

# One phone's share of fault 39, and all of fault 41, where the table is made with its usual 1,000 messages.
_FULL, _FLOOD = 50, 5
_FILL_AT_ONCE = 1000
_LIMIT_S = 1800.0
_CORPUS = ROOT / "tests" / "corpus" / "stop_replies.csv"


def full_inbox(module: str, messages: int) -> Balance:
    """A phone comes back with fifty thousand messages; a STOP is the first of them and one is the last."""
    count = messages * _FULL
    with gateway(module, phones=1, releases=False) as made:
        serial = made.rack.phones[0]
        made.queue(1)
        made.rest()
        made.stop()
        texts = [("+420601000001", "STOP"), *((_person(n), f"Zpráva {n}") for n in range(count - 2))]
        fill(made, serial, [*texts, ("+420601000002", "STOP")])
        made.start()
        before_mb = made.rss_mb()
        began_s = time.monotonic()
        wait_for(lambda: stored(made) >= count, _LIMIT_S, 0.2)
        took_s = time.monotonic() - began_s
        missed = 2 - opted_out(made, ("+420601000001", "+420601000002"))
        result = made.balance({})
        result.remark = (
            f"{count} messages in {took_s:.0f} s, STOPs missed: {missed};"
            f" memory {before_mb:.0f} MB before, {made.peak_rss_mb():.0f} at most"
        )
        return result


def reused_ids(module: str, messages: int) -> Balance:
    """Again and again a person deletes the newest message on the phone, and a STOP gets its row id."""
    rounds, serials = max(20, messages // 10), range(PHONES)
    with gateway(module) as made:
        made.queue(messages)
        settle(made)  # a sent row that is deleted takes a message's proof with it, which is another fault
        numbers = [f"+42060200{n:04d}" for n in range(rounds)]
        for n, number in enumerate(numbers):
            serial = made.rack.phones[n % len(serials)]
            made.control("POST", f"/phones/{serial}/messages", {"messages": [{"from": _person(n), "text": "Ano"}]})
            before = n + 1
            wait_for(lambda before=before: stored(made, "Ano") >= before, 60)  # type: ignore[misc]
            newest = max(row["row_id"] for row in made.control("GET", f"/phones/{serial}/messages")["messages"])
            made.control("DELETE", f"/phones/{serial}/messages/{newest}")
            made.control("POST", f"/phones/{serial}/messages", {"messages": [{"from": number, "text": "STOP"}]})
        wait_for(lambda: opted_out(made, numbers) == rounds, 120)
        reused = made.ask(
            "SELECT count(*) FROM inbound a JOIN inbound b ON a.phone_id = b.phone_id AND a.row_id = b.row_id"
            " AND a.text = 'STOP' AND b.text = 'Ano'"
        )[0][0]
        result = made.balance({})
        result.remark = f"{rounds} STOPs, {reused} on a row id used before; missed: {rounds - opted_out(made, numbers)}"
        return result


def flood(module: str, messages: int) -> Balance:
    """Within a minute five thousand messages come in, a tenth of them STOPs, while messages go out."""
    count, draw = messages * _FLOOD, random.Random(SEED)
    with gateway(module) as made:
        made.queue(messages)
        came_s: dict[str, float] = {}
        began_s = time.monotonic()

        def bring(first: int) -> None:
            for n in range(first, count, 4):
                time.sleep(max(0.0, began_s + 60 * n / count - time.monotonic()))
                is_stop = n % 10 == 0
                number = f"+42060300{n // 10:04d}" if is_stop else _person(draw.randrange(count))
                row = {"from": number, "text": "STOP" if is_stop else f"Zpráva {n}"}
                path = f"/phones/{made.rack.phones[n % len(made.rack.phones)]}/messages"
                made.control("POST", path, {"messages": [row]})
                if is_stop:
                    came_s[number] = time.time()

        threads = [threading.Thread(target=bring, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_for(lambda: stored(made) >= count, _LIMIT_S)
        settle(made)
        late_s = stored_after(made, came_s)
        result = made.balance({})
        result.to_clear_s = late_s
        missed = len(came_s) - len(late_s)
        result.remark = f"{count} came in 60 s, {len(came_s)} STOPs of them, missed: {missed}; seconds until stored"
        return result


def odd_stops(module: str, messages: int) -> Balance:
    """The labelled corpus of replies, which was written without looking at the rule's tables."""
    with _CORPUS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    judged = [(row["expected"], judge_stop(row["text"], sender_is_msisdn=True).verdict) for row in rows]
    certain = StopVerdict.CERTAIN
    hits = sum(expected == certain and verdict is certain for expected, verdict in judged)
    given = sum(verdict is certain for _, verdict in judged)
    wanted = sum(expected == certain for expected, _ in judged)
    silent = sum(expected == certain and verdict is StopVerdict.NONE for expected, verdict in judged)
    remark = (
        f"{len(rows)} labelled replies: precision {hits / given:.1%}, recall {hits / wanted:.1%} (strict);"
        f" {silent} of {wanted} refusals neither obeyed nor shown to a person"
    )
    return Balance(messages=len(rows), remark=remark)


def fill(made: Gateway, serial: str, messages: list[tuple[str, str]]) -> None:
    """Put messages into a phone's inbox."""
    for start in range(0, len(messages), _FILL_AT_ONCE):
        rows = [{"from": to, "text": text} for to, text in messages[start : start + _FILL_AT_ONCE]]
        made.control("POST", f"/phones/{serial}/messages", {"messages": rows})


def stored(made: Gateway, text: str | None = None) -> int:
    """How many messages came in, or how many of one text."""
    condition = "" if text is None else "WHERE text = ?"
    values = () if text is None else (text,)
    return int(made.ask(f"SELECT count(*) FROM inbound {condition}", *values)[0][0])  # noqa: S608


def opted_out(made: Gateway, numbers: tuple[str, ...] | list[str]) -> int:
    """How many of these numbers have opted out."""
    marks = ", ".join("?" * len(numbers))
    query = f"SELECT count(DISTINCT msisdn) FROM opt_out WHERE msisdn IN ({marks})"  # noqa: S608
    return int(made.ask(query, *numbers)[0][0])


def stored_after(made: Gateway, came_s: dict[str, float]) -> list[float]:
    """For each number whose STOP is stored, how many seconds after it had come."""
    rows = made.ask("SELECT i.msisdn, i.stored_at FROM opt_out o JOIN inbound i ON i.id = o.inbound_id")
    moments = {number: datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() for number, at in rows}
    return [max(0.0, moments[number] - came) for number, came in came_s.items() if number in moments]


def _person(n: int) -> str:
    return f"+4207{n:08d}"
