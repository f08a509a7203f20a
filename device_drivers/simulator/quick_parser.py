r"""The few forms of shell that the quick shell knows, read into a tree; a line with anything else is refused. Pure.

Known are words (plain, in single quotes, `\'`), `$?` as a word of its own, `;`, `&&`, `{ }`, `if`, redirections of the
outputs to a name without a folder or to /dev/null, `2>&1`, and the one form of `case` that asks a tool whether its
output has a line. Of the programs, the Android tools and a few forms of `echo`, `cd`, `mkdir`, `ls` and `cat`.
What is known means here exactly what it means to mksh; tests hold the two against each other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

# Not `reboot`: it ends the shell that it is called from.
TOOLS = frozenset(
    b"am appops cmd content date dumpsys getprop id input locksettings logcat service settings svc uiautomator"
    b" whoami".split()
)
SYSTEM = b"/system/"
"""Files under it are the model's, not the disk's."""
BOOT_ID = b"/proc/sys/kernel/random/boot_id"
NOWHERE = b"/dev/null"

# Whatever follows a word directly may change what the word is.
_WORD = rb"(?:(?:[A-Za-z0-9_@%+=:,./-]++|'[^']*+'|\\')++(?=[ ;)]|\Z))"
_ARGUMENT = rb"(?:" + _WORD + rb"|\$\?(?=[ ;]|\Z))"
_TOKEN = re.compile(
    rb" *+(?:"
    rb"(?P<key>(?:if|then|elif|else|fi|esac|[{}])(?=[ ;]|\Z))"
    rb"|(?P<case>case \"\n\$\()"
    rb"|(?P<words>" + _WORD + rb"(?: ++" + _ARGUMENT + rb")*+)"
    rb"|(?P<mark>;;(?: *\*\))?|;|&&)"
    rb"|(?P<redirection>2>&1(?=[ ;]|\Z)|2?>>? *" + _WORD + rb")"
    rb"|\)\n\" in \*\[' \n'\](?P<wanted>(?:[A-Za-z0-9_@%+=:,./-]++|'[^']*+'|\\')++)\*\)"
    rb"|(?P<blank>\Z))"
)
_PIECE = re.compile(rb"(?:[^ '\\]++|'[^']*+'|\\')++")
_QUOTED = re.compile(rb"'([^']*)'|\\(')")
_PATH = re.compile(rb"/data(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*+)++")
_NAME = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_.-]*+")
_ON_PATHS = ((b"cd",), (b"ls",), (b"ls", b"-d"), (b"mkdir",), (b"mkdir", b"-p"))
_MOST_NESTED = 20
_MOST_KEPT = 256


class NotQuickError(Exception):
    """The line is for a real shell."""


@dataclass(frozen=True, slots=True)
class Redirection:
    """Where an output goes from here on."""

    stream: int
    """1 or 2."""
    file: bytes | None
    """A name in the working directory, or NOWHERE; None sends stream 2 where stream 1 goes."""
    appends: bool


@dataclass(frozen=True, slots=True)
class Simple:
    """A program and its arguments."""

    words: tuple[bytes | None, ...]
    """None stands for the exit code of the last command."""
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """`{ ...; }`."""

    body: Script
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True, slots=True)
class If:
    """`if`, with as many `elif` as there are further branches."""

    branches: tuple[tuple[Script, Script], ...]
    """Conditions and what they lead to."""
    otherwise: Script


@dataclass(frozen=True, slots=True)
class Case:
    """Whether the output of a tool holds these bytes after a blank or at the start of a line."""

    tool: tuple[bytes | None, ...]
    wanted: bytes
    found: Script
    otherwise: Script


Command = Simple | Group | If | Case
# What `;` separates, and in each what `&&` does.
Script = tuple[tuple[Command, ...], ...]


def parse(line: bytes) -> Script:
    """Give the tree of a line. Raises NotQuickError, also for a line that no shell would take."""
    parser = _Parser(_tokens(line))
    script = parser.script()
    parser.take_end()
    return script


def _tokens(line: bytes) -> list[tuple[str | None, bytes]]:
    tokens: list[tuple[str | None, bytes]] = []
    end = 0
    while end < len(line):
        match = _TOKEN.match(line, end)
        if match is None:
            raise NotQuickError
        end = match.end()
        tokens.append((match.lastgroup, match[match.lastindex or 0]))
    if not tokens or tokens[-1][0] != "blank":
        tokens.append(("blank", b""))
    return tokens


class _Parser:
    """Reads one line's tokens from left to right."""

    def __init__(self, tokens: Sequence[tuple[str | None, bytes]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._cats = 0
        self._is_in_case = False

    def script(self) -> Script:
        """Read commands up to a word that ends them, which is left there."""
        self._depth += 1
        if self._depth > _MOST_NESTED:
            raise NotQuickError
        chains = []
        while True:
            commands = [self._command()]
            while self._has("mark", b"&&"):
                commands.append(self._command())
            chains.append(tuple(commands))
            if not self._has("mark", b";") or self._is_at_end():
                break
        self._depth -= 1
        return tuple(chains)

    def take_end(self) -> None:
        """Raise NotQuickError where something is left."""
        self._next("blank")

    def _is_at_end(self) -> bool:
        kind, text = self._tokens[self._at]
        return kind == "blank" or (kind == "key" and text not in (b"if", b"{")) or text.startswith(b";;")

    def _command(self) -> Command:
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "words":
            return self._simple(text)
        if kind == "case":
            return self._case()
        if kind == "key" and text == b"if":
            return self._if()
        if kind != "key" or text != b"{":
            raise NotQuickError
        cats = self._cats
        body = self.script()
        self._take("key", b"}")
        return Group(body, self._redirections(forbid_files=self._cats > cats))

    def _if(self) -> If:
        branches: list[tuple[Script, Script]] = []
        while not branches or self._has("key", b"elif"):
            condition = self.script()
            self._take("key", b"then")
            branches.append((condition, self.script()))
        otherwise = self.script() if self._has("key", b"else") else ()
        self._take("key", b"fi")
        return If(tuple(branches), otherwise)

    def _case(self) -> Case:
        tool = _words(self._next("words"))
        wanted = _unquoted(self._next("wanted"))
        if tool[0] not in TOOLS or None in tool:
            raise NotQuickError
        was_in_case, self._is_in_case = self._is_in_case, True
        found = self.script()
        self._take("mark", b";; *)")
        otherwise = self.script()
        self._is_in_case = was_in_case
        self._take("mark", b";;")
        self._take("key", b"esac")
        return Case(tool, wanted, found, otherwise)

    def _simple(self, text: bytes) -> Simple:
        words = _program(text)
        if self._is_in_case and None in words:  # shells differ in what it is there
            raise NotQuickError
        is_cat = words[0] == b"cat"
        self._cats += is_cat
        redirections = self._redirections(forbid_files=is_cat)
        if self._tokens[self._at][0] in ("words", "key"):  # more arguments
            raise NotQuickError
        return Simple(words, redirections)

    def _redirections(self, *, forbid_files: bool) -> tuple[Redirection, ...]:
        """Read what follows a command; `cat` has its own opinion on writing a file into itself."""
        if self._tokens[self._at][0] != "redirection":
            return ()
        found = []
        while self._tokens[self._at][0] == "redirection":
            found.append(_redirection(self._tokens[self._at][1]))
            self._at += 1
            if forbid_files and found[-1].file not in (None, NOWHERE):
                raise NotQuickError
        return tuple(found)

    def _next(self, kind: str) -> bytes:
        found, text = self._tokens[self._at]
        if found != kind:
            raise NotQuickError
        self._at += 1
        return text

    def _has(self, kind: str, text: bytes) -> bool:
        """Take a token if it is the next one."""
        if self._tokens[self._at] != (kind, text):
            return False
        self._at += 1
        return True

    def _take(self, kind: str, text: bytes) -> None:
        if not self._has(kind, text):
            raise NotQuickError


@lru_cache(_MOST_KEPT)
def _redirection(text: bytes) -> Redirection:
    stream = 2 if text.startswith(b"2") else 1
    if text == b"2>&1":
        return Redirection(2, None, appends=False)
    file = _unquoted(text.lstrip(b"2").lstrip(b"> "))
    if file != NOWHERE and not _NAME.fullmatch(file):
        raise NotQuickError
    return Redirection(stream, file, appends=b">>" in text)


@lru_cache(_MOST_KEPT)
def _program(text: bytes) -> tuple[bytes | None, ...]:
    """Read a program's words. Many are the same in every line."""
    words = _words(text)
    if words[0] not in TOOLS and not _is_known(words):
        raise NotQuickError
    return words


def _words(text: bytes) -> tuple[bytes | None, ...]:
    if b"'" not in text:
        words = text.split()
        return tuple(words) if b"$?" not in words else tuple([None if word == b"$?" else word for word in words])
    pieces: list[bytes] = _PIECE.findall(text)
    return tuple([None if piece == b"$?" else _unquoted(piece) for piece in pieces])


def _unquoted(word: bytes) -> bytes:
    return _QUOTED.sub(rb"\1\2", word) if b"'" in word else word


def _is_known(words: Sequence[bytes | None]) -> bool:
    """Tell whether a program that is no tool is one of ours, in a form of ours."""
    program, path = words[0], words[-1]
    if program == b"echo" and len(words) > 1:
        first = words[1] or b""
        # Options, and mksh's escapes.
        is_plain = not first.startswith(b"-") or (first.startswith(b"--") and len(first) > 2)
        return is_plain and not any(word and b"\\" in word for word in words)
    if path is None:
        return False
    if program == b"cat" and len(words) == 2:
        return bool(_PATH.fullmatch(path) or _NAME.fullmatch(path)) or path == BOOT_ID or path.startswith(SYSTEM)
    return words[:-1] in _ON_PATHS and bool(_PATH.fullmatch(path))
