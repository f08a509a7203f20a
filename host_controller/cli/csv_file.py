"""CSV files: read as a whole, checked before anything is done with them."""

from __future__ import annotations

import csv
import difflib
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from host_controller.cli.times import read_class, read_moment, read_ttl
from host_controller.errors import ConfigError

COLUMNS = ("number", "text", "ref", "class", "batch", "not_before", "not_after", "ttl_s")
_REQUIRED = ("number", "text")
_READ: dict[str, tuple[str, Callable[[str], Any]]] = {
    "class": ("message_class", read_class),
    "not_before": ("not_before", read_moment),
    "not_after": ("not_after", read_moment),
    "ttl_s": ("ttl_s", read_ttl),
}
_DELIMITERS = (",", ";", "\t")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class CsvRow:
    """One row; `error` says why it cannot even be submitted."""

    row: int
    """Counted from 1, without the heading."""
    number: str
    text: str
    ref: str | None = None
    message_class: str | None = None
    batch: str | None = None
    not_before: datetime | None = None
    """Without a zone it is in the rack's, as the next one."""
    not_after: datetime | None = None
    ttl_s: float | None = None
    error: str | None = None


def read_csv(path: Path) -> list[CsvRow]:
    """Read a whole file (`-` for standard input) and check its shape before anything is done with it.

    Raises ConfigError for what is wrong with the file as a whole; a bad row is a row with an error.
    """
    reader = _reader(_read_text(path))
    try:
        heading = [name.strip().lower() for name in next(reader, [])]
        _check_heading(heading, path, _REQUIRED, COLUMNS)
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


def _reader(text: str) -> Any:
    """Give a reader of CSV; a spreadsheet separates by semicolons or tabs where commas belong to numbers."""
    heading = text.partition("\n")[0]
    # Of none, the comma: a list may have one column.
    delimiter = max(_DELIMITERS, key=heading.count)
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _check_heading(heading: list[str], path: Path, required: tuple[str, ...], known: tuple[str, ...]) -> None:
    first_line = ",".join(required)
    if not heading:
        raise ConfigError(f"{path} is empty; its first line must be: {first_line}")
    for name in heading:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"its first line must be at least: {first_line};"
            raise ConfigError(f"{path} has an unknown column {name!r}; {hint} known: {', '.join(known)}")
    for name in required:
        if name not in heading:
            raise ConfigError(f"{path} has no column {name!r}; its first line must be: {first_line}")
    if len(set(heading)) != len(heading):
        raise ConfigError(f"{path} names a column twice")


def _row(row: int, heading: list[str], fields: list[str]) -> CsvRow:
    if len(fields) != len(heading):
        words = f"{len(fields)} fields instead of {len(heading)}; quote texts that hold a comma"
        return CsvRow(row, "", "", error=words)
    values = {name: field for name, field in zip(heading, fields, strict=True) if field or name in _REQUIRED}
    try:
        return CsvRow(
            row,
            values["number"],
            values["text"],
            values.get("ref"),
            batch=values.get("batch"),
            **{name: read(values[column]) for column, (name, read) in _READ.items() if column in values},
        )
    except ValueError as error:
        return CsvRow(row, "", "", error=str(error))


def read_table(path: Path, *, required: tuple[str, ...], known: tuple[str, ...]) -> list[dict[str, str]]:
    """Read a CSV file (`-` for standard input) with these columns; give its rows by column. Raises ConfigError."""
    reader = _reader(_read_text(path))
    try:
        heading = [name.strip().lower() for name in next(reader, [])]
        _check_heading(heading, path, required, known)
        rows = [(reader.line_num, fields) for fields in reader if fields]
    except csv.Error as error:
        raise ConfigError(f"{path} line {reader.line_num}: {error}; is a quotation mark missing?") from error
    for line, fields in rows:
        if len(fields) != len(heading):
            raise ConfigError(f"{path} line {line}: {len(fields)} fields instead of {len(heading)}")
    return [dict(zip(heading, fields, strict=True)) for _, fields in rows]


def write_text(path: Path, text: str) -> None:
    """Write a file that was asked for. Raises ConfigError."""
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def safe_cell(text: str) -> str:
    """Give a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def plain_cell(text: str) -> str:
    """Take back what `safe_cell` did."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA_STARTS) else text
