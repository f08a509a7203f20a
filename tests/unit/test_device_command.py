"""Shell lines: every word quoted, by the one module that builds them."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.adb.command import DeviceCommand, call, in_order, when_output_has_line

WORDS = st.text(min_size=0, max_size=40).filter(lambda word: "\0" not in word)
ENCODABLE = WORDS.filter(lambda word: not any("\ud800" <= c <= "\udfff" for c in word))


SHELLS = [shell for shell in ("dash", "mksh", "sh") if shutil.which(shell)]


def run(command: DeviceCommand) -> str:
    outputs = {
        subprocess.run([shell, "-c", command.shell_line()], capture_output=True, check=False).stdout.decode()
        for shell in SHELLS
    }
    assert len(outputs) == 1
    return outputs.pop()


def test_nobody_else_can_build_one():
    with pytest.raises(TypeError, match="built by the functions"):
        DeviceCommand("evil", "reboot")


def test_nul_cannot_be_said():
    with pytest.raises(ValueError, match="NUL"):
        call("echo", "a\0b")


def test_the_line_is_not_in_the_repr():
    assert repr(call("service", "+420777123456")) == "<DeviceCommand service>"


def test_a_line_that_adb_cannot_frame_is_refused():
    with pytest.raises(ValueError, match="longer than"):
        call("echo", "x" * 70_000)


@given(st.lists(ENCODABLE, min_size=1, max_size=4))
def test_a_real_shell_gives_every_word_back(words):
    assert run(call("printf", "%s\\n", *words)) == "".join(word + "\n" for word in words)


def test_steps_are_kept_apart_even_if_one_prints_a_border():
    steps = [call("printf", "a"), call("printf", "%s\n", "--0123456789abcdef--"), call("printf", "c\n")]
    command = in_order("three", steps)
    # A step that ends without a newline runs into its border: only whole lines are asked of a phone.
    assert command.split(run(command)) == ["a", "--0123456789abcdef--\n", "c\n"]


def test_a_missing_border_is_noticed():
    command = in_order("two", [call("echo", "a"), call("echo", "b")])
    assert command.split("a\n") is None


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("  slot 0: subId=3\n", "yes\n"),
        ("first\n  slot 0: subId=3\nlast\n", "yes\n"),
        ("  slot 0: subId=33\n", "no\n"),
        ("slot 0: subId=3", "yes\n"),
        ("dslot 0: subId=3\n", "no\n"),
        ("name='  slot 0: subId=3'\n", "no\n"),
        ("", "no\n"),
    ],
)
def test_a_command_hangs_on_a_line_of_another(printed, expected):
    probe = call("printf", "%s", printed)
    command = when_output_has_line(probe, "slot 0: subId=3", call("echo", "yes"), call("echo", "no"))
    assert run(command) == expected
