"""The journal on a phone: a directory for each attempt, which can be made exactly once.

It arbitrates between everything that could send an attempt a second time: a late command, another host, a restored
database. An entry holds the phone's clock, the subscription and what the framework said; no number and no text. A
wiped or a read-only place is found out at enrolment.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from device_drivers.adb.command import DeviceCommand, call, kept_in, once, together
from device_drivers.android.device_state import parse_clock_ms

JOURNAL_DIRECTORY = "/data/local/tmp/smsrack"
CLOCK = call("date", "+%s%3N")
REVOKED, NO_JOURNAL = "smsrack-revoked\n", "smsrack-no-journal\n"
MAX_FORGOTTEN = 1000
"""How many entries one command may remove: their names have to fit into it."""
_SEEN = "smsrack-seen\n"
_OUTPUT = "out"
_MADE, _TAKEN, _IMPOSSIBLE = "made", "taken", "impossible"
_BOOT = re.compile(r"boot-([0-9a-f-]{36})")


@dataclass(frozen=True)
class JournalState:
    """What the probe found."""

    works: bool
    """A directory was made, and not a second time."""
    boots: frozenset[str]
    """Boot ids under which this journal was probed."""


@dataclass(frozen=True)
class Entry:
    """What an attempt's command printed, now or when it was begun."""

    said: str | None
    """What stood instead of a send, or the framework's answer; None where its end is not known."""
    clock_ms: int | None = None
    """The phone's clock just before the message was handed over."""
    subscription_id: int | None = None


def noted(subscription_id: int, send: DeviceCommand) -> DeviceCommand:
    """Let a send tell first when it is, and through which subscription."""
    return together([CLOCK, call("echo", str(subscription_id)), send])


def begin(attempt_id: int, noted_send: DeviceCommand) -> DeviceCommand:
    """Run a send under its attempt id, once for ever; a second time gives what the first one gave."""
    place = f"{JOURNAL_DIRECTORY}/{attempt_id}"
    read = call("echo", _SEEN.strip()).then(call("cat", f"{place}/{_OUTPUT}"))
    return once(place, kept_in(place, _OUTPUT, noted_send), read, call("echo", NO_JOURNAL.strip()))


def revoke(attempt_id: int) -> DeviceCommand:
    """Take an attempt's place, so that it can never be begun; or give what it gave."""
    return begin(attempt_id, call("echo", REVOKED.strip()))


def parse_kept(output: str) -> Entry:
    """Read what `begin` or `revoke` printed."""
    if output == NO_JOURNAL:
        return Entry(output)
    text = output.removeprefix(_SEEN)
    said, _, code = text.removesuffix("\n").rpartition("\n")
    if code.isdecimal() and said + "\n" == REVOKED:
        return Entry(REVOKED)
    entry = parse_noted(text)
    whole = code.isdecimal() and text.endswith("\n") and text.count("\n") > 2
    said = (entry.said or "").removesuffix(f"{code}\n")
    return Entry(said if whole else None, entry.clock_ms, entry.subscription_id)


def parse_noted(output: str) -> Entry:
    """Read what `noted` printed where nothing is kept."""
    clock, _, rest = output.partition("\n")
    subscription, _, said = rest.partition("\n")
    return Entry(said, parse_clock_ms(clock), int(subscription) if subscription.isdecimal() else None)


def list_command() -> DeviceCommand:
    """Name everything in the journal."""
    return call("ls", JOURNAL_DIRECTORY)


def parse_list(output: str) -> frozenset[int]:
    """Give the ids of all attempts that have an entry."""
    return frozenset(int(name) for name in output.split() if name.isdecimal())


def forget_command(attempt_ids: Collection[int]) -> DeviceCommand:
    """Remove at most `MAX_FORGOTTEN` entries."""
    return call("rm", "-r", *(f"{JOURNAL_DIRECTORY}/{attempt_id}" for attempt_id in sorted(attempt_ids)))


def probe_commands(token: str, boot_id: str | None) -> Sequence[DeviceCommand]:
    """Make the journal, make one entry twice, remove it, and leave a mark of this boot behind."""
    probe = f"{JOURNAL_DIRECTORY}/probe-{token}"
    make = once(probe, call("echo", _MADE), call("echo", _TAKEN), call("echo", _IMPOSSIBLE))
    mark = [call("mkdir", "-p", f"{JOURNAL_DIRECTORY}/boot-{boot_id}")] if boot_id else []
    return [
        call("mkdir", "-p", JOURNAL_DIRECTORY),
        make,
        make,
        call("rmdir", probe),
        *mark,
        list_command(),
    ]


def parse_probe(answers: Sequence[str]) -> JournalState:
    """Read the outputs of `probe_commands`."""
    works = [answer.strip() for answer in answers[1:3]] == [_MADE, _TAKEN]
    return JournalState(works, frozenset(_BOOT.findall(answers[-1])))
