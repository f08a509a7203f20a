"""Who calls the gateway: a device's key, and how often an address may show a wrong one."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import math
import time
from collections.abc import Mapping
from typing import Any

from flask import request
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from host_controller.access.device_keys import Device, find_device, note_used
from host_controller.errors import StoreError
from web.gateway_input import RefusedError, read_object
from web.services import Services

_log = logging.getLogger(__name__)
HEADER = "X-API-Key"
# An IPv6 customer has a whole network of addresses.
_V6_NETWORK_BITS = 64
_LONGEST_KEY = 256


class Gatekeeper:
    """Finds out whose request it is. Thread-safe.

    The key is looked at first and the address only where it is wrong: 256 random bits are not guessed, and behind a
    proxy that is not set up all phones come from one address. One of them with an old key must not lock out the others.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings = services.settings.gateway
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._wrong = RateLimitItemPerMinute(self._settings.wrong_keys_per_minute)

    def admit(self, missing_words: str) -> Device:
        """Give whose request this is. Raises RefusedError."""
        secret = self._secret()
        if not secret:
            raise RefusedError(401, missing_words)
        now = self._services.clock()
        with self._services.store.reading() as session:
            device = find_device(session, secret, now) if _is_plain(secret) else None
        if device is None:
            raise self._refuse_wrong()
        calls = RateLimitItemPerMinute(device.calls_per_minute)
        if not self._limiter.hit(calls, "key", str(device.key_id)):
            raise RefusedError(429, "Too many requests", retry_after_s=self._wait_s(calls, "key", str(device.key_id)))
        if not device.is_noted:
            self._note_used(device)
        return device

    def _secret(self) -> str:
        secret = request.headers.get(HEADER, "").strip()
        if secret or not self._settings.body_keys:
            return secret
        try:
            body = read_object()
        except RefusedError:
            return ""  # without a key nobody is told more
        return _key_in(body.get("params")) or _key_in(body)

    def _refuse_wrong(self) -> RefusedError:
        address = _address()
        if self._limiter.hit(self._wrong, "wrong", address):
            if not self._limiter.test(self._wrong, "wrong", address):
                _log.warning("%s shows wrong keys; for a minute they are answered 429", address)
            return RefusedError(401, "Invalid API key")
        return RefusedError(429, "Too many wrong API keys", retry_after_s=self._wait_s(self._wrong, "wrong", address))

    def _wait_s(self, item: RateLimitItem, *names: str) -> float:
        return max(1.0, math.ceil(self._limiter.get_window_stats(item, *names).reset_time - time.time()))

    def _note_used(self, device: Device) -> None:
        # Parallel calls of a device note it once: which one does not matter. That it was used stays unsaid where
        # nothing can be written; what the call itself is for may only read.
        if self._limiter.hit(_ONCE_A_MINUTE, "noted", str(device.key_id)):
            now = self._services.clock()
            with contextlib.suppress(StoreError):
                self._services.store.write(lambda session: note_used(session, device.key_id, now))


_ONCE_A_MINUTE = RateLimitItemPerMinute(1)


def _key_in(body: object) -> str:
    value: Any = body.get("api_key") if isinstance(body, Mapping) else None
    return value.strip() if isinstance(value, str) else ""


def _is_plain(secret: str) -> bool:
    return secret.isascii() and len(secret) <= _LONGEST_KEY


def _address() -> str:
    """Give where a request comes from; of IPv6 the network."""
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return "an unknown address"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, _V6_NETWORK_BITS), strict=False))
    return str(address)
