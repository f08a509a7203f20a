"""The second way to send: the phone's messaging app, a text written into it, and a tap on its button.

For phones whose SMS service is blocked, and only where the operator has chosen it. It needs an unlocked screen, and it
is slow. The tap is wrapped in the phone's journal: the same attempt never taps twice.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

from device_drivers.adb.command import DeviceCommand, call
from device_drivers.android.journal import JOURNAL_DIRECTORY

_HIERARCHY = f"{JOURNAL_DIRECTORY}/screen.xml"
TAPPED = "tapped"
_BOUNDS = re.compile(r"\[(\d{1,5}),(\d{1,5})\]\[(\d{1,5}),(\d{1,5})\]")
_MAX_HIERARCHY = 4 * 1024 * 1024
# Names that messaging apps give their button; the words beside it are in the phone's language and prove nothing.
_SEND_ID = re.compile(r":id/\w*send\w*", re.IGNORECASE)
_NOT_SEND = re.compile(r"attach|schedule|emoji|sticker|camera", re.IGNORECASE)


class ScreenError(ValueError):
    """The screen does not show what it must before a tap may happen."""


@dataclass(frozen=True)
class Point:
    """A place on the screen, in pixels."""

    x: int
    y: int


def compose_command(msisdn: str, text: str) -> DeviceCommand:
    """Open the messaging app with a finished message that nobody has sent yet."""
    extras = ("--es", "sms_body", text, "--ez", "exit_on_sent", "true")
    return call("am", "start", "-a", "android.intent.action.SENDTO", "-d", f"sms:{msisdn}", *extras)


def look_commands() -> tuple[DeviceCommand, DeviceCommand]:
    """Write down what is on the screen, and read it."""
    return call("uiautomator", "dump", _HIERARCHY), call("cat", _HIERARCHY)


def find_button(hierarchy: str, package: str, text: str) -> Point:
    """Find the app's send button on a screen whose only message field holds exactly this text. Raises ScreenError."""
    nodes = _nodes(hierarchy)
    own = [node for node in nodes if node.get("package") == package]
    fields = [node for node in own if node.get("class", "").endswith("EditText") and _same(node.get("text", ""), text)]
    if len(fields) != 1:
        raise ScreenError("the messaging app does not show the message that is to be sent")
    buttons = [
        node
        for node in own
        if _SEND_ID.search(node.get("resource-id", ""))
        and not _NOT_SEND.search(node.get("resource-id", ""))
        and node.get("clickable") == "true"
        and node.get("enabled") == "true"
    ]
    if len(buttons) != 1:
        raise ScreenError(f"{len(buttons)} send buttons are on the screen, one is needed")
    bounds = _BOUNDS.fullmatch(buttons[0].get("bounds", ""))
    if bounds is None:
        raise ScreenError("the send button has no place on the screen")
    left, top, right, bottom = map(int, bounds.groups())
    return Point((left + right) // 2, (top + bottom) // 2)


def tap_command(point: Point) -> DeviceCommand:
    """Tap there, and say so."""
    return call("input", "tap", str(point.x), str(point.y)).then(call("echo", TAPPED))


def _same(shown: str, text: str) -> bool:
    """Compare word by word: how XML attributes keep line breaks differs from phone to phone."""
    return shown.split() == text.split()


def _nodes(hierarchy: str) -> list[dict[str, str]]:
    start = hierarchy.find("<hierarchy")
    if start < 0 or len(hierarchy) > _MAX_HIERARCHY or "<!" in hierarchy:
        raise ScreenError("the screen cannot be read; is it locked?")
    try:
        tree = ElementTree.fromstring(hierarchy[start:])  # noqa: S314 - no declarations get here
    except ElementTree.ParseError as error:
        raise ScreenError("the screen cannot be read") from error
    return [dict(node.attrib) for node in tree.iter("node")]
