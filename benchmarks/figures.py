"""Figures as files, and the tables in the docs that are made of them."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "docs" / "figures"
_BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- /figures -->)", re.DOTALL)
Figures = dict[str, Any]


def machine() -> Figures:
    """Where and when something was measured."""
    return {
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "measured_at": datetime.now(UTC).isoformat(timespec="minutes"),
    }


def save(name: str, figures: Mapping[str, Any]) -> None:
    """Write a file of figures, and every table that is made of it."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    (FIGURES / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    for path in (ROOT / "docs").glob("*.md"):
        text = path.read_text("utf-8")
        rendered = render_blocks(text)
        if rendered != text:
            path.write_text(rendered, encoding="utf-8")
    print(render(name), file=sys.stderr)


def render_blocks(text: str) -> str:
    """Fill every block of a document from its file of figures, where there is one."""

    def fill(match: re.Match[str]) -> str:
        measured = (FIGURES / f"{match[2]}.json").exists()
        return f"{match[1]}\n{render(match[2])}\n{match[3]}" if measured else match[0]

    return _BLOCK.sub(fill, text)


def render(name: str) -> str:
    """Give one file of figures as a table, with what it was measured on below."""
    figures = json.loads((FIGURES / f"{name}.json").read_text("utf-8"))
    columns: list[list[str]] = figures["columns"]
    lines = ["| " + " | ".join(title for _, title in columns) + " |", "|" + "---|" * len(columns)]
    for row in figures["rows"]:
        lines.append("| " + " | ".join(_cell(row.get(key)) for key, _ in columns) + " |")
    about = figures["machine"]
    note = f"{figures['note']} {about['cores']} cores, load {about['load_before']} before, Python {about['python']}."
    return "\n".join(lines) + f"\n\n{note}\n"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
