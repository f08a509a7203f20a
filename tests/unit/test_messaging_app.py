"""The second way to send: nothing is tapped unless exactly this message and exactly one send button are in sight."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.android.messaging_app import Point, ScreenError, find_button
from device_drivers.simulator.screen import Screen

APP = "com.google.android.apps.messaging"


def screen(text: str = "Ahoj", to: str = "+420777123456") -> Screen:
    made = Screen(lambda *_: None)
    made.app = APP
    made.open_compose(to, text, leaves_when_sent=True)
    return made


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1).filter(str.strip))
def test_the_button_beside_this_text(text):
    assert find_button(screen(text).hierarchy(), APP, text) == Point(1008, 2122)


def test_a_text_with_line_breaks():
    assert find_button(screen("a\nb").hierarchy(), APP, "a\nb") == Point(1008, 2122)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda xml: xml.replace("Ahoj", "Draft of somebody"), "does not show"),
        (lambda xml: xml.replace("send_message_button_icon", "attach_send_button"), "0 send buttons"),
        (lambda xml: xml.replace("enabled=\"true\"", "enabled=\"false\""), "0 send buttons"),
        (lambda xml: xml.replace("[936,2050][1080,2194]", "somewhere"), "no place"),
        (lambda xml: xml.replace(APP, "com.evil.app"), "does not show"),
        (lambda xml: xml[:-20], "cannot be read"),
        (lambda xml: "<!DOCTYPE x [<!ENTITY a 'b'>]>" + xml, "cannot be read"),
        (lambda _: "ERROR: could not get idle state.", "locked"),
        (lambda xml: xml.replace("</hierarchy>", xml[xml.index("<node"):]), "."),
    ],
)  # fmt: skip
def test_no_tap_in_doubt(change, words):
    with pytest.raises(ScreenError, match=words):
        find_button(change(screen().hierarchy()), APP, "Ahoj")


def test_a_locked_screen_shows_nothing():
    locked = screen()
    locked.locked = True
    with pytest.raises(ScreenError):
        find_button(locked.hierarchy(), APP, "Ahoj")
