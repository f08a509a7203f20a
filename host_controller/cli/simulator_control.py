"""A client of the simulator's control API."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from typing import Any

_LIMIT_S = 10.0


class SimulatorControl:
    """A client of one simulated rack."""

    def __init__(self, url: str, limit_s: float = _LIMIT_S) -> None:
        """`limit_s` is the longest time that one call may take."""
        self._url = url
        self._limit_s = limit_s

    def set_answers(self, answers: dict[str, str]) -> None:
        """Let subscribers answer the next message that they get."""
        self.call("PUT", "/answers", answers)

    def air(self) -> list[dict[str, Any]]:
        """Every part that left a SIM."""
        entries: list[dict[str, Any]] = self.call("GET", "/air")["air"]
        return entries

    @staticmethod
    def whole_messages(air: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
        """How often each (number, text) left with all of its parts."""
        texts: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
        for part in air:
            texts.setdefault((part["phone"], part["message"]), {})[part["part"]] = part
        counts: Counter[tuple[str, str]] = Counter()
        for parts in texts.values():
            first = next(iter(parts.values()))
            if len(parts) == first["parts"]:
                counts[first["to"], "".join(parts[n]["text"] for n in sorted(parts))] += 1
        return counts

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Make one call; give its JSON. Raises OSError."""
        request = urllib.request.Request(  # noqa: S310 - http on loopback, from our own child
            self._url + path,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=self._limit_s) as answer:  # noqa: S310
            value: dict[str, Any] = json.load(answer)
            return value
