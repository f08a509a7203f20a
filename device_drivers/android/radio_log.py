"""Reader of `logcat -b radio`: what the modem answered to requests to send, and that a message came in. Pure.

The lines are RILJ's (AOSP RIL.java processResponseDone, unsljLog): only the SIM's own network is seen, not SMS over
IMS, and vendors' RILs may write other words. So an answer is proof, and silence is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from device_drivers.adb.command import DeviceCommand, call, in_order
from device_drivers.base import RadioAnswers

_ANSWER = re.compile(
    r"^.*?RILJ\b.*?\[(?P<token>\d+)\]< (?:RIL_REQUEST_)?SEND_SMS(?:_EXPECT_MORE)? "
    r"(?:\{ ?mMessageRef = \d+, mErrorCode = (?P<code>-?\d+),"
    r"(?:[^{}]*\{x-message-id:(?P<message_id>-?\d+)\})?|(?P<error>error) )"
)
_NO_ERROR = ("0", "-1")
# Since Android 5, RIL.java processUnsolicited, then RadioIndication.newSms and MessagingIndication.newSms. Some name
# the SIM in front, most behind. Delivery reports and messages on the SIM have words of their own, which go on.
_NEW_MESSAGE = re.compile(
    r"[\d-]+ [\d:.]+ [A-Z]/RILJ *\( *\d+\): (?:\[\w+\] )?\[UNSL\]< UNSOL_RESPONSE_(?:CDMA_)?NEW_SMS(?!\w)", re.ASCII
)


@dataclass(frozen=True)
class LogPosition:
    """Where the log stood before a message was handed over."""

    last_line: str | None
    """None for an empty log."""


def log_command() -> DeviceCommand:
    """Print the buffer and return."""
    return call("logcat", "-b", "radio", "-d", "-v", "time")


def follow_command() -> DeviceCommand:
    """Print the last line, a border, and then what is written from now on, without end.

    `-T 1` (Android 5 on) follows from the last line on, `-t 1` gives that one and returns. RILJ's lines are picked on
    the phone: other layers write into this buffer as well, some of them hundreds of lines a second.
    """
    last_line = call("logcat", "-b", "radio", "-t", "1", "-v", "time")
    return in_order("radio log", [last_line, call("logcat", "-b", "radio", "-T", "1", "-v", "time", "RILJ:D", "*:S")])


class NewMessages:
    """Tells which lines of a `follow_command` say that a message came in; of all others nothing is kept."""

    def __init__(self, command: DeviceCommand) -> None:
        self._command = command
        self._follows = False
        self._old: str | None = None

    def take(self, line: str) -> bool:
        """Tell whether this line, the next one, tells of a message that came in since the command was begun."""
        line = line.rstrip("\r")
        if not self._follows and self._command.is_border(line):
            self._follows = True
        elif _NEW_MESSAGE.match(line) and line != self._old:
            # The last one from before may be given once more.
            self._old = line if not self._follows else None
            return self._follows
        return False


def is_readable(output: str) -> bool:
    """Tell whether the shell may read the buffer at all."""
    return output.startswith("--------- beginning of ") or "RILJ" in output


def position(output: str) -> LogPosition:
    """Remember where the log ends now."""
    lines = _lines(output)
    return LogPosition(lines[-1] if lines else None)


def answers_to(output: str, attempt_id: int) -> RadioAnswers | None:
    """Count the parts that the radio took under this attempt's id, which newer phones note; None where it says nothing.

    Refusals carry no id there.
    """
    found = [match for match in map(_ANSWER.match, _lines(output)) if match and match["message_id"] == str(attempt_id)]
    sent = sum(match["code"] in _NO_ERROR for match in found)
    return RadioAnswers(sent, len(found) - sent) if found else None


def answers_since(output: str, start: LogPosition) -> RadioAnswers | None:
    """Count the answers after the position; None where the log does not reach back to it."""
    lines = _lines(output)
    if start.last_line is not None:
        if start.last_line not in lines:
            return None
        lines = lines[len(lines) - lines[::-1].index(start.last_line) :]
    found = [match for match in map(_ANSWER.match, lines) if match]
    sent = sum(match["error"] is None and match["code"] in _NO_ERROR for match in found)
    return RadioAnswers(sent, len(found) - sent)


def _lines(output: str) -> list[str]:
    return [line.rstrip("\r") for line in output.split("\n") if line.strip() and not line.startswith("--------- ")]
