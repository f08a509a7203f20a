"""The module `sms_gateway` in a fake Odoo: its phones, their queue, what they tell, and its faults as recorded.

Answers have the shape and the meaning of version 18.0.2.8.0. Wrong there and here alike: counters that never count, a
queue in no order, waiting messages that are handed out twice, and results that go backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from odoo_sync.fake.gateway_inbox import ModuleError, ModuleInbox, Phone, Reply, refusal
from odoo_sync.fake.gateway_phones import add_sms_gateway
from odoo_sync.fake.model import FakeOdoo
from odoo_sync.fake.sms import Sms

_STUCK_AFTER = timedelta(minutes=30)
_MOST = 100
_DEFAULT_LIMIT = 20


@dataclass
class Queued:
    """What the module adds to a row of sms.sms."""

    phone_id: int
    write_date: datetime
    gateway_state: str = "pending"
    sim_number: str = ""
    told: list[str] = field(default_factory=list)
    """Every status that was told of it, in order."""
    handed_out: int = 0


class GatewayModule(ModuleInbox):
    """The module in one database. Guarded by the database's lock."""

    def __init__(self, odoo: FakeOdoo, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__(odoo, clock)
        self.phones: dict[int, Phone] = {}
        self.queue: dict[int, Queued] = {}
        add_sms_gateway(odoo, self.phones)
        odoo.made_mailings.hand_over = lambda phone, rows: self.hand_over(self.phones[phone], rows)

    def add_phone(self, name: str, number: str, number_2: str | bool = False) -> Phone:
        """Register a phone, with a key."""
        phone = Phone(len(self.phones) + 1, name, number, number_2)
        self.phones[phone.id] = phone
        return phone

    def add_mailing(self, phone: Phone, recipients: Sequence[tuple[str, str]], sim_number: str = "") -> list[Sms]:
        """Queue (number, body) pairs for a phone."""
        with self.odoo.lock:
            rows = self.odoo.add_mailing(recipients)
            self.hand_over(phone, rows, sim_number)
            return rows

    def hand_over(self, phone: Phone, rows: Sequence[Sms], sim_number: str = "") -> None:
        """Let what waits in Odoo's queue wait for a phone; their traces say `pending` at once, as in the module.

        With no phone online they fail at once. What was cancelled at once does not wait.
        """
        with self.odoo.lock:
            for row in rows:
                if row.state == "canceled":
                    continue
                if phone.state != "online":
                    self.odoo.set_error(row, "sms_server")
                    continue
                row.state = "pending"
                self.queue[row.id] = Queued(phone.id, self._clock(), sim_number=sim_number)
                self.odoo.reach([self.odoo.traces[row.uuid]], "pending")

    def reset_stuck(self) -> int:
        """Its cron of every five minutes: what has not been written to for 30 minutes waits again."""
        with self.odoo.lock:
            cutoff = self._clock() - _STUCK_AFTER
            stuck = [
                queued
                for sms_id, queued in self.queue.items()
                if queued.gateway_state in ("processing", "sending")
                and queued.write_date < cutoff
                and self.odoo.sms[sms_id].state == "pending"
            ]
            for queued in stuck:
                queued.gateway_state, queued.write_date = "pending", self._clock()
            return len(stuck)

    def answer(self, path: str, key: str | None, body: Any) -> Reply:
        """Answer one call; `body` is None where it was no JSON."""
        with self.odoo.lock:
            phone = next((phone for phone in self.phones.values() if key and phone.api_key == key), None)
            if phone is None:
                return 401, refusal("Invalid API key")
            name, _, argument = path.partition("/")
            handler = getattr(self, f"_{name.replace('-', '_')}", None)
            if handler is None or bool(argument) != (name == "confirm"):
                return 404, {}
            said = {} if body is None else body
            if not isinstance(said, dict):
                return 500, refusal(f"'{type(said).__name__}' object has no attribute 'get'")
            try:
                result: Reply = handler(phone, said, int(argument)) if argument else handler(phone, said)
            except (ModuleError, TypeError) as error:
                return 500, refusal(str(error))
            return result

    def _heartbeat(self, phone: Phone, said: dict[str, Any]) -> Reply:
        phone.state, phone.last_heartbeat = "online", self._clock()
        phone.battery_level = said.get("battery_level", phone.battery_level)
        phone.signal_strength = said.get("signal_strength", phone.signal_strength)
        numbers = [number for number in (phone.phone_number, phone.phone_number_2) if number]
        waiting = len(self._of(phone, "pending"))
        stats = {**_COUNTERS, "daily_limit": phone.daily_limit, "monthly_limit": 0}
        return 200, {
            "success": True,
            "pending_count": dict.fromkeys(numbers, waiting),
            "rate_limit": phone.rate_limit,
            "phone_stats": dict.fromkeys(numbers, stats),
        }

    def _pending(self, phone: Phone, said: dict[str, Any]) -> Reply:
        limit = min(said.get("limit", _DEFAULT_LIMIT), _MOST)
        if limit < 0:
            raise ModuleError("LIMIT must not be negative\n")
        queued = len(self._of(phone, "pending", "processing", "sending"))
        if phone.daily_limit and phone.daily_limit <= queued:
            return 200, {"success": True, "sms_list": [], "limit_reached": True}
        taken = self._of(phone, "pending")[:limit]
        for sms_id in taken:
            # Not its write_date: that is why the cron takes it for stuck.
            self.queue[sms_id].gateway_state = "processing"
            self.queue[sms_id].handed_out += 1
        shuffled = taken[1::2] + taken[::2]
        return 200, {"success": True, "sms_list": [self._handed(sms_id) for sms_id in shuffled]}

    def _handed(self, sms_id: int) -> dict[str, Any]:
        row = self.odoo.sms[sms_id]
        return {
            "id": sms_id,
            "phone_number": row.number,
            "message": row.body,
            "uuid": row.uuid,
            "gateway_phone_number": self.queue[sms_id].sim_number,
        }

    def _confirm(self, phone: Phone, said: dict[str, Any], sms_id: int) -> Reply:
        status = said.get("status")
        if status not in ("sending", "sent", "error"):
            return 400, refusal("Invalid status. Must be: sending, sent, or error")
        if not self._owns(phone, sms_id):
            return 404, refusal("SMS not found or unauthorized")
        self._update(sms_id, status)
        return 200, {"success": True, **(_COUNTERS if status == "sent" else {})}

    def _confirm_batch(self, phone: Phone, said: dict[str, Any]) -> Reply:
        results = said.get("results")
        if not results or not isinstance(results, list):
            return 400, refusal("results list is required")
        acked, errors = [], []
        for result in results:
            if result.get("status") not in ("sent", "error"):
                errors.append({"id": result.get("id"), "error": "Invalid id or status"})
            elif not self._owns(phone, result["id"]):
                errors.append({"id": result["id"], "error": "Not found or unauthorized"})
            else:
                self._update(result["id"], result["status"])
                acked.append(result["id"])
        answer = {"success": True, "processed": len(acked), "ack_ids": acked, **({"errors": errors} if errors else {})}
        return 200, {**answer, **_COUNTERS, "daily_limit": phone.daily_limit, "monthly_limit": 0}

    def _reconcile(self, phone: Phone, said: dict[str, Any]) -> Reply:
        known = said.get("known_ids", [])
        if not isinstance(known, list):
            return 400, refusal("known_ids must be a list")
        if not known:
            return 200, {"success": True, "already_confirmed_ids": [], "stuck_ids": []}
        own = [sms_id for sms_id in known if self._owns(phone, sms_id)]
        ended = [sms_id for sms_id in own if self.odoo.sms[sms_id].state in ("sent", "error")]
        stuck = [i for i in own if i not in ended and self.queue[i].gateway_state in ("processing", "sending")]
        return 200, {
            "success": True,
            "already_confirmed_ids": ended,
            "stuck_ids": stuck,
            "not_found_ids": [sms_id for sms_id in known if sms_id not in own],
        }

    def _stats(self, phone: Phone, said: dict[str, Any]) -> Reply:
        shown = {name: getattr(phone, name) for name in ("id", "name", "phone_number", "phone_number_2", "state")}
        limits = {"daily_limit": phone.daily_limit, "monthly_limit": 0, "rate_limit": phone.rate_limit}
        waiting = len(self._of(phone, "pending", "processing", "sending"))
        return 200, {"success": True, "phones": [{**shown, **_COUNTERS, **limits, "pending_count": waiting}]}

    def _update(self, sms_id: int, status: str) -> None:
        row, queued = self.odoo.sms[sms_id], self.queue[sms_id]
        trace = self.odoo.traces[row.uuid]
        queued.gateway_state, queued.write_date = status, self._clock()
        queued.told.append(status)
        if status == "sent":
            row.state, row.failure_type = "sent", False
            trace.trace_status, trace.failure_type = "sent", False
            trace.sent_datetime = self._clock().strftime("%Y-%m-%d %H:%M:%S")
        elif status == "error":
            row.state, row.failure_type = "error", "sms_server"
            trace.trace_status, trace.failure_type = "error", "sms_server"

    def _owns(self, phone: Phone, sms_id: int) -> bool:
        return sms_id in self.queue and sms_id in self.odoo.sms and self.queue[sms_id].phone_id == phone.id

    def _of(self, phone: Phone, *states: str) -> list[int]:
        return [
            sms_id
            for sms_id, queued in self.queue.items()
            if queued.phone_id == phone.id
            and queued.gateway_state in states
            and sms_id in self.odoo.sms
            and self.odoo.sms[sms_id].state == "pending"
        ]


# NULL in the database, and NULL + 1 is NULL.
_COUNTERS = {"sent_today": 0, "sent_month": 0, "sent_total": 0}
