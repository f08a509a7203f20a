"""What names a message that came in to an Odoo: the same after a restore, and when the inbox is read anew. Pure."""

from __future__ import annotations

import hashlib

from host_controller.store.models import InboundRecord


def key_of(inbound: InboundRecord, hardware_serial: str) -> str:
    """Give 40 hex digits, made from what names the message in its phone's own inbox."""
    name = f"{hardware_serial}/{inbound.row_id}/{inbound.row_date_ms}/{inbound.body_sha256}"
    return hashlib.sha256(name.encode()).hexdigest()[:40]
