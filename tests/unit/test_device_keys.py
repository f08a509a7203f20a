"""Which keys the app would not keep as they are, and how a key is drawn until it does."""

from __future__ import annotations

import secrets
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from host_controller.access.device_keys import draw_secret, is_retyped

URL_SAFE = string.ascii_letters + string.digits + "-_"
HEX = st.text("0123456789abcdefABCDEF", min_size=1, max_size=41)


@pytest.mark.parametrize(
    "text",
    ["1", "-1", "0", "007", "1" * 43, "-" + "9" * 42, "1e5", "1E-7", "12e300", "0x1F", "0XaB", "0b11", "0o17", "true",
     "false", "Infinity", "-Infinity"],
)  # fmt: skip
def test_what_javascript_reads_as_a_number_or_a_truth_value(text):
    assert is_retyped(text)


@pytest.mark.parametrize(
    "text",
    ["a", "1a", "1_000", "--1", "1-2", "1e", "e5", "0xg", "-0x1f", "0b12", "0o8", "True", "falsey", "truefalse", "NaN",
     "-", "_1", "x" * 43],
)  # fmt: skip
def test_what_it_leaves_as_it_is(text):
    assert not is_retyped(text)


@given(st.from_regex(r"-?[0-9]{1,42}", fullmatch=True))
@example("0" * 43)
def test_digits_alone_are_always_a_number(text):
    assert is_retyped(text)


@given(HEX)
def test_so_are_hexadecimal_ones(text):
    assert is_retyped(f"0x{text}")


@given(st.text(URL_SAFE, min_size=1, max_size=43).filter(lambda text: set(text) & set("GgHhJjKkMmQqVvWwZz_")))
def test_a_letter_that_stands_in_no_number_makes_it_a_text(text):
    assert not is_retyped(text)


def test_a_key_is_43_characters_and_no_number():
    drawn = {draw_secret() for _ in range(2000)}
    assert len(drawn) == 2000
    assert all(len(secret) == 43 and set(secret) <= set(URL_SAFE) and not is_retyped(secret) for secret in drawn)


def test_it_is_drawn_again_where_it_would_be_one(monkeypatch):
    draws = iter(["7" * 43, "0x" + "a" * 41, "-" + "1" * 42, "k" * 43])
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _: next(draws))
    assert draw_secret() == "k" * 43
