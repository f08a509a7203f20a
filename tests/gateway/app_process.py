"""The process of the SMS Gateway app, version 1.7.1: what it does and when, and all that a crash takes from it.

Timers, batches and the order of things are those of its Kotlin service, with its habits: one batch for each trigger,
nothing on record before a message has gone, a poll before the reconciliation.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.gateway.app_phone import AppPhone

Json = dict[str, Any]
POLL_S, HEARTBEAT_S, FIRST_HEARTBEAT_S, SYNC_S, SWEEP_S, STALE_S = 10.0, 60.0, 5.0, 3.0, 30.0, 60.0
BATCH, SYNC_BATCH, FIRST_RATE, FCM_EVERY = 20, 50, 100, 10
TIMEOUT = "TIMEOUT_0of1_parts_sent_0_failed"


class CrashError(Exception):
    """The process dies here."""


@dataclass
class StatusRow:
    """A line of sms_status_log."""

    status: str
    error: str | None
    synced: bool = False
    attempts: int = 0

    def is_due(self, slot: int) -> bool:
        """Whether it is tried in this 3-second slot of the clock."""
        limits = ((3, 1), (6, 10), (10, 100))
        return slot % next((every for below, every in limits if self.attempts < below), 600) == 0


class App:
    """The app's process: all of this is lost when it dies."""

    def __init__(self, phone: AppPhone) -> None:
        self.phone = phone
        self._rate, self._is_dirty = FIRST_RATE, True
        self._is_polling, self._polled_s, self._heartbeats = False, 0.0, 0
        self._is_rescanned = False
        self._batch: list[Json] = []
        self._trackers: dict[int, float] = {}
        """When each message was handed to Android that has no result yet."""

    def unfinished(self) -> set[int]:
        """What it has of messages in its memory alone."""
        return {sms["id"] for sms in self._batch} | set(self._trackers)

    def start(self) -> None:
        """It polls before it reconciles: FLAWS 8, and APP section 10."""
        self._soon(0, self._poll_and_go_on)
        self._soon(0.1, self._reconcile)
        self._soon(FIRST_HEARTBEAT_S, self._heartbeat)
        self._soon(SYNC_S, self._sync)
        self._soon(SWEEP_S, self._sweep)

    def _soon(self, pause_s: float, work: Callable[[], None]) -> None:
        self.phone.after(pause_s, work, self)

    def _post(self, route: str, body: Json) -> Json | None:
        self.phone.breathe()
        answer = self.phone.post(route, body)
        try:
            self.phone.breathe()
        except CrashError:
            self.phone.in_doubt |= {sms["id"] for sms in (answer or {}).get("sms_list", ())}
            raise
        return answer

    # Sending
    def _poll_and_go_on(self) -> None:
        self._soon(POLL_S, self._poll_and_go_on)
        self._poll()

    def _poll(self) -> None:
        if self._is_polling:
            return
        self._polled_s = time.monotonic()
        answer = self._post("pending", {"phone_numbers": [self.phone.number], "limit": BATCH})
        self._batch = list(answer["sms_list"]) if answer and answer["success"] else []
        self._is_polling = bool(self._batch)
        if self._batch:
            self._send_next()
        elif answer:
            self._rescan()

    def _send_next(self) -> None:
        """One batch for each trigger; the pause comes after the send, and not after the last."""
        sms = self._batch[0]
        if not isinstance(sms["phone_number"], str) or not isinstance(sms["message"], str):
            raise TypeError("the app never gets over a null here")
        self.phone.breathe()
        self._trackers[sms["id"]] = time.monotonic()
        self.phone.submit(sms, lambda error: self._finalize(sms["id"], error), self)
        self._batch.pop(0)
        self.phone.breathe()
        self._is_polling = bool(self._batch)
        if self._batch:
            self._soon(max(0.1, 60 / self._rate) if self._rate > 0 else 0.6, self._send_next)

    def _finalize(self, message_id: int, error: str | None) -> None:
        if self._trackers.get(message_id) is None:
            return  # late results are dropped
        self.phone.breathe()
        del self._trackers[message_id]
        # REPLACE: the row is the newest one again.
        self.phone.rows.pop(message_id, None)
        self.phone.rows[message_id] = StatusRow("error" if error else "sent", error)
        self._is_dirty = True
        self.phone.breathe()

    def _sweep(self) -> None:
        self._soon(SWEEP_S, self._sweep)
        limit_s = time.monotonic() - STALE_S * self.phone.scale
        for message_id in [id_ for id_, at_s in self._trackers.items() if at_s < limit_s]:
            self.phone.in_doubt.add(message_id)
            self._finalize(message_id, TIMEOUT)

    # Telling
    def _sync(self) -> None:
        self._soon(SYNC_S, self._sync)
        if not self._is_dirty:
            return
        unsynced = [(id_, row) for id_, row in self.phone.rows.items() if not row.synced][:SYNC_BATCH]
        self._is_dirty = bool(unsynced)
        slot = int(time.monotonic() / self.phone.scale / SYNC_S)
        due = {id_: row for id_, row in unsynced if row.is_due(slot)}
        if not due:
            return
        results = [
            {"id": id_, "status": row.status} | ({"error_message": row.error} if row.error else {})
            for id_, row in due.items()
        ]
        answer = self._post("confirm-batch", {"results": results})
        if answer is None or not answer["success"]:
            for row in due.values():
                row.attempts += 1
            return
        for id_ in answer.get("ack_ids", due):
            self.phone.rows[id_].synced = True
        self._take_counters(answer)

    def _reconcile(self) -> None:
        known = [id_ for id_, row in self.phone.rows.items() if not row.synced]
        if known and (answer := self._post("reconcile", {"known_ids": known})):
            for id_ in answer["already_confirmed_ids"] + answer.get("not_found_ids", []):
                self.phone.rows[id_].synced = True

    def _heartbeat(self) -> None:
        self._soon(HEARTBEAT_S, self._heartbeat)
        unsynced = sum(not row.synced for row in self.phone.rows.values())
        answer = self._post("heartbeat", {"phone_numbers": [self.phone.number], "unsynced_count": unsynced})
        if not answer:
            return
        self._heartbeats += 1
        if self._heartbeats % FCM_EVERY == 0:
            self._post("register-fcm", {"fcm_token": "a token"})
        self._rate = answer["rate_limit"] if answer.get("rate_limit", 0) > 0 else self._rate
        self._take_counters(next(iter(answer.get("phone_stats", {}).values()), {}))
        is_old = time.monotonic() - self._polled_s > HEARTBEAT_S * self.phone.scale
        if sum(answer["pending_count"].values()) > 0 and is_old:
            self._poll()

    def _take_counters(self, answer: Json) -> None:
        if "sent_today" in answer:
            self.phone.counters = {name: answer[name] for name in ("sent_today", "sent_month", "sent_total")}

    # What came in before
    def _rescan(self) -> None:
        """On the first idle poll after a start: all since the last success, each address and text once."""
        if self._is_rescanned:
            return
        began_s = time.monotonic()
        found = dict.fromkeys((who, text) for at_s, who, text in self.phone.inbox if at_s >= self.phone.checked_until_s)
        messages = [{"from_number": who, "message": text, "to_number": ""} for who, text in found]
        if not messages or self._post("inbound-batch", {"messages": messages}) is not None:
            self._is_rescanned, self.phone.checked_until_s = True, began_s
