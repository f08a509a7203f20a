"""Which recipients a phone may write to: Odoo's prefix notation, read into nodes and never evaluated as code. Pure.

A filter is a JSON list like `["|", ["country", "=", "CZ"], ["tags", "in", ["vip"]]]`: leaves, with `&` and `|` before
two terms and `!` before one. Terms that nothing connects must all match. It matches only where every field that it
names is known of the recipient: what is unknown is unknown under `!` and beside `|` too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from host_controller.errors import InvalidFilterError
from host_controller.rules.like import is_like

MAX_CHARACTERS = 20_000
MAX_LEAVES = 100
MAX_DEPTH = 20
MAX_VALUES = 500
MAX_TEXT = 200
_MAX_NAME = 64

Scalar = str | int | float | bool | None
Value = Scalar | tuple[Scalar, ...]
"""What is known of a field; a tuple where it holds several values, like tags. None, False, "" and () are empty."""
Facts = Mapping[str, Value]

_EQUAL = ("=", "!=")
_IN = ("in", "not in")
_LIKE = ("like", "ilike", "=like", "=ilike")
_ORDER = ("<", "<=", ">", ">=")
OPERATORS = (*_EQUAL, *_IN, *_LIKE, *_ORDER)
_REFUSED = {
    name: f"{name!r} needs Odoo's tree of records, which the rack does not know; list the values with 'in' instead"
    for name in ("child_of", "parent_of", "any", "not any")
}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One condition on one field."""

    field: str
    operator: str
    value: Value


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a node."""

    node: Node


@dataclass(frozen=True, slots=True)
class All:
    """True where every node is; without nodes it always is."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True where at least one node is."""

    nodes: tuple[Node, ...]


Node = Leaf | Not | All | AnyOf
EVERYBODY: Node = All(())
"""The filter that always matches; Odoo also writes it as [1, "=", 1]."""
NOBODY: Node = AnyOf(())
"""The filter that never does; Odoo writes it as [0, "=", 1]."""


def parse_filter(text: str, known_fields: Collection[str] | None = None) -> Node:
    """Read a filter from JSON; where `known_fields` are given, it may name no other. Raises InvalidFilterError."""
    if len(text) > MAX_CHARACTERS:
        raise InvalidFilterError(f"the filter has more than {MAX_CHARACTERS} characters; shorten it")
    try:
        items = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise InvalidFilterError("the filter is nested too deep; a leaf is [field, operator, value]") from error
    except ValueError as error:
        hint = "; texts stand in double quotes" if "'" in text else ""
        raise InvalidFilterError(f"the filter is not JSON: {error}{hint}") from error
    return read_filter(items, known_fields)


def read_filter(items: object, known_fields: Collection[str] | None = None) -> Node:
    """Read a filter from lists, as JSON gives them. Raises InvalidFilterError, which names the item from 1 on."""
    if not isinstance(items, list):
        raise InvalidFilterError('a filter is a list like [["country", "=", "CZ"]]')
    if sum(not isinstance(item, str) for item in items) > MAX_LEAVES:
        raise InvalidFilterError(f"the filter has more than {MAX_LEAVES} leaves; shorten it")
    if len(items) > MAX_LEAVES * 3:
        raise InvalidFilterError(f"the filter has more than {MAX_LEAVES * 3} items; shorten it")
    # Prefix notation is read from its end: each connective finds its terms on the stack, no recursion is needed.
    stack: list[Node] = []
    for place in range(len(items), 0, -1):
        item = items[place - 1]
        if isinstance(item, str):
            stack.append(_connect(item, stack, place))
        else:
            stack.append(_read_leaf(item, place, known_fields))
    node = stack[0] if len(stack) == 1 else _joined(All, stack[::-1])
    if _depth(node) > MAX_DEPTH:
        raise InvalidFilterError(f"the filter is nested more than {MAX_DEPTH} deep; simplify it")
    return node


def is_match(node: Node, facts: Facts) -> bool:
    """Say whether the filter surely matches a recipient of whom this is known."""
    return truth(node, facts) is True


def truth(node: Node, facts: Facts) -> bool | None:
    """True, False, or None where a field is not known or cannot be compared: one such leaf makes the whole unknown."""
    if isinstance(node, Leaf):
        return _leaf_truth(node, facts)
    if isinstance(node, Not):
        opposite = truth(node.node, facts)
        return None if opposite is None else not opposite
    truths = [truth(one, facts) for one in node.nodes]
    if None in truths:
        return None
    return all(truths) if isinstance(node, All) else any(truths)


def fields_of(node: Node) -> frozenset[str]:
    """Every field that a filter names."""
    if isinstance(node, Leaf):
        return frozenset((node.field,))
    nodes = (node.node,) if isinstance(node, Not) else node.nodes
    return frozenset().union(*map(fields_of, nodes))


def unknown_fields(node: Node, facts: Facts) -> list[str]:
    """The fields that a filter asks for and that are not known, for a person who wonders why it does not match."""
    return sorted(fields_of(node) - facts.keys())


def _connect(word: str, stack: list[Node], place: int) -> Node:
    if word not in ("&", "|", "!"):
        raise InvalidFilterError(f"item {place} is {_short(word)}; a connective is '&', '|' or '!', a leaf is a list")
    wanted = 1 if word == "!" else 2
    if len(stack) < wanted:
        raise InvalidFilterError(f"item {place}, {word!r}, needs {wanted} term(s) after it and has {len(stack)}")
    first = stack.pop()
    if word == "!":
        return Not(first)
    return _joined(All if word == "&" else AnyOf, (first, stack.pop()))


def _joined(kind: type[All] | type[AnyOf], nodes: Sequence[Node]) -> Node:
    """One node of the kind; terms of the same kind become its own, so that long chains are not deep."""
    flat: list[Node] = []
    for node in nodes:
        flat += node.nodes if isinstance(node, kind) else [node]
    return kind(tuple(flat))


def _depth(root: Node) -> int:
    deepest, level = 0, [root]
    while level:
        deepest += 1
        inner: list[Node] = []
        for node in level:
            if isinstance(node, Not):
                inner.append(node.node)
            elif not isinstance(node, Leaf):
                inner.extend(node.nodes)
        level = inner
    return deepest


def _read_leaf(item: object, place: int, known_fields: Collection[str] | None) -> Node:
    if item in ([1, "=", 1], [0, "=", 1]):
        return EVERYBODY if item == [1, "=", 1] else NOBODY
    if not isinstance(item, list) or len(item) != 3:
        raise InvalidFilterError(f"item {place} is {_short(item)}; a leaf is [field, operator, value]")
    name, operator, value = item
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME:
        raise InvalidFilterError(f"item {place}: a field is a name of at most {_MAX_NAME} characters")
    if known_fields is not None and name not in known_fields:
        known = ", ".join(sorted(known_fields))
        raise InvalidFilterError(f"item {place}: there is no field {_short(name)}; there are {known}")
    if not isinstance(operator, str) or operator not in OPERATORS:
        refused = _REFUSED.get(operator) if isinstance(operator, str) else None
        words = refused or f"{_short(operator)} is no operator; there are {' '.join(OPERATORS)}"
        raise InvalidFilterError(f"item {place}: {words}")
    return Leaf(name, operator, _read_value(operator, value, place))


def _read_value(operator: str, value: object, place: int) -> Value:
    if operator in _IN:
        if not isinstance(value, list) or len(value) > MAX_VALUES:
            raise InvalidFilterError(f"item {place}: {operator!r} needs a list of at most {MAX_VALUES} values")
        return tuple(_read_scalar(one, place) for one in value)
    scalar = _read_scalar(value, place)
    if operator in _LIKE and not isinstance(scalar, str):
        raise InvalidFilterError(f"item {place}: {operator!r} needs a text")
    if operator in _ORDER and (scalar is None or isinstance(scalar, bool)):
        raise InvalidFilterError(f"item {place}: {operator!r} needs a number or a text")
    return scalar


def _read_scalar(value: object, place: int) -> Scalar:
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise InvalidFilterError(f"item {place}: a text has at most {MAX_TEXT} characters")
    if value is None or isinstance(value, str | int | float):
        return value
    raise InvalidFilterError(f"item {place}: {_short(value)} is no text, number, true, false or null")


def _leaf_truth(leaf: Leaf, facts: Facts) -> bool | None:
    if leaf.field not in facts:
        return None
    known = facts[leaf.field]
    held = known if isinstance(known, tuple) else (known,)
    held = tuple(one for one in held if not _is_empty(one))
    if leaf.operator in _EQUAL:
        return _holds(held, (leaf.value,)) == (leaf.operator == "=")
    if leaf.operator in _IN:
        wanted = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
        return _holds(held, wanted) == (leaf.operator == "in")
    test = _is_like if leaf.operator in _LIKE else _is_ordered
    truths = [test(leaf.operator, one, leaf.value) for one in held]
    return None if None in truths else any(truths)


def _holds(held: tuple[Scalar, ...], wanted: tuple[Value, ...]) -> bool:
    """Say whether a wanted value is held; an empty one is wanted where nothing is."""
    if not held:
        return any(_is_empty(one) for one in wanted)
    return any(one == other and isinstance(one, bool) == isinstance(other, bool) for one in held for other in wanted)


def _is_empty(value: Value) -> bool:
    return value is None or value is False or value in ("", ())


def _is_like(operator: str, known: Scalar, pattern: Value) -> bool | None:
    if not isinstance(known, str) or not isinstance(pattern, str):
        return None
    if operator.endswith("ilike"):
        known, pattern = known.lower(), pattern.lower()
    return is_like(known, pattern if operator.startswith("=") else f"%{pattern}%")


def _is_ordered(operator: str, known: Scalar, limit: Value) -> bool | None:
    if isinstance(known, str) and isinstance(limit, str):
        return _compare(operator, (known > limit) - (known < limit))
    if isinstance(known, bool) or not isinstance(known, int | float) or not isinstance(limit, int | float):
        return None
    return _compare(operator, (known > limit) - (known < limit))


def _compare(operator: str, sign: int) -> bool:
    return (sign < 0 and "<" in operator) or (sign > 0 and ">" in operator) or (sign == 0 and "=" in operator)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
