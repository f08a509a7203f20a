"""The OpenAPI documents of the two APIs, served as they are shipped: `openapi/` beside this file."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response

_FOLDER = Path(__file__).with_name("openapi")
# RFC 9512.
_YAML_TYPE = "application/yaml"


def add_description(api: Blueprint, name: str) -> None:
    """Add `GET /openapi.yaml`: the document of that name, which describes this route too."""
    document = (_FOLDER / f"{name}.yaml").read_bytes()

    @api.get("/openapi.yaml")
    def description() -> Response:
        return Response(document, mimetype=_YAML_TYPE)
