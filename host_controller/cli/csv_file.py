"""A CSV file of messages: columns `number` and `text`, and `ref` if wanted."""

from __future__ import annotations

import csv
import difflib
import io
import sys
from dataclasses import dataclass
from pathlib import Path

from host_controller.errors import ConfigError

COLUMNS = ("number", "text", "ref")
_REQUIRED = ("number", "text")


@dataclass(frozen=True)
class CsvRow:
    """One row; `error` says why it cannot even be submitted."""

    row: int
    """Counted from 1, without the heading."""
    number: str
    text: str
    ref: str | None
    error: str | None = None


def read_csv(path: Path) -> list[CsvRow]:
    """Read a whole file (`-` for standard input) and check its shape before anything is done with it.

    Raises ConfigError for what is wrong with the file as a whole; a bad row is a row with an error.
    """
    reader = csv.reader(io.StringIO(_read_text(path), newline=""), strict=True)
    try:
        heading = [name.strip().lower() for name in next(reader, [])]
        _check_heading(heading, path)
        rows = [fields for fields in reader if fields]
    except csv.Error as error:
        raise ConfigError(f"{path} line {reader.line_num}: {error}; is a quotation mark missing?") from error
    return [_row(number, heading, fields) for number, fields in enumerate(rows, start=1)]


def _read_text(path: Path) -> str:
    try:
        raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8; save it as CSV UTF-8") from error


def _check_heading(heading: list[str], path: Path) -> None:
    if not heading:
        raise ConfigError(f"{path} is empty; its first line must be: number,text")
    for name in heading:
        if name not in COLUMNS:
            near = difflib.get_close_matches(name, COLUMNS, n=1, cutoff=0.0)[0]
            raise ConfigError(
                f"{path} has an unknown column {name!r}; did you mean {near!r}? known: {', '.join(COLUMNS)}"
            )
    for name in _REQUIRED:
        if name not in heading:
            raise ConfigError(f"{path} has no column {name!r}; its first line must be: number,text")
    if len(set(heading)) != len(heading):
        raise ConfigError(f"{path} names a column twice")


def _row(row: int, heading: list[str], fields: list[str]) -> CsvRow:
    if len(fields) != len(heading):
        return CsvRow(
            row, "", "", None, f"{len(fields)} fields instead of {len(heading)}; quote texts that hold a comma"
        )
    values = dict(zip(heading, fields, strict=True))
    return CsvRow(row, values["number"], values["text"], values.get("ref") or None)
