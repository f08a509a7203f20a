"""The quick shell gives what the real one gives, or leaves the line to it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_drivers.adb.command import call, in_order, when_output_has_line
from device_drivers.android import isms, journal, message_rows
from device_drivers.android.enrolment import BOOT_ID, ISUB
from device_drivers.base import MessageQuery
from device_drivers.simulator.quick_parser import NotQuickError, parse
from device_drivers.simulator.quick_shell import QuickJob, QuickShell
from device_drivers.simulator.shell import Shell, ShellMissingError, ToolAnswer, find_shell

ANCHOR = "Logical SIM slot 0: subId=11"
PLACE = "/data/local/tmp/smsrack"
# Where a program of the host and a shell word an error in their own way, and its place.
_ERROR = re.compile(
    rb"^.*(?:File exists|No such file or directory|Is a directory|[Nn]ot a directory|can't c.*)$", re.MULTILINE
)
KEPT = ("boot_id", "data", "local", "tmp")
REFUSED = r"""
true | nope | reboot | rm -r /data/x | sh | x=1 echo a | ! echo a | (echo a) | #
echo | echo "a" | echo `id` | echo $(id) | echo $HOME | echo a$? | echo * | echo a? | echo [a] | echo ~ | echo {a,b}
echo } | echo 'a | echo \a | echo '\n' | echo -n | echo - | echo -- | echo a & | echo a &&
echo a; ; echo b | echo a;; echo b
echo a >/data/x | echo a >../x | echo a 3>x | echo a >&2 | echo a 12>x | echo a <x | echo a; } | { echo a } | { }
cat | cat - | cat a b | cat /etc/passwd | cat /data/../x | cat a >b | { cat a; } >>b
cd | cd .. | ls | ls -l /data/a | ls /data/a /data/b | mkdir a | mkdir -m 7 /data/a
if echo a; then fi | if echo a then echo b; fi | if echo a; then echo b | for i in a; do echo; done | case a in esac
"""
SEND = isms.send_command(isms.CANDIDATES[30][0], 7, 11, "+420777123456", ["It's 'so'\n$(reboot)"])
READ = message_rows.query_command(MessageQuery(inbox_since_ms=5, inbox_after_row_id=3, sent_since_ms=4))


def begin(anchor: str = ANCHOR):
    guarded = when_output_has_line(ISUB, anchor, then=SEND, otherwise=call("echo", "smsrack-sim-has-changed"))
    return in_order("submit", [journal.begin(7, journal.noted(11, guarded))])


MADE = call("mkdir", "-p", PLACE)
DRIVERS = {
    "begun twice": [MADE, begin(), begin()],
    "another SIM": [MADE, begin("Logical SIM slot 0: subId=1")],
    "no journal": [begin()],
    "revoked after": [MADE, begin(), in_order("revoke", [BOOT_ID, journal.revoke(7)])],
    "revoked before": [MADE, in_order("revoke", [BOOT_ID, journal.revoke(7)]), begin()],
    "read": [in_order("read messages", [journal.CLOCK, READ])],
    "listed": [MADE, begin(), journal.list_command()],
}


def answer(name, arguments):
    if name == "dumpsys":
        return ToolAnswer(f"Service:\n  {ANCHOR}\n\n".encode())
    said = b" ".join([name.encode(), *arguments])
    return ToolAnswer(said + b"\n", b"err\n" if name == "am" else b"", len(arguments) % 3)


@pytest.fixture(params=["mksh", "dash"])
def shell_path(request):
    try:
        return find_shell(request.param)
    except ShellMissingError:
        pytest.skip(f"{request.param} is not installed")


class Both:
    """A real shell and a quick one, each with a disk of its own."""

    def __init__(self, path, home):
        self._loop = asyncio.new_event_loop()
        self._homes = home / "real", home / "quick"
        self.real, self.quick = self._loop.run_until_complete(self._start(path))
        for place in self._homes:
            (place / "data" / "boot_id").write_text("boot\n")

    async def _start(self, path):
        real, behind = (Shell(path, place, answer) for place in self._homes)
        return real, QuickShell(behind, self._homes[1], answer)

    def run(self, command, shell, *, merged=False):
        """Give the exit code, both outputs, and the files."""

        async def run():
            output = {1: b"", 2: b""}
            done = asyncio.get_running_loop().create_future()
            job = shell.run(
                command.encode("utf-8", "surrogateescape"),
                lambda stream, data: output.__setitem__(stream, output[stream] + data),
                done.set_result,
                merged=merged,
            )
            job.close_stdin()
            assert isinstance(job, QuickJob) == (shell is self.quick)
            return await asyncio.wait_for(done, 10), output[1], bool(output[2])

        code, stdout, has_stderr = self._loop.run_until_complete(run())
        home = self._homes[shell is self.quick]
        files = {
            str(file.relative_to(home)): file.is_file() and self._neutral(file.read_bytes(), home)
            for file in home.rglob("*")
            if "bin" not in file.parts
        }
        return code, self._neutral(stdout, home), has_stderr, files

    def _neutral(self, text, home):
        return _ERROR.sub(b"<error>", text).replace(str(home).encode(), b"")

    def clear(self):
        for home in self._homes:
            for file in sorted(home.rglob("*"), reverse=True):
                if "bin" not in file.parts and file.name not in KEPT:
                    file.rmdir() if file.is_dir() else file.unlink()

    def close(self):
        async def stop():
            self.real.stop()
            self.quick.stop()

        self._loop.run_until_complete(stop())
        self._loop.close()


@pytest.fixture
def both(shell_path, tmp_path):
    made = Both(shell_path, tmp_path)
    yield made
    made.close()


NAME = st.sampled_from(["a", "b", "out"])
PATH = st.sampled_from([f"{PLACE}", f"{PLACE}/a", f"{PLACE}/b/c", "/data/local/tmp"])
TEXT = st.text(st.sampled_from("ab '\"$`\n;&|(){}<>*?~#!%=[]-ž\\"), max_size=6)
WORD = st.one_of(st.sampled_from(["x", "--x", "+5", "then", "2", "date"]), TEXT.map(lambda text: quoted(text)))
TOOL = st.builds(
    lambda name, words: " ".join([name, *words]),
    st.sampled_from(["getprop", "am", "service", "dumpsys"]),
    st.lists(st.one_of(WORD, st.just("$?")), max_size=3),
)
PROGRAM = st.one_of(
    st.builds("echo {}".format, st.sampled_from(["x", "$?", "'a  b' c", "x $? y", "''", "it\\'s"])),
    st.builds("{} {}".format, st.sampled_from(["cd", "ls", "ls -d", "mkdir", "mkdir -p", "cat"]), PATH),
    st.builds("cat {}".format, NAME),
    st.just("cat /proc/sys/kernel/random/boot_id"),
)


def redirections(signs):
    files = st.builds("{}{}".format, st.sampled_from(signs), NAME)
    return st.lists(st.one_of(st.sampled_from(["2>/dev/null", ">/dev/null", "2>&1"]), files), max_size=2)


# The real shell's tools print to the end of a file, also where `>` has opened it.
APPENDING = redirections([">>", "2>>", ">> "])
ANY = redirections([">", "2>", "> ", ">>"])


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def redirected(command, outputs=APPENDING):
    return st.builds(lambda body, outputs: " ".join([body, *outputs]), command, outputs)


def compound(command):
    body = st.builds(
        lambda commands, signs: "".join(c + s for c, s in zip(commands, [*signs, ""], strict=False)),
        st.lists(command, min_size=1, max_size=3),
        st.lists(st.sampled_from(["; ", " && "]), min_size=3, max_size=3),
    ).map(lambda text: text.removesuffix("; ").removesuffix(" && "))
    return st.one_of(
        body,
        redirected(st.builds("{{ {}; }}".format, body)),
        st.builds("if {}; then {}; fi".format, body, body),
        st.builds("if {}; then {}; else {}; fi".format, body, body, body),
        st.builds("if {}; then {}; elif {}; then {}; else {}; fi".format, body, body, body, body, body),
        st.builds(
            "case \"\n$({})\n\" in *[' \n']{}*) {};; *) {};; esac".format,
            TOOL.filter(lambda text: "$?" not in text),
            st.sampled_from([quoted(ANCHOR + "\n"), "'am'", "x", "subId"]),
            body,
            body,
        ),
    )


LINE = st.recursive(st.one_of(redirected(TOOL), redirected(PROGRAM, ANY)), compound, max_leaves=8)
SCRAPS = [
    *" ;&{}'$>2*()\\\n",
    "&&",
    ";;",
    "$?",
    " fi",
    " then ",
    " esac",
    "-n",
    " }",
    "; }",
    "if ",
    "2>&1",
    "~",
    "#",
    "!",
]


def is_quick(line):
    try:
        parse(line.encode("utf-8", "surrogateescape"))
    except NotQuickError:
        return False
    return True


def same(both, *lines, merged=False):
    both.clear()
    for line in lines:
        assert both.run(line, both.quick, merged=merged) == both.run(line, both.real, merged=merged), line


@pytest.mark.parametrize("commands", DRIVERS.values(), ids=DRIVERS)
@pytest.mark.parametrize("merged", [False, True])
def test_the_drivers_own_lines(both, commands, merged):
    same(both, *(command.shell_line() for command in commands), merged=merged)


@settings(max_examples=150)
@given(st.lists(LINE, min_size=1, max_size=3).filter(lambda lines: all(map(is_quick, lines))))
def test_every_line_that_is_quick_gives_the_same(both, lines):
    same(both, *lines)


@settings(max_examples=150)
@given(st.data())
def test_what_is_nearly_such_a_line_gives_the_same_or_is_refused(both, data):
    line = data.draw(LINE)
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, len(line)))
        line = line[:at] + data.draw(st.sampled_from(SCRAPS)) + line[at + data.draw(st.integers(0, 2)) :]
    if is_quick(line):
        same(both, line)


def test_most_lines_of_the_driver_are_quick():
    assert all(is_quick(command.shell_line()) for commands in DRIVERS.values() for command in commands)


@pytest.mark.parametrize("line", [line for row in REFUSED.strip().split("\n") for line in row.split(" | ")])
def test_what_is_not_known_is_for_the_real_shell(line):
    assert not is_quick(line)


@pytest.mark.parametrize(
    "line",
    [
        *("", " ", "echo a\n", "echo a\necho b", "echo a | cat", "echo a || echo b", "{ " * 30 + "echo a" + "; }" * 30),
        "case \"\n$(echo a)\n\" in *[' \n']a*) echo b;; *) echo c;; esac",
        "case \"\n$(id)\n\" in *[' \n']a*) echo $?;; *) echo c;; esac",
    ],
)
def test_nor_are_lines_of_several_kinds(line):
    assert not is_quick(line)


def test_a_tool_that_answers_late_holds_the_line_up_until_it_does_or_the_line_is_killed(tmp_path):
    async def run():
        later = asyncio.get_running_loop().create_future()
        (tmp_path / "data").mkdir()
        outputs, codes = [], []

        def begin():
            return QuickJob(
                parse(b"{ echo a; service x; } >>out 2>&1; echo $?"),
                bytes(tmp_path),
                lambda *_: later,
                lambda *output: outputs.append(output),
                codes.append,
                merged=False,
            )

        killed, waiting = begin(), begin()
        assert (tmp_path / "out").read_text() == "a\na\n"
        open_files = len(list(Path("/proc/self/fd").iterdir()))
        killed.kill()
        assert len(list(Path("/proc/self/fd").iterdir())) == open_files - 1
        later.set_result(ToolAnswer(b"late\n", exit_code=3))
        await asyncio.sleep(0)
        assert (tmp_path / "out").read_text() == "a\na\nlate\n"
        return outputs, codes, waiting.has_ended

    assert asyncio.run(run()) == ([(1, b"3\n")], [0], True)
