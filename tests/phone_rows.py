"""Phones as rows, for tests of what stands above them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from host_controller.store.models import PhoneRecord, SimRecord


def phone_row(enrolled_at: datetime, number: int = 1, subscriptions: Sequence[int] = (0,), **values) -> PhoneRecord:
    """An enrolled phone, with a SIM of 20 parts a minute for each subscription id, slot by slot."""
    usual = {
        "hardware_serial": f"HW{number}",
        "adb_serial": f"A{number}",
        "manufacturer": "Maker",
        "model": "Model",
        "android_release": "14",
        "api_level": 34,
        "build_fingerprint": "fp",
        "send_only": False,
        "send_way": "isms",
        "capabilities": {},
        "guard_max_parts": 30,
        "guard_interval_s": 60,
        "inbox_date_ms": 0,
    }
    phone = PhoneRecord(**{**usual, **values}, enrolled_at=enrolled_at)
    phone.sims = [
        SimRecord(slot_index=slot, subscription_id=id_, active=True, parts_per_minute=20)
        for slot, id_ in enumerate(subscriptions)
    ]
    return phone
