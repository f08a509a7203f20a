"""What docs/odoo.md quotes of us in its table of troubles is what we say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTION = re.search(r"^## Troubleshooting\n(.*?)^## ", (ROOT / "docs" / "odoo.md").read_text("utf-8"), re.M | re.S)[1]
ROWS = [line for line in SECTION.splitlines() if line.startswith("|")][2:]
COMMANDS = re.compile(r"smsrack ")
"""Is not a quote: it is typed."""
GAP = "\0"


def said(path):
    """Give every string of a file, with a gap for what a value fills in."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = node.values
            yield "".join(part.value if isinstance(part, ast.Constant) else GAP for part in parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield re.sub(r"%s", GAP, node.value)


TEXTS = [
    text for package in ("odoo_sync", "host_controller") for p in (ROOT / package).rglob("*.py") for text in said(p)
]


def quotes():
    for row in ROWS:
        symptom = row.split(" | ")[0]
        for quoted in re.findall(r"`([^`]+)`", symptom):
            if " " in quoted and not COMMANDS.match(quoted):
                yield quoted


@pytest.mark.parametrize("quoted", sorted(set(quotes())))
def test_every_quote_is_what_we_say(quoted):
    pieces = [piece.strip() for piece in quoted.split("…") if piece.strip(" :;()")]
    assert pieces
    pattern = re.compile(".*".join(re.escape(piece) for piece in pieces), re.S)
    assert any(pattern.search(text) for text in TEXTS), "quote what the source says"


def test_the_table_says_why_and_what_to_do():
    assert sum(not row.startswith("| **") for row in ROWS) >= 20
    assert len(list(quotes())) >= 15
    for row in ROWS:
        symptom, why, cure = (cell.strip() for cell in row.strip("|").split("|"))
        assert symptom.startswith("**") or (why and cure), row
    modes = re.findall(r"^\| \*\*([a-z ]+)\*\*", SECTION, re.M)
    assert modes == ["in every mode", "push", "pull", "gateway", "both ways"]
