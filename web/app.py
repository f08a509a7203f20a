"""The Flask application: what every page has in common, security first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, abort, request
from flask_wtf.csrf import CSRFProtect
from werkzeug.routing import IntegerConverter

# No inline script or style, nothing from elsewhere, no framing.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_MAX_BODY_BYTES = 8 * 1024 * 1024
MOST_ID = 2**31 - 1
"""The largest id that every database can be asked for: PostgreSQL's integers have 32 bits."""
# More digits than it has; Python refuses to read thousands of them.
_LONGEST_ID = 20


class _Id(IntegerConverter):
    """The number of something in a path; what is larger than any id stands for the largest, and so for nothing."""

    def to_python(self, value: str) -> int:
        """See IntegerConverter."""
        return min(int(super().to_python(value[:_LONGEST_ID])), MOST_ID)


def create_app(
    blueprints: Iterable[Blueprint],
    *,
    secret: str,
    allowed_hosts: Sequence[str],
    csrf: bool = True,
    is_bare: bool = False,
    max_body_bytes: int = _MAX_BODY_BYTES,
) -> Flask:
    """Put an application together.

    `allowed_hosts` are the names that a Host header may hold; `csrf` is off only for the API on the daemon's socket,
    which no browser reaches, and for the gateway, which knows no cookies. `is_bare` leaves out what no blueprint asks
    for: the site's files and answers to OPTIONS.
    """
    app = Flask(__name__, static_folder=None if is_bare else "static")
    app.config.update(
        SECRET_KEY=secret,
        PROVIDE_AUTOMATIC_OPTIONS=not is_bare,
        TRUSTED_HOSTS=list(allowed_hosts),
        MAX_CONTENT_LENGTH=max_body_bytes,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_HTTPONLY=True,
        # A status page stays open for days; its form must still work.
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.url_map.converters["int"] = _Id
    app.json.sort_keys = False  # type: ignore[attr-defined]
    if csrf:
        CSRFProtect(app)
        app.before_request(_refuse_foreign_origin)
    app.after_request(_add_headers)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app


def _refuse_foreign_origin() -> None:
    """A form of another site may not change anything here, whatever token it found."""
    if request.method in _SAFE_METHODS:
        return
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        abort(403, "this request comes from another site")
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        abort(403, "this request comes from another site")


def _add_headers(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-cache")
    return response
