"""Holds what the two APIs answer, and which bodies they take, against their OpenAPI documents.

The documents leave answers open, since clients are to live with new fields; here they are closed, so that a field
that is not described fails.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import jsonschema_rs
import yaml
from flask import request

FOLDER = Path(__file__).parents[1] / "web" / "openapi"
METHODS = ("get", "put", "post", "delete", "patch")
JSON = "application/json"
# What no schema can say.
_BEYOND = ("is not a time zone", "unable to parse raw data as a unicode string")
_OBJECTS = {"properties", "allOf", "$ref"}


def parameter(rule):
    """Give a path of Flask's map as OpenAPI writes it."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)


class Description:
    """One document; validators are made when they are first needed, and kept."""

    def __init__(self, name, prefix):
        self.document = yaml.load((FOLDER / f"{name}.yaml").read_text("utf-8"), yaml.CSafeLoader)
        self.prefix = prefix
        closed = {name: _closed(schema, inner=True) for name, schema in self.schemas.items()}
        self._open, self._closed = self.document["components"], {"schemas": closed}
        self._validators = {}

    @property
    def schemas(self):
        return self.document["components"]["schemas"]

    def operations(self):
        """Give every operation by method and path."""
        return {
            (method, path): item[method]
            for path, item in self.document["paths"].items()
            for method in METHODS
            if method in item
        }

    def parameters(self, method, path):
        """Give the parameters of an operation, by place and name."""
        item = self.document["paths"][path]
        found = map(self.resolved, [*item.get("parameters", []), *item[method].get("parameters", [])])
        return {(each["in"], each["name"]): each for each in found}

    def resolved(self, part):
        """Give what a reference stands for, or the part itself."""
        while "$ref" in part:
            names = part["$ref"].removeprefix("#/").split("/")
            part = functools.reduce(lambda value, name: value[name], names, self.document)
        return part

    def names_code(self, code):
        """Tell whether the description of errors names a code; clients are to live with new ones, so it is no enum."""
        return f"`{code}`" in self.schemas["Error"]["properties"]["error"]["properties"]["code"]["description"]

    def problems(self, key, schema, value, *, closed):
        """Give what is wrong with a value; `key` is the schema's place, by which its validator is kept."""
        if (key, closed) not in self._validators:
            components = self._closed if closed else self._open
            whole = {**(_closed(schema) if closed else schema), "components": components}
            # A document that is read by others has dates that are dates.
            self._validators[key, closed] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        return [
            f"{'.'.join(map(str, error.instance_path))}: {error.message}"
            for error in self._validators[key, closed].iter_errors(value)
        ]

    def judge(self, response, *, bodies):
        """Give what is not as described, of the request that is being answered, and of its answer."""
        rule, method = request.url_rule, request.method.lower()
        if rule is None or response.status_code == 405:
            return self._judge_error(response)
        path = parameter(rule.rule).removeprefix(self.prefix)
        operation = self.document["paths"].get(path, {}).get(method)
        if operation is None:
            return ["this operation is not described"]
        found = operation["responses"].get(str(response.status_code))
        if found is None:
            return [f"the status {response.status_code} is not described"]
        found = self.resolved(found)
        where = (method, path)
        return [
            *self._judge_answer((*where, response.status_code), found, response),
            *self._judge_headers(found, response),
            *(self._judge_request(where, operation, response) if bodies else []),
        ]

    def _judge_error(self, response):
        """What no operation answers has the one shape of errors."""
        if response.status_code in (204, 304) or not response.is_json:
            return []
        return self.problems("error", {"$ref": "#/components/schemas/Error"}, response.json, closed=True)

    def _judge_answer(self, key, found, response):
        content = found["content"].get(response.mimetype)
        if content is None:
            return [f"{response.mimetype} is not described"]
        if response.mimetype != JSON:
            return []
        problems = self.problems(key, content["schema"], response.json, closed=True)
        error = response.json.get("error")
        if isinstance(error, dict) and not self.names_code(error["code"]):
            problems.append(f"the code {error['code']} is not described")
        return problems

    def _judge_headers(self, found, response):
        headers = {name: self.resolved(header) for name, header in found.get("headers", {}).items()}
        wanted = [name for name, header in headers.items() if header.get("required")]
        return [f"the header {name} is missing" for name in wanted if name not in response.headers]

    def _judge_request(self, where, operation, response):
        """What is taken is as described; and what is refused for its shape is not."""
        if response.status_code < 300:
            return self._body_problems(where, operation) + self._query_problems(where)
        words = response.json.get("error") if response.is_json else None
        if response.status_code != 400 or not isinstance(words, dict) or not _is_of_shape(words["message"]):
            return []
        if self._body_problems(where, operation) or self._query_problems(where):
            return []
        return [f"the request is as described, but: {words['message']}"]

    def _body_problems(self, where, operation):
        described = self.resolved(operation.get("requestBody", {}))
        data = request.get_data()
        if not data.strip():
            return ["there is no body"] if described.get("required") else []
        if not described:
            return []  # whatever it is, it is not looked at
        schema = described["content"][JSON]["schema"]
        return [f"of the body: {words}" for words in self.problems(where, schema, json.loads(data), closed=False)]

    def _query_problems(self, where):
        known = {name: each for (place, name), each in self.parameters(*where).items() if place == "query"}
        problems = [
            f"{name} is not given" for name in known if known[name].get("required") and name not in request.args
        ]
        for name, text in request.args.items():
            if name not in known:
                problems.append(f"the query {name} is not described")
                continue
            schema = self.resolved(known[name]["schema"])
            value = _read(text, schema["type"])
            problems += [f"of {name}: {words}" for words in self.problems((*where, name), schema, value, closed=False)]
        return problems


def _is_of_shape(message):
    """Tell whether an error is about what a schema can say."""
    return re.match("(unknown )?field '", message) and not any(each in message for each in _BEYOND)


def _read(text, kind):
    """Give what stands in a query as a value of that type, or as it is."""
    if kind == "integer" and re.fullmatch(r"-?\d{1,99}", text):
        return int(text)
    return {"true": True, "false": False}.get(text, text) if kind == "boolean" else text


def _closed(schema, *, inner=False):
    """Give a schema whose objects have no other fields than those that it names; `inner` is closed from outside."""
    if isinstance(schema, list):
        return [_closed(each, inner=inner) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {}
    for name, value in schema.items():
        if name == "properties":
            found[name] = {key: _closed(each) for key, each in value.items()}
        else:
            found[name] = _closed(value, inner=name == "allOf" or (inner and name in ("anyOf", "oneOf")))
    if not inner and not _OBJECTS.isdisjoint(found) and "additionalProperties" not in found:
        found["unevaluatedProperties"] = False
    return found


@functools.cache
def described(name):
    """Give a document of the two: `api` or `gateway`."""
    return Description(name, "/api/v1" if name == "api" else "")


def judge(app, response, *, bodies):
    """Give what is not as described, where `app` is one of those that are; `bodies`: also of bodies that were taken."""
    if request.method in ("HEAD", "OPTIONS"):
        return []
    if "api" in app.blueprints and request.path.startswith("/api/v1"):
        found = described("api").judge(response, bodies=bodies)
    elif "gateway" in app.blueprints:
        found = described("gateway").judge(response, bodies=bodies)
    else:
        return []
    return [f"{request.method} {request.path}, {response.status_code}: {words}" for words in found]
