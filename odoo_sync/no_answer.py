"""Why an Odoo did not answer, in words for a person who can mend it. Knows no library but the standard one."""

from __future__ import annotations

import socket
import ssl
from urllib.error import HTTPError, URLError


def why_no_answer(error: Exception) -> str:
    """Say what went wrong on the way there; no word of an answer, of a number or of a secret."""
    if isinstance(error, HTTPError):
        return f"HTTP {error.code}"
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        return why_no_answer(error.reason)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "it does not speak TLS as it should; is it http:// there?"
    if isinstance(error, socket.gaierror):
        return "no host of that name is known"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
