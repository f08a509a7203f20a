"""Whom a phone may write to, as a person states it: which fields there are, and what may stand in each."""

from __future__ import annotations

from collections.abc import Iterable

from phonenumbers import SUPPORTED_REGIONS

from host_controller.errors import InvalidFilterError
from host_controller.rules.classes import MessageClass
from host_controller.rules.recipient_filter import Leaf, Node, Not, Scalar, parse_filter

FILTER_FIELDS = ("number", "country", "class", "parts")
"""What a phone's filter may ask of a message and its recipient."""
_WHOLE = ("=", "!=", "in", "not in")
_CLASSES = frozenset(each.value for each in MessageClass)


def read_phone_filter(text: str) -> Node:
    """Read a filter that a person has written. Raises InvalidFilterError, also where a value can match nobody."""
    node = parse_filter(text, FILTER_FIELDS)
    for leaf in _leaves(node):
        _check(leaf)
    return node


def _leaves(node: Node) -> Iterable[Leaf]:
    if isinstance(node, Leaf):
        yield node
        return
    for inner in (node.node,) if isinstance(node, Not) else node.nodes:
        yield from _leaves(inner)


def _check(leaf: Leaf) -> None:
    values: tuple[Scalar, ...] = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
    for value in values:
        if leaf.field == "parts":
            is_right, wanted = isinstance(value, int) and not isinstance(value, bool), "a number like 2"
        elif leaf.operator not in _WHOLE:
            continue
        elif leaf.field == "class":
            is_right, wanted = value in _CLASSES, f"one of {', '.join(each.value for each in MessageClass)}"
        elif leaf.field == "country":
            is_right, wanted = value in SUPPORTED_REGIONS, "two letters like CZ"
        else:
            continue
        if not is_right:
            raise InvalidFilterError(f"{leaf.field} {leaf.operator} {value!r} matches nobody; write {wanted}")
