"""SQL's LIKE: `%` stands for any text, `_` for one character, a backslash before either for itself. Pure."""

from __future__ import annotations

_ANY_TEXT = object()
_ANY_CHARACTER = object()


def is_like(text: str, pattern: str) -> bool:
    """Say whether the whole text fits the pattern; at worst length times length, never exponential."""
    tokens = _tokens(pattern)
    at = token_at = 0
    # Where the last `%` stood, and up to where it has been stretched.
    star, stretched = -1, 0
    while at < len(text):
        token = tokens[token_at] if token_at < len(tokens) else None
        if token is _ANY_TEXT:
            star, stretched = token_at, at
            token_at += 1
        elif token is _ANY_CHARACTER or token == text[at]:
            at += 1
            token_at += 1
        elif star >= 0:
            stretched += 1
            at, token_at = stretched, star + 1
        else:
            return False
    return all(token is _ANY_TEXT for token in tokens[token_at:])


def _tokens(pattern: str) -> list[object]:
    tokens: list[object] = []
    characters = iter(pattern)
    for character in characters:
        if character == "%":
            tokens.append(_ANY_TEXT)
        elif character == "_":
            tokens.append(_ANY_CHARACTER)
        else:
            tokens.append(next(characters, character) if character == "\\" else character)
    return tokens
