"""Tables of the command line: what strangers write can neither command a terminal nor be squeezed out of it."""

from __future__ import annotations

import io

from rich.console import Console

from host_controller.cli import api_options
from host_controller.cli.lists import harmless, make_table, one_line


def test_a_text_gives_a_terminal_no_commands():
    assert one_line("\x1b[31mred\x07 \x9b2J\u202eSTOP\u2069\nnow") == "[31mred 2JSTOP now"
    assert harmless("Řádek\r\nňďť 👨\u200d👩") == "Řádek ňďť 👨\u200d👩"


def test_a_narrow_terminal_still_shows_texts_and_last_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout", terminal := _Terminal())
    table = make_table("id", "received (UTC)", "from", "text", "stop", "why", "phone")
    sender, phone = "+420777123456", "127.0.0.1:35465 SIM 1"
    table.add_row("1", "2026-11-26T10:44:19.922Z", sender, "Zrušte mi to", "suspected", "first: zruste", phone)
    api_options.console().print(table)
    assert "Zrušte mi to" in terminal.getvalue()
    assert phone in terminal.getvalue()
    assert Console().width == 80


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True
