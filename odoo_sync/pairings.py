"""The phones of an Odoo with the module `sms_gateway` that we stand for: a file, one JSON object a line.

A line is what the module's pairing code holds, `{"url": ..., "api_key": ..., "type": "sms_gateway"}`, and what we add:
`sim` (an id of ours) or `phone` (a serial) from which its messages leave, and `id`, the module's own for it. Calls go
to the address in the settings, never to the one in the code: whoever gives us a code gets no key of others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host_controller.errors import ConfigError

_TYPE = "sms_gateway"
_PRIVATE = 0o600


@dataclass(frozen=True)
class Pairing:
    """One phone of the module."""

    key: str = field(repr=False)
    url: str = ""
    """Where the module thinks it is."""
    module_id: int | None = None
    sim_id: int | None = None
    """The SIM of ours that its messages leave from..."""
    phone_serial: str | None = None
    """...or the phone; without either any of the rack."""


def parse_pairing(text: str) -> Pairing:
    """Read a pairing code, or a line of the file. Raises ConfigError, which shows nothing of it."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    key = found.get("api_key") if isinstance(found, dict) else None
    if not isinstance(found, dict) or found.get("type") != _TYPE or not isinstance(key, str) or not key.strip():
        raise ConfigError(
            'this is no pairing code of the module; it looks like {"url": "...", "api_key": "...", '
            f'"type": "{_TYPE}"}}'
        )
    if not key.isascii() or not key.isprintable():
        raise ConfigError("the key in the pairing code has characters that no key has; copy it again")
    module_id, sim_id, serial = found.get("id"), found.get("sim"), found.get("phone")
    numbers_ok = all(value is None or type(value) is int for value in (module_id, sim_id))
    if not numbers_ok or (serial is not None and not isinstance(serial, str)) or (serial and sim_id):
        raise ConfigError("a pairing names a `sim` by its id, or a `phone` by its serial, or neither")
    return Pairing(key.strip(), str(found.get("url", "")), module_id, sim_id, serial)


def read_pairings(file: Path | None, name: str) -> list[Pairing]:
    """Read the pairings of the connection `name`, at least one. Raises ConfigError."""
    pairings = []
    for number, line in enumerate(_lines(file, name), 1):
        try:
            pairings.append(parse_pairing(line))
        except ConfigError as error:
            raise ConfigError(f"line {number} of odoo.{name}.pairing_file: {error}") from error
    if not pairings:
        raise ConfigError(f"odoo.{name} has no phone; paste its pairing code into `smsrack odoo pair {name}`")
    return pairings


def pairings_version(file: Path | None) -> tuple[int, ...] | None:
    """Give what is another one after every change of the file; None where there is none to be seen."""
    try:
        found = file.expanduser().stat() if file else None
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size) if found else None


def keep_pairing(file: Path | None, name: str, pairing: Pairing) -> bool:
    """Write a pairing into the file, in place of an earlier one of the same phone; True where there was one.

    The file is replaced as a whole, readable for its owner only. Raises ConfigError.
    """
    lines = _lines(file, name)
    kept = [line for line in lines if not _is_same(line, pairing)]
    written = {"url": pairing.url, "api_key": pairing.key, "type": _TYPE, **_extras(pairing)}
    path = _path(file, name)
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "w", encoding="utf-8") as out:
            out.write("".join(f"{line}\n" for line in [*kept, json.dumps(written)]))
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot write odoo.{name}.pairing_file {path}: {error.strerror}") from error
    return len(kept) < len(lines)


def _extras(pairing: Pairing) -> Mapping[str, Any]:
    extras = {"id": pairing.module_id, "sim": pairing.sim_id, "phone": pairing.phone_serial}
    return {name: value for name, value in extras.items() if value is not None}


def _is_same(line: str, pairing: Pairing) -> bool:
    try:
        other = parse_pairing(line)
    except ConfigError:
        return False
    is_same_phone = pairing.module_id is not None and other.module_id == pairing.module_id
    return is_same_phone or other.key == pairing.key


def _path(file: Path | None, name: str) -> Path:
    if file is None:
        raise ConfigError(f"the file with pairing codes is missing; set odoo.{name}.pairing_file")
    return file.expanduser()


def _lines(file: Path | None, name: str) -> list[str]:
    path = _path(file, name)
    try:
        return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read odoo.{name}.pairing_file {path}: {error}") from error
