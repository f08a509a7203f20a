"""B6: what the APIs take in a second: messages from programs, reports and received messages from remote phones."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.drain import NO_LIMIT
from benchmarks.figures import machine, save
from benchmarks.host import Host, Message, numbered_messages
from benchmarks.rack import cpu_s, free_port
from benchmarks.runs import REPEATS, middle, percentile
from host_controller.client import ApiClient

CALLS = int(os.environ.get("SMSRACK_BENCH_CALLS", "4000"))
CLIENTS = 16
_BULK, _REPORTS = 1000, 50
_CALL_LIMIT_S = 60.0
_HANDED = 100
"""The most that a phone is handed at once."""
_CALLS_PER_MINUTE = 100_000
_LOOPBACK = "127.0.0.1"
_PASS_SINGLE, _PASS_BULK = 300, 10_000
Body = dict[str, Any]
Connect = Callable[[], http.client.HTTPConnection]


class _SocketConnection(http.client.HTTPConnection):
    """HTTP on a UNIX socket."""

    def __init__(self, path: Path) -> None:
        super().__init__(_LOOPBACK, timeout=_CALL_LIMIT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass(frozen=True)
class Client:
    """Somebody with one connection that stays open, and what they will post, one call after the other."""

    connect: Connect
    path: str
    headers: dict[str, str]
    bodies: Sequence[bytes]
    expected: int

    def post_all(self, start: threading.Barrier) -> list[float]:
        """Post everything from the common start on; give what each call took. Raises RuntimeError."""
        connection = self.connect()
        connection.connect()
        took_s = []
        start.wait()
        for body in self.bodies:
            began_s = time.monotonic()
            connection.request("POST", self.path, body, {"Content-Type": "application/json"} | self.headers)
            answer = connection.getresponse()
            said = answer.read()
            took_s.append(time.monotonic() - began_s)
            if answer.status != self.expected:
                raise RuntimeError(f"{self.path} answered {answer.status}: {said[:200]!r}")
        connection.close()
        return took_s


def at_once(host: Host, clients: Sequence[Client]) -> dict[str, float]:
    """Let all clients post at the same time; give calls a second, what one takes, and what it costs the daemon."""
    start = threading.Barrier(len(clients) + 1)
    took_s: list[list[float]] = []
    failures: list[Exception] = []

    def work(client: Client) -> None:
        try:
            took_s.append(client.post_all(start))
        except Exception as error:
            failures.append(error)
            start.abort()

    threads = [threading.Thread(target=work, args=(client,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    cpu_before_s, began_s = cpu_s(host.process.pid), time.monotonic()
    with suppress(threading.BrokenBarrierError):
        start.wait(_CALL_LIMIT_S)
    for thread in threads:
        thread.join()
    passed_s, used_s = time.monotonic() - began_s, cpu_s(host.process.pid) - cpu_before_s
    if failures:
        raise failures[0]
    each_s = list(itertools.chain(*took_s))
    return {
        "calls": len(each_s),
        "per_s": len(each_s) / passed_s,
        "p50_ms": 1000 * percentile(each_s, 50),
        "p99_ms": 1000 * percentile(each_s, 99),
        "daemon_ms": 1000 * used_s / len(each_s),
    }


@dataclass(frozen=True)
class _Phone:
    name: str
    key: str


class Bench:
    """A daemon without phones on cables, and remote phones that fetch as fast as they are let."""

    def __init__(self, home: Path) -> None:
        self.host = Host(home, (), NO_LIMIT)
        self.port = free_port()
        self.host.config.write_text(self.host.config.read_text() + f"[gateway]\nport = {self.port}\n")
        self.api: ApiClient
        self._numbers = itertools.count()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the daemon for as long as the block lasts."""
        with self.host.running(), self.host.calls() as self.api:
            yield

    def messages(self, count: int) -> list[Message]:
        """Messages, each to a number that nothing was sent to."""
        first = next(itertools.islice(self._numbers, count - 1, None)) - count + 1
        return numbered_messages(count, first)

    # What is measured
    def singles(self) -> dict[str, float]:
        """One message for each call, from 16 programs."""
        bodies = [
            [_json({"number": to, "text": text}) for to, text in self.messages(CALLS // CLIENTS)] for _ in _clients()
        ]
        return at_once(self.host, [self._program(own, 202) for own in bodies])

    def bulks(self) -> dict[str, float]:
        """A thousand messages for each call, from one program."""
        bodies = [_json({"messages": self._asked(self.messages(_BULK))}) for _ in range(max(1, CALLS // 200))]
        return at_once(self.host, [self._program(bodies, 200)])

    def reports(self) -> dict[str, float]:
        """What became of 50 messages for each call, from 16 phones, as the app tells it."""
        clients = []
        for _ in _clients():
            phone, calls = self._phone(), max(1, CALLS // CLIENTS // 20)
            ids = self._hand_over(phone, calls * _REPORTS)
            results = [
                [{"id": id_, "status": "sent"} for id_ in ids[n : n + _REPORTS]] for n in range(0, len(ids), _REPORTS)
            ]
            clients.append(self._app(phone, "confirm-batch", [_json({"results": own}) for own in results]))
        return at_once(self.host, clients)

    def received(self) -> dict[str, float]:
        """One message that came in for each call, from 16 phones."""
        clients = []
        for _ in _clients():
            came = self.messages(CALLS // CLIENTS)
            bodies = [_json({"from_number": who, "message": text, "to_number": ""}) for who, text in came]
            clients.append(self._app(self._phone(), "inbound", bodies))
        return at_once(self.host, clients)

    # Who posts
    def _program(self, bodies: Sequence[bytes], expected: int) -> Client:
        return Client(
            lambda: _SocketConnection(self.host.data_dir / "api.sock"), "/api/v1/messages", {}, bodies, expected
        )

    def _app(self, phone: _Phone, route: str, bodies: Sequence[bytes]) -> Client:
        return Client(self._connect, f"/sms-gateway/{route}", {"X-API-Key": phone.key}, bodies, 200)

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(_LOOPBACK, self.port, timeout=_CALL_LIMIT_S)

    def _phone(self) -> _Phone:
        ((number, _),) = self.messages(1)
        name = f"remote{number}".replace("+", "-")
        limits = {"parts_per_minute": NO_LIMIT, "parts_per_day": None}
        self.api.call("POST", "/remote-phones", {"name": name, "numbers": [number], **limits})
        key = self.api.call("POST", f"/remote-phones/{name}/keys", {"calls_per_minute": _CALLS_PER_MINUTE})
        return _Phone(name, key["key"])

    def _hand_over(self, phone: _Phone, count: int) -> list[int]:
        """Queue messages for a phone, and let it fetch them."""
        for start in range(0, count, _BULK):
            asked = self._asked(self.messages(min(_BULK, count - start)), phone=phone.name)
            self.api.call("POST", "/messages", {"messages": asked})
        connection, ids = self._connect(), []
        headers = {"Content-Type": "application/json", "X-API-Key": phone.key}
        while len(ids) < count:
            connection.request("POST", "/sms-gateway/pending", _json({"limit": _HANDED}), headers)
            handed = json.load(connection.getresponse())["sms_list"]
            if not handed:
                raise RuntimeError(f"{len(ids)} of {count} messages were handed over, and no more")
            ids += [sms["id"] for sms in handed]
        connection.close()
        return ids

    @staticmethod
    def _asked(messages: Sequence[Message], **terms: str) -> list[Body]:
        return [{"number": to, "text": text, **terms} for to, text in messages]


def _json(body: Body) -> bytes:
    return json.dumps(body).encode()


def _clients() -> range:
    return range(CLIENTS)


_ROWS: tuple[tuple[str, int, int, Callable[[Bench], dict[str, float]], int | None], ...] = (
    ("one message, durable", CLIENTS, 1, Bench.singles, _PASS_SINGLE),
    (f"{_BULK:,} messages, durable", 1, _BULK, Bench.bulks, _PASS_BULK),
    (f"a phone reports on {_REPORTS}", CLIENTS, _REPORTS, Bench.reports, None),
    ("a phone has received one", CLIENTS, 1, Bench.received, None),
)


def measure() -> dict[str, dict[str, float]]:
    """Measure all rows once, on a fresh database; by name."""
    with tempfile.TemporaryDirectory(prefix="sr") as home:
        bench = Bench(Path(home))
        with bench.running():
            return {name: work(bench) for name, _, _, work, _ in _ROWS}


def main() -> None:
    """Measure."""
    about, runs = machine(), []
    for number in range(REPEATS):
        runs.append(measure())
        print(f"run {number + 1}: {runs[-1]}", file=sys.stderr)
    rows = []
    for name, clients, items, _, enough in _ROWS:
        row: Body = middle([run[name] for run in runs])
        row |= {"name": name, "clients": clients, "calls": int(row["calls"]), "items_per_s": int(row["per_s"] * items)}
        if enough is not None:
            row["reached"] = f"{'yes' if row['items_per_s'] >= enough else 'no'}: ≥ {enough:,} a second"
        rows.append(row)
    columns = [
        ["name", "a call"],
        ["clients", "callers"],
        ["calls", "calls"],
        ["per_s", "calls a second"],
        ["items_per_s", "messages a second"],
        ["p50_ms", "p50, ms"],
        ["p99_ms", "p99, ms"],
        ["daemon_ms", "CPU daemon, ms a call"],
        ["reached", "enough"],
    ]
    note = (
        "B6: SQLite, each answer after a durable commit; callers are threads of one process that shares the cores with"
        " the daemon, each with one connection that stays open. Programs use the UNIX socket, phones the gateway's port"
        f" with a key. Median of {REPEATS}."
    )
    save("api", {"machine": about, "note": note, "columns": columns, "rows": rows})


if __name__ == "__main__":
    main()
