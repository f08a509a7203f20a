"""What every part of the API has in common: reading a request, and the one shape of an error."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar, get_args

from flask import request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from web.app import MOST_ID

Json = dict[str, Any]
Answer = Json | tuple[Json, int]
# As people name it, without blanks around.
Brand = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^\S(.*\S)?$")]
Reason = Annotated[str, Field(min_length=1, max_length=500)]
# No database has a larger one, and to be asked for it would break them.
Id = Annotated[int, Field(ge=0, le=MOST_ID)]
Model = TypeVar("Model", bound=BaseModel)
# Any other year is a mistake, and what is added to it must still be a time.
_EARLIEST, _LATEST = 2000, 2999


class Body(BaseModel):
    """A JSON object with exactly these fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ApiError(Exception):
    """A request that cannot be served."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def error_json(code: str, message: str) -> Json:
    """An error as the API writes it."""
    return {"error": {"code": code, "message": message}}


def read_json() -> Json:
    """Give the request's JSON object. Raises ApiError."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise ApiError(400, "bad_request", "send a JSON object with Content-Type: application/json")
    return body


def read_body(model: type[Model]) -> Model:
    """Give the request's JSON object, checked; no body at all is an empty object. Raises ApiError."""
    return checked(model, read_json() if request.content_length else {})


def checked(model: type[Model], values: Json) -> Model:
    """Check a body or a query. Raises ApiError that names the place, and the nearest field for an unknown one."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        # A misspelt field is also a missing one: its own name says more.
        first = min(found, key=lambda entry: entry["type"] != "extra_forbidden")
        place = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            known = _fields_at(model, len(first["loc"]))
            near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1, cutoff=0.0)
            hint = f"did you mean {near[0]!r}?" if near else "this takes none"
            raise ApiError(400, "bad_request", f"unknown field {place!r}; {hint}") from error
        raise ApiError(400, "bad_request", f"field {place!r}: {first['msg'].removeprefix('Value error, ')}") from error


def _fields_at(model: type[BaseModel], depth: int) -> list[str]:
    """Names of a model's fields, or of those of the objects in its list."""
    if depth == 1:
        return _names(model)
    inner = [kind for field in model.model_fields.values() for kind in get_args(field.annotation)]
    return [name for kind in inner if isinstance(kind, type) and issubclass(kind, BaseModel) for name in _names(kind)]


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _moment(value: object) -> datetime:
    try:
        if not isinstance(value, str):
            raise TypeError
        at = datetime.fromisoformat(value)
        if at.tzinfo is None or not _EARLIEST <= at.year <= _LATEST:
            raise ValueError
    except (TypeError, ValueError):
        raise ValueError("write a time with its zone, like 2026-12-01T09:00:00+01:00") from None
    return at.astimezone(UTC)


Moment = Annotated[datetime, BeforeValidator(_moment)]
"""A time in ISO 8601, with its zone."""
