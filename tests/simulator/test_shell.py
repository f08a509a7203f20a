"""The warm shell gives what a shell of its own would, for commands as hairy as they come."""

from __future__ import annotations

import asyncio
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_drivers.adb.command import call
from device_drivers.simulator.shell import Shell, ShellMissingError, ToolAnswer, find_shell

CORPUS = [
    "echo hi",
    "echo 'a  b' \"c  d\"; exit 7",
    "false",
    "exit 300",
    "nope",
    "if then",
    "echo 'unterminated",
    "echo $((6 * 7)); f() { exit 3; }; f; echo never",
    "cat <<X\n$HOME\nX\n",
    "printf '%s\\n' one two | sort -r | head -n 1",
    "echo a >&2; echo b",
    "x=$(echo nested; exit 4); echo $? $x",
    "set -e; false; echo never",
    "(exit 9); echo $?",
    "trap 'echo bye' EXIT; echo first",
    'read -r line; echo "got <$line>"; cat',
    "true && echo yes || echo no",
    "for i in 1 2 3; do echo $i; done | wc -l",
    'echo "$0" | wc -l',
    "case abc in a*) echo match;; esac",
    "",
    "# only a comment",
    "echo one; # two",
]


@pytest.fixture(params=["dash", "mksh"])
def shell_path(request):
    try:
        return find_shell(request.param)
    except ShellMissingError:
        pytest.skip(f"{request.param} is not installed")


class Rig:
    """Runs commands in one warm shell, and records what its tools were asked."""

    def __init__(self, path, home):
        self.asked = []
        self._loop = asyncio.new_event_loop()
        self._shell = self._loop.run_until_complete(self._start(path, home))

    async def _start(self, path, home):
        return Shell(path, home, self._tool)

    def _tool(self, name, arguments):
        self.asked.append([name, *(word.decode() for word in arguments)])
        return ToolAnswer(b"out:%s\n" % name.encode(), b"err\n" if name == "am" else b"", len(arguments))

    def run(self, command, stdin=b""):
        async def run():
            output = {1: b"", 2: b""}
            done = asyncio.get_running_loop().create_future()
            job = self._shell.run(
                command.encode(),
                lambda stream, data: output.__setitem__(stream, output[stream] + data),
                done.set_result,
            )
            job.feed(stdin)
            job.close_stdin()
            return await asyncio.wait_for(done, 10), output[1], output[2]

        return self._loop.run_until_complete(run())

    def close(self):
        async def stop():
            self._shell.stop()

        self._loop.run_until_complete(stop())
        self._loop.close()


@pytest.fixture
def rig(shell_path, tmp_path):
    made = Rig(shell_path, tmp_path / "phone")
    yield made
    made.close()


@pytest.mark.parametrize("command", CORPUS)
def test_same_as_a_shell_of_its_own(rig, shell_path, tmp_path, command):
    code, stdout, stderr = rig.run(command, b"line\nrest\n")
    environment = {"HOME": "/", "PATH": str(tmp_path / "phone" / "bin")}
    own = subprocess.run(
        [shell_path, "-c", command], input=b"line\nrest\n", capture_output=True, check=False, env=environment
    )
    assert (code, stdout) == (own.returncode, own.stdout)
    assert bool(stderr) == bool(own.stderr)


def test_tools_in_pipes_substitutions_and_redirections(rig, tmp_path):
    assert rig.run("getprop a | cat; echo $?")[1] == b"out:getprop\n0\n"
    assert rig.run('x=$(dumpsys battery); echo "<$x> $?"')[1] == b"<out:dumpsys> 1\n"
    assert rig.run("am start 2>/dev/null >/dev/null; echo $?")[:2] == (0, b"1\n")
    file = tmp_path / "phone" / "data" / "local" / "tmp" / "o"
    assert rig.run('am x >"$ANDROID_DATA/local/tmp/o" 2>&1; cat /data/local/tmp/o')[1] == b"out:am\nerr\n"
    assert file.read_bytes() == b"out:am\nerr\n"


def test_two_tools_at_once_get_their_own_answers(rig):
    code, stdout, _ = rig.run("getprop a & dumpsys b c & wait; settings x; echo $?")
    assert code == 0
    assert sorted(stdout.split()) == [b"1", b"out:dumpsys", b"out:getprop", b"out:settings"]


def test_mkdir_is_atomic_and_on_the_phones_own_disk(rig):
    script = (
        "mkdir /data/local/tmp/a && echo first; mkdir /data/local/tmp/a 2>/dev/null || echo second; ls /data/local/tmp"
    )
    assert rig.run(script)[1] == b"first\nsecond\na\n"


@settings(max_examples=150)
@given(
    st.lists(
        st.text(
            alphabet=st.one_of(st.sampled_from("'\"$`\\\n -;&|()<>*?~#!%"), st.characters(codec="utf-8")), max_size=60
        ).filter(lambda word: "\0" not in word),
        min_size=1,
        max_size=5,
    )
)
def test_every_argument_reaches_the_tool_unchanged(rig, words):
    rig.asked.clear()
    rig.run(call("service", *words).shell_line())
    assert rig.asked == [["service", *words]]


def test_a_missing_shell_says_what_to_install():
    with pytest.raises(ShellMissingError, match="install"):
        find_shell("no-such-shell")
    assert shutil.which(find_shell("dash"))
