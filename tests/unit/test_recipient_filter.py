"""Recipient filters in Odoo's notation: read strictly, and evaluated as a naive reader would."""

from __future__ import annotations

import json
import operator as operators
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_controller.errors import InvalidFilterError
from host_controller.rules.like import is_like
from host_controller.rules.recipient_filter import (
    EVERYBODY,
    MAX_DEPTH,
    MAX_LEAVES,
    NOBODY,
    All,
    AnyOf,
    Leaf,
    Not,
    is_match,
    parse_filter,
    read_filter,
    truth,
    unknown_fields,
)

ANNA = {
    "country": "CZ",
    "city": "Česká Lípa",
    "orders": 3,
    "spent": 1250.5,
    "tags": ("vip", "b2b"),
    "email": None,
    "opt_in": True,
    "since": "2024-02-29",
}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("[]", True),
        ('[[1, "=", 1]]', True),
        ('[[0, "=", 1]]', False),
        ('[["country", "=", "CZ"]]', True),
        ('[["country", "=", "CZ"], ["orders", ">", 3]]', False),
        ('["&", ["country", "=", "CZ"], ["orders", ">=", 3]]', True),
        ('["|", ["country", "=", "SK"], ["orders", "<", 4], ["spent", "<=", 1250.5]]', True),
        ('["!", ["country", "in", ["SK", "PL"]]]', True),
        ('["!", "|", ["country", "=", "CZ"], ["orders", "=", 0]]', False),
        ('[["country", "not in", ["SK", "PL"]]]', True),
        ('[["tags", "in", ["vip"]]]', True),
        ('[["tags", "not in", ["vip"]]]', False),
        ('[["tags", "=", "b2b"]]', True),
        ('[["tags", "like", "b%b"]]', True),
        ('[["city", "ilike", "LÍPA"]]', True),
        ('[["city", "like", "LÍPA"]]', False),
        ('[["city", "=like", "Česká%"]]', True),
        ('[["city", "=like", "Česká"]]', False),
        ('[["city", "=ilike", "česká l_pa"]]', True),
        ('[["email", "=", false]]', True),
        ('[["email", "!=", false]]', False),
        ('[["email", "!=", "a@b.cz"]]', True),
        ('[["email", "in", [false, "a@b.cz"]]]', True),
        ('[["email", "ilike", "@"]]', False),
        ('[["orders", "!=", false]]', True),
        ('[["opt_in", "=", true]]', True),
        ('[["opt_in", "=", 1]]', False),
        ('[["since", "<", "2024-03-01"]]', True),
        # Unknown is unknown, whatever stands around it.
        ('[["shoe_size", "=", 42]]', False),
        ('["!", ["shoe_size", "=", 42]]', False),
        ('["|", ["country", "=", "CZ"], ["shoe_size", "=", 42]]', False),
        ('["!", "&", ["country", "=", "SK"], ["shoe_size", "!=", 42]]', False),
        # So is what cannot be compared.
        ('[["country", "<", 3]]', False),
        ('["!", ["country", "<", 3]]', False),
        ('["!", ["orders", "like", "3"]]', False),
    ],
)
def test_what_matches(text, matches):
    assert is_match(parse_filter(text), ANNA) is matches


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[('country', '=', 'CZ')]", "double quotes"),
        ('{"country": "CZ"}', "is a list"),
        ('["country", "=", "CZ"]', "item 3 is 'CZ'; a connective"),
        ('["|", ["country", "=", "CZ"]]', r"item 1, '\|', needs 2 term\(s\) after it and has 1"),
        ('[["country", "=", "CZ"], "!"]', r"item 2, '!', needs 1"),
        ('[["country", "="]]', "item 1 is .* a leaf is"),
        ('[["country", "=", "CZ"], ["orders", "=?", 3]]', "item 2: '=\\?' is no operator"),
        ('[["categ", "child_of", 3]]', "item 1: 'child_of' needs Odoo's tree"),
        ('[["country", "in", "CZ"]]', "item 1: 'in' needs a list"),
        ('[["city", "like", 3]]', "item 1: 'like' needs a text"),
        ('[["orders", ">", true]]', "item 1: '>' needs a number or a text"),
        ('[["orders", ">", {}]]', "item 1: {} is no text"),
        ('[["orders", "in", [[1]]]]', r"item 1: \[1\] is no text"),
        ('[["", "=", 1]]', "item 1: a field is a name"),
        ('[[7, "=", 1]]', "item 1: a field is a name"),
        ('[["orders", "=", NaN]]', "NaN is no number"),
        ('[["shoe", "=", 1]]', "item 1: there is no field 'shoe'; there are categ, city, country, orders"),
        ("[" * 9999 + "]" * 9999, "nested too deep"),
        ("[" * 20_001, "more than 20000 characters"),
        (json.dumps([["orders", "=", "x" * 201]]), "at most 200 characters"),
        (json.dumps([["orders", "=", 1]] * (MAX_LEAVES + 1)), "more than 100 leaves"),
        (json.dumps(["!"] * 301 + [["orders", "=", 1]]), "more than 300 items"),
        (json.dumps(["!"] * MAX_DEPTH + [["orders", "=", 1]]), "nested more than 20"),
        (json.dumps([["orders", "in", list(range(501))]]), "at most 500 values"),
        ('[["orders", "=", ' + "9" * 5000 + "]]", "not JSON"),
    ],
)
def test_what_is_refused_says_where(text, words):
    with pytest.raises(InvalidFilterError, match=words):
        parse_filter(text, ["country", "city", "orders", "categ"])


def test_nodes():
    country, orders = Leaf("country", "=", "CZ"), Leaf("orders", "in", (1, 2))
    items = ["|", ["country", "=", "CZ"], "!", ["orders", "in", [1, 2]]]
    assert read_filter(items) == AnyOf((country, Not(orders)))
    assert read_filter([["country", "=", "CZ"], ["orders", "in", [1, 2]]]) == All((country, orders))
    assert read_filter([]) == EVERYBODY
    assert read_filter([[0, "=", 1]]) == NOBODY


def test_a_long_chain_is_not_deep():
    leaves = [["country", "=", f"{n:02}"] for n in range(MAX_LEAVES)]
    assert len(read_filter(["|"] * (MAX_LEAVES - 1) + leaves).nodes) == MAX_LEAVES


def test_it_names_what_is_not_known():
    node = parse_filter('["|", ["country", "=", "CZ"], "!", ["shoe", "=", 42], ["hat", "=", 1]]')
    assert unknown_fields(node, ANNA) == ["hat", "shoe"]


FIELDS = ["country", "orders", "tags", "email", "shoe"]
scalars = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "A", "ab", "b_", "%"])
facts = st.dictionaries(st.sampled_from(FIELDS), scalars | st.lists(scalars, max_size=3).map(tuple), min_size=3)
leaves = st.one_of(
    st.tuples(st.sampled_from(FIELDS), st.sampled_from(["=", "!="]), scalars),
    st.tuples(st.sampled_from(FIELDS), st.sampled_from(["in", "not in"]), st.lists(scalars, max_size=3)),
    st.tuples(
        st.sampled_from(FIELDS), st.sampled_from(["like", "ilike", "=like", "=ilike"]), st.text("aAb%_", max_size=4)
    ),
    st.tuples(st.sampled_from(FIELDS), st.sampled_from(["<", "<=", ">", ">="]), st.integers(-2, 2) | st.just("a")),
).map(list)
terms = st.recursive(
    leaves.map(lambda leaf: [leaf]),
    lambda inner: st.one_of(
        inner.map(lambda term: ["!", *term]),
        st.tuples(st.sampled_from("&|"), inner, inner).map(lambda three: [three[0], *three[1], *three[2]]),
    ),
    max_leaves=8,
)
COMPARE = {"<": operators.lt, "<=": operators.le, ">": operators.gt, ">=": operators.ge}


class UnknownError(Exception):
    """The oracle came to something that it does not know."""


def naive_term(items: list, known: dict) -> bool:
    """Take one term from the front of the list; both terms of a connective are always looked at."""
    head = items.pop(0)
    if head == "!":
        return not naive_term(items, known)
    if head in ("&", "|"):
        first, second = naive_term(items, known), naive_term(items, known)
        return first and second if head == "&" else first or second
    name, operator, value = head
    if name not in known:
        raise UnknownError
    held = known[name] if isinstance(known[name], tuple) else (known[name],)
    held = [one for one in held if not (one is None or one is False or one == "")]
    if operator in ("!=", "not in"):
        return not naive_term([[name, {"!=": "=", "not in": "in"}[operator], value]], known)
    if operator == "=":
        return naive_term([[name, "in", [value]]], known)
    if operator == "in":
        typed = [(type(one) is bool, one) for one in value]
        empty = any(one is None or one is False or one == "" for one in value)
        return any((type(one) is bool, one) in typed for one in held) if held else empty
    return any([naive_compare(operator, one, value) for one in held])


def naive_compare(operator: str, one, value) -> bool:
    if operator in COMPARE:
        if isinstance(one, bool) or isinstance(one, str) != isinstance(value, str):
            raise UnknownError
        return COMPARE[operator](one, value)
    if not isinstance(one, str):
        raise UnknownError
    pattern = "".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in value)
    flags = re.DOTALL | (re.IGNORECASE if "ilike" in operator else 0)
    return bool((re.fullmatch if operator[0] == "=" else re.search)(pattern, one, flags))


@settings(max_examples=600)
@given(st.lists(terms, max_size=3), facts)
def test_against_a_naive_reader(several, known):
    items = [item for term in several for item in term]
    try:
        rest, expected = list(items), True
        while rest:
            expected = naive_term(rest, known) and expected
    except UnknownError:
        expected = None
    node = parse_filter(json.dumps(items))
    assert truth(node, known) is expected
    assert is_match(node, known) is (expected is True)
    if unknown_fields(node, known):
        assert expected is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=20))
def test_no_list_breaks_the_reader(items):
    try:
        node = parse_filter(json.dumps(items))
    except InvalidFilterError:
        return
    assert truth(node, ANNA) in (True, False, None)


@given(st.text("ab", max_size=8), st.text("ab%_", max_size=6))
def test_like_against_regular_expressions(text, pattern):
    expression = pattern.replace("%", ".*").replace("_", ".")
    assert is_like(text, pattern) == bool(re.fullmatch(expression, text))


def test_like_takes_a_backslash_for_the_sign_itself():
    assert is_like("100 %", r"100 \%")
    assert not is_like("100 x", r"100 \%")
    assert is_like("a_b\\", r"a\_b\\")
    assert is_like("a\\", "a\\")


def test_a_hostile_pattern_costs_little():
    started = time.process_time()
    assert not is_like("a" * 2000, "%a" * 99 + "b")
    assert time.process_time() - started < 2
