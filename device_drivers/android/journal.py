"""The journal on a phone: directories that can be made exactly once. A wiped or a read-only place is found out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from device_drivers.adb.command import DeviceCommand, call, once

JOURNAL_DIRECTORY = "/data/local/tmp/smsrack"
_MADE, _TAKEN = "made", "taken"
_BOOT = re.compile(r"boot-([0-9a-f-]{36})")


@dataclass(frozen=True)
class JournalState:
    """What the probe found."""

    works: bool
    """A directory was made, and not a second time."""
    boots: frozenset[str]
    """Boot ids under which this journal was probed."""


def entry(attempt_id: int) -> str:
    """The directory of one attempt."""
    return f"{JOURNAL_DIRECTORY}/{attempt_id}"


def probe_commands(token: str, boot_id: str | None) -> Sequence[DeviceCommand]:
    """Make the journal, make one entry twice, remove it, and leave a mark of this boot behind."""
    probe = f"{JOURNAL_DIRECTORY}/probe-{token}"
    make = once(probe, then=call("echo", _MADE), otherwise=call("echo", _TAKEN))
    mark = [call("mkdir", "-p", f"{JOURNAL_DIRECTORY}/boot-{boot_id}")] if boot_id else []
    return [
        call("mkdir", "-p", JOURNAL_DIRECTORY),
        make,
        make,
        call("rmdir", probe),
        *mark,
        call("ls", JOURNAL_DIRECTORY),
    ]


def parse_probe(answers: Sequence[str]) -> JournalState:
    """Read the outputs of `probe_commands`."""
    works = [answer.strip() for answer in answers[1:3]] == [_MADE, _TAKEN]
    return JournalState(works, frozenset(_BOOT.findall(answers[-1])))
