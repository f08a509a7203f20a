"""`smsrack optouts` and `smsrack inbox`: lists in and out, words, policy."""

from __future__ import annotations

import json

import pytest

ANNA, PETR, EVA = "+420777123456", "+420603111222", "+420605333444"


@pytest.fixture
def run(smsrack):
    """Give a command's output, and its error where it has one."""

    def call(*words: str, exit_code: int = 0) -> str:
        result = smsrack(*words)
        assert result.exit_code == exit_code, result.output
        return result.output + str(result.exception or "")

    return call


def test_a_list_goes_out_and_comes_in_again(run, tmp_path):
    run("optouts", "add", ANNA, "--note", '=HYPERLINK("x")')
    run("optouts", "add", PETR, "--brand", "Alfa")
    run("optouts", "add", EVA)
    run("optouts", "lift", EVA, "--reason", "a mistake")
    table = tmp_path / "optouts.csv"
    run("optouts", "export", "-o", str(table))
    lines = table.read_text("utf-8").splitlines()
    assert len(lines) == 3
    assert EVA not in table.read_text("utf-8")
    assert any("'=HYPERLINK" in line for line in lines)
    for number in (ANNA, PETR):
        run("optouts", "lift", number, "--reason", "to be imported")
    assert "2 added, 0 known" in run("optouts", "import", str(table))
    assert "0 added, 2 known" in run("optouts", "import", str(table))
    shown = json.loads(run("optouts", "show", ANNA, "--json"))["optouts"]
    assert [(row["source"], row["note"]) for row in shown] == [
        ("import", '=HYPERLINK("x")'),
        ("operator", '=HYPERLINK("x")'),
    ]


def test_a_bad_number_keeps_none_of_the_others_out(run, tmp_path):
    table = tmp_path / "list.csv"
    table.write_text(f"number,since\n{ANNA},2026-01-02T03:04:05+01:00\n12,\n{PETR},\n", "utf-8")
    output = run("optouts", "import", str(table), exit_code=3)
    assert "2 added" in output
    assert "row 2" in output


def test_no_bad_line_keeps_the_others_out(run, tmp_path):
    table = tmp_path / "list.csv"
    lines = [f"{ANNA},,", f"{PETR},,2. 1. 2024", f"{PETR},{'n' * 501},", f"{'1' * 65},,", f"{EVA},,"]
    table.write_text("number,note,since\n" + "\n".join(lines) + "\n", "utf-8")
    output = run("optouts", "import", str(table), exit_code=3)
    assert "2 added" in output
    assert [line[:6] for line in output.splitlines() if line.startswith("row")] == ["row 2:", "row 3:", "row 4:"]
    assert "is no time" in output


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_list_may_come_from_a_spreadsheet_of_any_country(run, tmp_path, delimiter):
    table = tmp_path / "list.csv"
    rows = (("number", "note"), (ANNA, "on the phone, today"), ("603 111 222", ""))
    table.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(map(delimiter.join, rows)).encode() + b"\r\n")
    assert "2 added" in run("optouts", "import", str(table))
    assert json.loads(run("optouts", "show", ANNA, "--json"))["optouts"][0]["note"] == "on the phone, today"


def test_a_file_that_cannot_be_written_is_an_error_that_says_so(run, tmp_path):
    assert "cannot write" in run("optouts", "export", "-o", str(tmp_path / "none" / "x.csv"), exit_code=1)


def test_a_time_may_be_written_as_people_write_it_and_a_bad_one_keeps_out_its_row_only(run, tmp_path):
    table = tmp_path / "list.csv"
    table.write_text(f"number,since\n{ANNA},2026-01-02\n{EVA},2. 1. 2026\n{PETR},2026-01-02 08:00\n", "utf-8")
    output = run("optouts", "import", str(table), exit_code=3)
    assert "2 added" in output
    assert "row 2: '2. 1. 2026' is no time" in output
    (anna,) = json.loads(run("optouts", "show", ANNA, "--json"))["optouts"]
    assert anna["created_at"].startswith("2026-01-0")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("numbers\n777123456\n", "did you mean 'number'"),
        ("777123456\n603111222\n", "first line must be"),
        ("number\n777123456,x\n", "line 2"),
        ("number,lifted_at\n777123456,2026-01-01\n", "lifted"),
    ],
    ids=["no number", "no heading", "fields", "lifted ones"],
)
def test_a_file_that_is_not_such_a_list_is_refused(run, tmp_path, text, words):
    table = tmp_path / "list.csv"
    table.write_text(text, "utf-8")
    assert words in run("optouts", "import", str(table), exit_code=1)


def test_words_are_added_taken_out_tried_and_undone(run):
    assert "none" in run("inbox", "words", "try", "zhasni")
    run("inbox", "words", "add", "stop", "Zhasni")
    run("inbox", "words", "drop", "soft", "konec")
    assert "certain (alone: zhasni)" in run("inbox", "words", "try", "zhasni")
    assert "none" in run("inbox", "words", "try", "KONEC")
    assert "zhasni" in run("inbox", "words")
    run("inbox", "words", "undo", "1")
    assert "none" in run("inbox", "words", "try", "zhasni")
    assert "already" in run("inbox", "words", "add", "stop", "STOP", exit_code=1)


def test_the_policy_is_shown_and_changed(run):
    assert "forward: known\nanswer: none\nbars: all\n" in run("inbox", "policy")
    changed = run("inbox", "policy", "--forward", "stop", "--answer", "Odhlaseno.", "--bars", "marketing")
    assert "forward: stop\nanswer: Odhlaseno.\nbars: marketing\n" in changed
    assert "answer: none" in run("inbox", "policy", "--answer", "none")


def test_a_number_that_was_never_opted_out_is_said_to_be_so(run):
    assert f"{ANNA} was never opted out" in run("optouts", "show", "777 123 456")
    assert json.loads(run("optouts", "show", ANNA, "--json")) == {"number": ANNA, "optouts": []}
    run("optouts", "add", ANNA)
    assert "never" not in run("optouts", "show", ANNA)
    assert "too short" in run("optouts", "show", "12", exit_code=1)
