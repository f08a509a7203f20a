"""The tables of figures in the docs are those of docs/figures/*.json."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.figures import FIGURES, render, render_blocks

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_every_table_is_as_measured(path):
    text = path.read_text("utf-8")
    assert render_blocks(text) == text


@pytest.mark.parametrize("path", sorted(FIGURES.glob("*.json")), ids=lambda path: path.stem)
def test_every_file_of_figures_is_shown(path):
    shown = [
        name for doc in DOCS.glob("*.md") for name in re.findall(r"<!-- figures: (\w+) -->", doc.read_text("utf-8"))
    ]
    assert path.stem in shown
    assert render(path.stem).startswith("| ")


def test_a_changed_figure_shows(tmp_path, monkeypatch):
    text = "<!-- figures: bench -->\n\nan old table\n\n<!-- /figures -->"
    assert "an old table" not in render_blocks(text)
