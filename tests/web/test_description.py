"""The OpenAPI documents against the code: routes, bodies, enums, codes. Answers are held against them in every test."""

from __future__ import annotations

import copy
import json
import re
from enum import StrEnum

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from device_drivers.base import SendWay, Verdict
from host_controller import __version__
from host_controller.consent.opt_outs import OptOutSource
from host_controller.consent.policy import Bars, ForwardPolicy
from host_controller.errors import BackupError, ControllerError, DataDirectoryError
from host_controller.events import Bells
from host_controller.fleet.phone import PhoneStatus
from host_controller.inbox.care import Decision
from host_controller.messaging.holds import HoldKind, Scope
from host_controller.messaging.judgement import Settlement
from host_controller.messaging.remote_terms import Reported
from host_controller.rules.classes import MessageClass
from host_controller.rules.states import FailureCode, MessageState
from host_controller.rules.sticky import SimMode
from host_controller.rules.waiting import NeverReason, WaitReason
from host_controller.settings import OdooMode, load_settings
from host_controller.text.stop_words import StopRule, StopVerdict
from host_controller.wiring import make_api_app, utc_now
from odoo_sync.errors import OdooSyncError
from odoo_sync.push import make_push
from tests.description import FOLDER, JSON, METHODS, described, parameter
from web import Services, make_gateway_app
from web.api import ListQuery
from web.api_batches import BatchQuery
from web.api_consent import InboxQuery, OptOutsQuery
from web.api_conversations import ConversationQuery, ConversationsQuery
from web.api_holds import HoldsQuery
from web.api_input import Body
from web.api_remote import RemotesQuery
from web.api_rules import Edit
from web.remote_views import RemoteState

NAMES = ("api", "gateway")
QUERIES = {
    "/messages": ListQuery, "/batches": BatchQuery, "/inbox": InboxQuery, "/optouts": OptOutsQuery,
    "/conversations": ConversationsQuery, "/conversations/messages": ConversationQuery, "/holds": HoldsQuery,
    "/remote-phones": RemotesQuery,
}  # fmt: skip
ENUMS: list[type[StrEnum]] = [
    Bars, Decision, Edit, FailureCode, ForwardPolicy, HoldKind, MessageClass, MessageState, OdooMode, OptOutSource,
    PhoneStatus, RemoteState, Reported, Scope, SendWay, Settlement, SimMode, StopRule, StopVerdict, Verdict, WaitReason,
]  # fmt: skip
# What the models check by functions of their own, which their JSON schemas do not show.
BY_FUNCTION = {("minimum", 10), ("pattern", "^2[0-9]{3}-")}


def make_app(name):
    services = Services(None, None, Bells(), load_settings(None), utc_now)
    return make_api_app(services) if name == "api" else make_gateway_app(services, None, [make_push([], 1)])


def everywhere(part):
    """Give every object of a document."""
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from everywhere(inner)


@pytest.mark.parametrize("name", NAMES)
def test_a_document_is_openapi(name):
    document = described(name).document
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert document["info"]["version"] == __version__
    broken = copy.deepcopy(document)
    broken["components"]["schemas"]["Error"]["type"] = "objekt"
    assert list(OpenAPIV31SpecValidator(broken).iter_errors())


@pytest.mark.parametrize("name", NAMES)
def test_the_routes_are_those_of_the_application(name):
    description = described(name)
    routed = {
        (method.lower(), parameter(rule.rule).removeprefix(description.prefix)): rule
        for rule in make_app(name).url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }
    operations = description.operations()
    assert routed.keys() == operations.keys()
    for (method, path), rule in routed.items():
        found = {
            each: description.resolved(part["schema"])["type"]
            for (place, each), part in description.parameters(method, path).items()
            if place == "path"
        }
        integers = set(re.findall(r"<int:(\w+)>", rule.rule))
        assert found == {each: "integer" if each in integers else "string" for each in rule.arguments}, rule
        assert operations[method, path]["responses"].keys() & {"200", "201", "202"}, rule


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_a_document_is_left_over(name):
    document = described(name).document
    used = {part["$ref"] for part in everywhere(document) if "$ref" in part}
    for kind in document["components"].keys() - {"securitySchemes"}:
        assert {f"#/components/{kind}/{each}" for each in document["components"][kind]} <= used
    tags = {tag for operation in described(name).operations().values() for tag in operation["tags"]}
    assert tags == {tag["name"] for tag in document["tags"]}
    assert set(METHODS) >= {each for item in document["paths"].values() for each in item} - {"parameters"}


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_are_as_described(name):
    description = described(name)
    count = 0
    for content in everywhere(description.document):
        if set(content) == {JSON}:
            media = content[JSON]
            examples = [media["example"]] if "example" in media else []
            for example in [*examples, *(each["value"] for each in media.get("examples", {}).values())]:
                assert description.problems(json.dumps(media), media["schema"], example, closed=True) == []
                count += 1
    assert count > 10


@pytest.mark.parametrize("name", NAMES)
def test_a_field_that_is_not_described_is_seen(name):
    """What holds answers against the documents, held against itself."""
    description = described(name)
    described_ = {"api": {"error": {"code": "x", "message": "y"}}, "gateway": {"success": False, "error": "x"}}[name]
    schema = {"anyOf": [{"$ref": "#/components/schemas/Error"}, {"type": "null"}]}
    assert description.problems("self", schema, described_, closed=True) == []
    assert description.problems("self", schema, {**described_, "more": 1}, closed=True)
    assert description.problems("self", schema, {**described_, "more": 1}, closed=False) == []
    if name == "api":
        deeper = {"error": {**described_["error"], "more": 1}}
        assert description.problems("self", schema, deeper, closed=True)


def test_the_document_is_served_as_it_is(api):
    answer = api.get("/api/v1/openapi.yaml", base_url="http://127.0.0.1")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/yaml")
    assert answer.data == (FOLDER / "api.yaml").read_bytes()


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.__name__)
def test_an_enum(enum):
    name = "gateway" if enum is Reported else "api"
    assert described(name).schemas[enum.__name__]["enum"] == list(enum)


def test_every_enum_of_the_schemas_is_looked_at():
    named = {each for name in NAMES for each, schema in described(name).schemas.items() if "enum" in schema}
    assert named == {enum.__name__ for enum in ENUMS}


def test_every_code_of_an_error_is_named():
    codes = {error.code for base in (ControllerError, OdooSyncError) for error in _below(base)}
    elsewhere = {DataDirectoryError.code, BackupError.code, ControllerError.code}
    for code in (codes - elsewhere) | set(NeverReason):
        assert described("api").names_code(code), code


def _below(base):
    return [base, *(each for child in base.__subclasses__() for each in _below(child))]


BODIES = [
    each for each in _below(Body) if each.__module__.startswith("web.") and each.__name__ not in ("Body", "Terms")
]


@pytest.mark.parametrize("model", BODIES, ids=lambda model: model.__name__)
def test_a_body(model):
    description = described("api")
    schema, known = description.schemas[model.__name__], model.model_json_schema()
    assert schema["additionalProperties"] is False
    assert set(schema.get("required", ())) == set(known.get("required", ()))
    assert_same(description.document, schema["properties"], known)


@pytest.mark.parametrize(("path", "model"), QUERIES.items(), ids=QUERIES)
def test_a_query(path, model):
    description = described("api")
    known = model.model_json_schema()
    found = {name: each for (place, name), each in description.parameters("get", path).items() if place == "query"}
    assert {name for name, each in found.items() if each.get("required")} == set(known.get("required", ()))
    assert_same(description.document, {name: each["schema"] for name, each in found.items()}, known)


def test_every_query_is_looked_at():
    asked = {
        path
        for method, path in described("api").operations()
        if method == "get" and any(place == "query" for place, _ in described("api").parameters(method, path))
    }
    assert asked == QUERIES.keys()


def assert_same(document, properties, known):
    """Fields and what they may hold; a default is compared where the document names one."""
    assert properties.keys() == known["properties"].keys()
    for name, schema in properties.items():
        written, modelled = flat(schema, document), flat(known["properties"][name], known)
        default = modelled.pop("default", None)
        assert written.pop("default", default) == default, name
        written_types, modelled_types = written.pop("type"), modelled.pop("type")
        # A query knows no null: what is not given is left out.
        assert written_types | {"null"} == modelled_types | {"null"}, name
        assert modelled.items() <= written.items(), name
        assert written.items() - modelled.items() <= BY_FUNCTION, name


def flat(schema, document):
    """Give the rules of one field in one mapping, whatever it refers to and however it says that it may be null."""
    found: dict = {"type": set()}
    for part in [schema, *schema.get("anyOf", ()), *schema.get("allOf", ())]:
        if "$ref" in part:
            value = document
            for step in part["$ref"].removeprefix("#/").split("/"):
                value = value[step]
            if "properties" in value:
                found["type"].add("object")
                continue
            inner = flat(value, document)
            found["type"] |= inner.pop("type")
            found |= inner
        kinds = part.get("type", ())
        found["type"] |= {kinds} if isinstance(kinds, str) else set(kinds)
        for rule, value in part.items():
            if rule == "enum":
                found[rule] = tuple(value)
            elif rule not in ("type", "title", "description", "anyOf", "allOf", "$ref", "items", "examples"):
                found[rule] = value
    if found.get("default", 0) is None:
        del found["default"]
    return found
