"""HTTP answers with a limit for the whole: urllib's own is one for each piece, and lets a trickle go on for ever."""

from __future__ import annotations

import io
import time
from http.cookiejar import CookieJar
from typing import Any
from urllib.request import HTTPCookieProcessor, Request, build_opener

_CHUNK = 65_536


class DeadlineOpener:
    """Opens addresses as odoorpc's own opener does, cookies included, and reads what is answered."""

    def __init__(self) -> None:
        self._opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def open(self, request: Request, timeout: float) -> io.BytesIO:
        """Give the body of the answer. Raises TimeoutError, after twice `timeout` (seconds) at most, and OSError."""
        deadline_s = time.monotonic() + timeout
        body = io.BytesIO()
        response: Any  # an HTTPResponse; what reads a file has less
        with self._opener.open(request, timeout=timeout) as response:
            while piece := response.read1(_CHUNK):
                body.write(piece)
                if time.monotonic() > deadline_s:
                    raise TimeoutError("the answer takes too long")
        body.seek(0)
        return body
