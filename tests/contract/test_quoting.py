"""Quoting: whatever a text holds, the phone's shell gives it to the tool unchanged, through the real adb server."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_drivers.adb.command import call, in_order
from device_drivers.adb.link import ShellKind
from device_drivers.simulator.shell import ShellMissingError, find_shell

# In `make soak` ten thousand, for each shell and each way into it.
TEXTS = int(os.environ.get("SMSRACK_TEST_TEXTS", "400"))
# One command carries several texts: the way to the phone is the same, and the run is shorter.
_EACH = 20
CHARACTERS = st.one_of(
    st.sampled_from("'\"$`\\\n\r\t-;&|(){}<>*?~#!%=[] "),
    st.sampled_from("Ďжя😀🇨🇿ﷺ\u202e\u200d\ufeff\x01\x7f\x85"),
    st.characters(codec="utf-8", exclude_characters="\0"),
)
WORD = st.one_of(
    st.text(CHARACTERS, max_size=80),
    st.sampled_from(["", "-n", "-e", "--", "$(reboot)", "`reboot`", "'", "''", "'\\''", "\\", "\n", "~", "*", "null"]),
)


@pytest.fixture(scope="module", params=["mksh", "dash"])
def serials(request, start_rack, attach):
    """A phone with shell v2 and one without, both with this shell."""
    try:
        find_shell(request.param)
    except ShellMissingError:
        pytest.skip(f"{request.param} is not installed")
    return attach(start_rack(phones=2, profiles=("34", "23"), shell=request.param, seed=91)).phones


@pytest.mark.parametrize("kind", list(ShellKind))
@settings(max_examples=max(1, TEXTS // _EACH))
@given(words=st.lists(WORD, min_size=_EACH, max_size=_EACH))
def test_every_text_arrives_as_it_is(link, serials, kind, words):
    serial = serials[kind is ShellKind.EXEC]
    command = in_order("words", [call("printf", "<%s>", word) for word in words])
    assert command.split(link.run(serial, command, 60, kind).stdout) == [f"<{word}>" for word in words]
