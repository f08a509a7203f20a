"""The screen of a simulated phone: the messaging app's compose view, the guard's dialog, and fingers (`input tap`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

_LAUNCHER = "com.android.launcher3/com.android.launcher3.Launcher"
_SEND_BUTTON = (936, 2050, 1080, 2194)


@dataclass
class Compose:
    """A message that is written and not sent yet."""

    to: str
    text: str
    leaves_when_sent: bool


class Screen:
    """What is in front."""

    def __init__(self, send: Callable[[str, str, str], None]) -> None:
        """`send(package, to, text)` is what the app does when its button is pressed."""
        self._send = send
        self.locked = False
        self.compose: Compose | None = None
        self.app: str | None = None
        """The messaging app, or None where there is none."""

    @property
    def focus(self) -> str:
        """The window in front, as `dumpsys window` names it."""
        if self.locked:
            return "NotificationShade"
        return f"{self.app}/{self.app}.ui.ConversationActivity" if self.compose else _LAUNCHER

    def open_compose(self, to: str, text: str, *, leaves_when_sent: bool) -> bool:
        """Start the messaging app on a new message; tell whether there is one that can."""
        if self.app is None:
            return False
        self.compose = Compose(to, text, leaves_when_sent)
        return True

    def hierarchy(self) -> str:
        """What `uiautomator dump` writes."""
        nodes = [_node("android:id/content", "", "", "android.widget.FrameLayout", (0, 0, 1080, 2280))]
        if self.compose and not self.locked:
            kind, box = "android.widget.EditText", (144, 2050, 936, 2194)
            nodes.append(_node(f"{self.app}:id/compose_message_text", self.compose.text, "", kind, box))
            name, words = f"{self.app}:id/send_message_button_icon", "Send SMS"
            nodes.append(_node(name, "", words, "android.widget.ImageView", _SEND_BUTTON))
        inner = "".join(nodes)
        return f"<?xml version='1.0' encoding='UTF-8' standalone='yes' ?><hierarchy rotation=\"0\">{inner}</hierarchy>"

    def tap(self, x: int, y: int) -> None:
        """A finger."""
        left, top, right, bottom = _SEND_BUTTON
        if self.locked or not self.compose or not self.app or not (left <= x < right and top <= y < bottom):
            return
        message, self.compose = self.compose, None
        if not message.leaves_when_sent:
            self.compose = Compose(message.to, "", leaves_when_sent=False)
        if message.text:
            self._send(self.app, message.to, message.text)


def _node(name: str, text: str, description: str, kind: str, box: tuple[int, int, int, int]) -> str:
    place = f"[{box[0]},{box[1]}][{box[2]},{box[3]}]"
    values = {"text": text, "resource-id": name, "class": kind, "package": name.split(":")[0]}
    values |= {"content-desc": description, "clickable": "true", "enabled": "true", "bounds": place}
    return "<node " + " ".join(f"{key}={quoteattr(value)}" for key, value in values.items()) + " />"
