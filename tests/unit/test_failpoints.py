"""Failpoints: off unless armed, armed by nothing but the variable and shortened waits, and around every commit."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from device_drivers import failpoints
from host_controller.settings import Settings

ROOT = Path(__file__).parents[2]
# Around these commits nothing is handed to a phone; `store.before` and `store.after` stand around every commit.
_BESIDE_A_SEND = {
    "consent_care.py",
    "batch_changes.py",
    "control.py",
    "expiry.py",
    "freeing.py",
    "holds.py",
    "journal_care.py",
    "judgement.py",
    "pulse.py",
    "remote_phone.py",
    "queue.py",
    "trust.py",
    "stale.py",
    "unroutable.py",
    "why.py",
}
MESSAGING = [
    *(
        path
        for path in sorted((ROOT / "host_controller" / "messaging").glob("*.py"))
        if path.name not in _BESIDE_A_SEND
    ),
    ROOT / "host_controller/inbox/intake.py",
]


def test_off_by_default():
    assert failpoints._on_pass is None
    failpoints.failpoint("intent.before")


def test_real_waits_never_arm_one(monkeypatch):
    monkeypatch.setenv("SMSRACK_FAILPOINT", "intent.before")
    assert Settings().failpoint is None
    assert Settings(timings_scale=0.5).failpoint == "intent.before"
    monkeypatch.delenv("SMSRACK_FAILPOINT")
    assert Settings(timings_scale=0.5).failpoint is None


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"intent\.before"):
        failpoints.arm("intent.befor")


@pytest.mark.parametrize(("armed", "passes"), [("intent.after", 1), ("intent.after:3", 3), ("submit.answer:2", 2)])
def test_the_process_is_killed_at_the_pass_that_was_asked_for(armed, passes):
    script = (
        "import sys\nfrom device_drivers.failpoints import arm, failpoint\narm(sys.argv[1])\nfor n in range(1, 9):\n"
        " print(n, flush=True)\n failpoint('returned.after')\n failpoint('intent.after')\n"
        " failpoint('answer', 'submit')\n"
    )
    run = subprocess.run([sys.executable, "-c", script, armed], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == -signal.SIGKILL
    assert run.stdout.split() == [str(n + 1) for n in range(passes)]


def test_every_name_in_the_code_is_on_the_list():
    """Names with `of` are put together by the link; the crash matrix finds those that nothing passes."""
    known = {name.split(".", 1)[0] for name in failpoints.COMMIT_POINTS}
    steps = {name.split(".", 1)[1] for name in failpoints.LINK_POINTS} | {"server.write", "server.written"}
    used = set()
    for path in [*(ROOT / "host_controller").rglob("*.py"), *(ROOT / "device_drivers").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "failpoint"
            if is_call and isinstance(node.args[0], ast.Constant):
                name = node.args[0].value
                used.add(name)
                assert (name in steps) if len(node.args) > 1 else (name.split(".")[0] in known), name
    assert used >= set(failpoints.COMMIT_POINTS)


@pytest.mark.parametrize("path", MESSAGING, ids=lambda path: path.name)
def test_every_commit_of_a_send_has_its_failpoints(path):
    """A statement that writes stands between two others that are failpoints, but for a check of what it gave."""
    for block in _blocks(ast.parse(path.read_text("utf-8"))):
        for before, statement, *after in zip(
            [None, *block], block, [*block[1:], None], [*block[2:], None, None], strict=False
        ):
            if _writes(statement):
                assert before is not None, f"{path.name}:{statement.lineno}"
                assert _is_failpoint(before), f"{path.name}:{statement.lineno}"
                assert any(map(_is_failpoint, after)), f"{path.name}:{statement.lineno}"


def _blocks(tree):
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                yield block


def _writes(statement) -> bool:
    if hasattr(statement, "body"):
        return False
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "write"
        for node in ast.walk(statement)
    )


def _is_failpoint(statement) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "failpoint"


def test_environment_of_the_tests_arms_nothing():
    assert "SMSRACK_FAILPOINT" not in os.environ
