"""The part of the API about the rules for what comes in: STOP words, what may leave this host, the answer to STOP."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Annotated

from flask import Blueprint
from pydantic import Field

from host_controller.consent.policy import Bars, ConsentPolicy, ForwardPolicy
from web.api_input import Answer, Body, Json, checked, read_json
from web.services import Services
from web.views import as_json

_ACTOR = "cli"


class Edit(StrEnum):
    """What is done with a word."""

    ADD = "add"
    DROP = "drop"


class WordBody(Body):
    """A word of a list."""

    list: str
    word: Annotated[str, Field(max_length=200)]
    as_: Annotated[Edit, Field(alias="as", strict=False)] = Edit.ADD


class TryBody(Body):
    """A reply to be judged."""

    text: Annotated[str, Field(max_length=5000)]


class PolicyBody(Body):
    """What is to be chosen; what is not named stays."""

    forward: Annotated[ForwardPolicy | None, Field(strict=False)] = None
    stop_answer: Annotated[str, Field(max_length=500)] | None = None
    bars: Annotated[Bars | None, Field(strict=False)] = None


def add_rules(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    @api.get("/stop-words")
    def stop_words() -> Answer:
        lists = {name: list(words) for name, words in services.rules.words().items()}
        return {"lists": lists, "edits": [as_json(edit) for edit in services.rules.edits()]}

    @api.post("/stop-words")
    def edit_word() -> Answer:
        body = checked(WordBody, read_json())
        return {"id": services.rules.edit(body.list, body.word, _ACTOR, is_added=body.as_ is Edit.ADD)}, 201

    @api.delete("/stop-words/<int:edit_id>")
    def take_back(edit_id: int) -> Answer:
        services.rules.take_back(edit_id)
        return {}

    @api.post("/stop-words/try")
    def try_words() -> Answer:
        decision = services.rules.judge(checked(TryBody, read_json()).text)
        return {"stop": decision.verdict, "stop_rule": decision.rule, "stop_word": decision.word}

    @api.get("/inbox/policy")
    def policy() -> Answer:
        return _policy_json(services.rules.policy())

    @api.patch("/inbox/policy")
    def change_policy() -> Answer:
        body = checked(PolicyBody, read_json())
        wanted = services.rules.policy()
        if body.forward is not None:
            wanted = replace(wanted, forward=body.forward)
        if body.bars is not None:
            wanted = replace(wanted, bars=body.bars)
        if "stop_answer" in body.model_fields_set:
            wanted = replace(wanted, stop_answer=body.stop_answer or None)
        services.rules.change_policy(wanted, _ACTOR)
        return _policy_json(wanted)


def _policy_json(policy: ConsentPolicy) -> Json:
    return {"forward": policy.forward, "stop_answer": policy.stop_answer, "bars": policy.bars}
