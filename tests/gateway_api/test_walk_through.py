"""The walk through the API with curl, as docs/api.md has it: each command is run, each answer compared."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from tests.gateway_api.running import serving

DOC = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8").split("## A walk through it with curl")[1]
STEPS = re.findall(r"```sh\n(.*?)```\n```json\n(.*?)```", DOC, re.DOTALL)
ANY = "..."


def with_any(found, shown):
    """Give an answer with what the docs leave out left out."""
    if shown == ANY:
        return ANY
    if isinstance(found, dict) and isinstance(shown, dict):
        return {name: with_any(value, shown.get(name)) for name, value in found.items()}
    if isinstance(found, list) and isinstance(shown, list) and len(found) == len(shown):
        return [with_any(*pair) for pair in zip(found, shown, strict=True)]
    return found


def test_each_command(bench):
    bench.send(2)
    commands = DOC.count("```sh")
    assert len(STEPS) == commands
    rules = [rule.rule for rule in bench.app.url_map.iter_rules() if not rule.rule.endswith("/openapi.yaml")]
    shown = set(re.findall(r"\$URL/([a-z-]+/[a-z-]+|healthz)", DOC))
    assert shown == {re.match(r"/([a-z-]+/[a-z-]+|healthz)", rule)[1] for rule in rules}
    with serving(bench) as server:
        environment = {**os.environ, "URL": f"http://127.0.0.1:{server.port}", "KEY": bench.keys["one"]}
        for command, answer in STEPS:
            done = subprocess.run(
                ["/bin/sh", "-ec", command], env=environment, capture_output=True, text=True, timeout=30, check=True
            )
            shown = json.loads(answer)
            assert with_any(json.loads(done.stdout), shown) == shown, command
