"""Whether phones will find the gateway where a pairing code sends them: one look, as a phone would take it."""

from __future__ import annotations

import http.client
import json
import queue
import socket
import ssl
import threading
from urllib.parse import urlsplit

from host_controller.errors import CannotPairError

LIMIT_S = 5.0
"""For all of it, the names too."""
_MOST_BYTES = 10_000
_ADVICE = "docs/gateway.md has a recipe; `--no-check` pairs without this look"


def check_reach(url: str, *, limit_s: float = LIMIT_S, context: ssl.SSLContext | None = None) -> None:
    """See that the gateway answers at an https URL. Raises CannotPairError that says what is in the way.

    A redirect is in the way: the app's POST would be lost on it. So is a proxy of this computer's own: it is not asked.
    """
    outcome: queue.Queue[str | None] = queue.Queue(1)
    # Looking up a name knows no limit, so it is done where nobody must wait for it.
    look = threading.Thread(
        target=lambda: outcome.put(_obstacle(url, limit_s, context)), name="reach check", daemon=True
    )
    look.start()
    try:
        obstacle = outcome.get(timeout=limit_s)
    except queue.Empty:
        obstacle = f"nothing answered within {limit_s:g} s"
    if obstacle is not None:
        raise CannotPairError(f"no phone would reach {url}: {obstacle}; {_ADVICE}")


def _obstacle(url: str, limit_s: float, context: ssl.SSLContext | None) -> str | None:
    """Say what is in the way, or None."""
    parts = urlsplit(url)
    connection = http.client.HTTPSConnection(
        parts.hostname or "", parts.port, timeout=limit_s, context=context or ssl.create_default_context()
    )
    try:
        connection.request("GET", f"{parts.path}/healthz", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        return _obstacle_in(answer.status, answer.getheader("Location"), answer.read(_MOST_BYTES))
    except ssl.SSLCertVerificationError as error:
        return f"the certificate is not one that Android trusts ({error.verify_message})"
    except ssl.SSLError as error:
        return f"it does not speak TLS as it should ({error.reason or error})"
    except TimeoutError:
        return f"nothing answered within {limit_s:g} s"
    except socket.gaierror as error:
        return f"its name is not known ({error.strerror})"
    except OSError as error:
        return f"no connection ({error.strerror or error})"
    except http.client.HTTPException as error:
        return f"it does not speak HTTP as it should ({type(error).__name__})"
    finally:
        connection.close()


def _obstacle_in(status: int, location: str | None, body: bytes) -> str | None:
    if 300 <= status < 400:
        to = f" to {location}" if location else ""
        return f"it redirects{to}, on which what the app reports would be lost; write the last address itself"
    said = _status_in(body)
    if said == "trouble":
        return "the gateway is there, but its database is in trouble; `smsrack status` tells"
    if status != http.HTTPStatus.OK:
        return f"/healthz answers {status}; the reverse proxy must forward it to gateway.port"
    if said != "ok":
        return "something else answers there; the reverse proxy must forward /healthz to gateway.port"
    return None


def _status_in(body: bytes) -> object:
    try:
        return json.loads(body)["status"]
    except (ValueError, KeyError, TypeError):
        return None
