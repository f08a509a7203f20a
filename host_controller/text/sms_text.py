"""The text of a message, masked wherever it is printed. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from host_controller.errors import InvalidTextError


@dataclass(frozen=True)
class SmsText:
    """A text that can be sent; `str` and `repr` show its length only."""

    _text: str

    def reveal(self) -> str:
        """Give the text itself. Never for a log."""
        return self._text

    def __str__(self) -> str:
        return f"<text, {len(self._text)} characters>"

    __repr__ = __str__


def parse_sms_text(raw: str) -> SmsText:
    """Check a text. Raises InvalidTextError."""
    if not raw.strip():
        raise InvalidTextError("the text is empty; write one")
    if "\0" in raw:
        raise InvalidTextError("the text holds a NUL character, which no SMS can carry; remove it")
    if any("\ud800" <= character <= "\udfff" for character in raw):
        raise InvalidTextError("the text holds half an emoji (a lone surrogate); correct it")
    return SmsText(raw)
