"""The sample that the demo sends keeps its promises."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from click.testing import CliRunner

from host_controller.cli import cli
from host_controller.cli.csv_file import read_csv
from host_controller.errors import ControllerError
from host_controller.rules.destinations import destination_refusal
from host_controller.text.msisdn import parse_msisdn
from host_controller.text.parts import Encoding, cut_into_parts

EXAMPLES = Path(__file__).parents[2] / "examples"
ROWS = read_csv(EXAMPLES / "messages.csv")
BAD = {30: "number", 75: "empty", 120: "too long"}
GOOD = [row for row in ROWS if row.row not in BAD]


def test_size_and_bad_rows():
    assert len(ROWS) >= 200
    try:
        parse_msisdn(ROWS[29].number, "CZ")
    except ControllerError:
        pass
    else:
        raise AssertionError("row 30 should have an invalid number")
    assert ROWS[74].text == ""
    assert cut_into_parts(ROWS[119].text).count > 10


def test_every_other_number_may_be_written_to():
    for row in GOOD:
        assert destination_refusal(parse_msisdn(row.number, "CZ"), ("CZ",)) is None


def test_every_text_but_the_pairs_carries_its_row():
    pairs = Counter((parse_msisdn(row.number, "CZ"), row.text) for row in GOOD if row.text.startswith("Pair "))
    assert list(pairs.values()) == [2, 2, 2]
    for row in GOOD:
        assert row.text.startswith("Pair ") or row.text.endswith(f"[{row.row}]")


def test_every_kind_of_text_is_there():
    kinds = {(cut_into_parts(row.text).encoding, cut_into_parts(row.text).count) for row in GOOD}
    assert kinds >= {(encoding, count) for encoding in Encoding for count in (1, 2, 3)}
    texts = "".join(row.text for row in GOOD)
    assert all(sign in texts for sign in "€🎁ř\n,\"'")


def test_the_sample_of_batches_is_accepted_whole(tmp_path):
    arguments = ["send", "--csv", str(EXAMPLES / "batches.csv"), "--data-dir", str(tmp_path / "d"), "--json"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["accepted"] == 4
    shown = CliRunner().invoke(cli, ["batches", "--data-dir", str(tmp_path / "d")])
    assert "vánoce 2099" in shown.stdout
    assert "2 queued" in shown.stdout
