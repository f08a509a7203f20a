"""The command line: with a daemon's socket and without one, for people and for programs."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import tempfile
import threading
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
import waitress
from click.testing import CliRunner

from host_controller.cli import cli
from host_controller.errors import ControllerError
from host_controller.events import Bells
from host_controller.settings import load_settings
from host_controller.store.data_dir import DataDirectory
from host_controller.store.store import Store
from host_controller.wiring import make_api_app, utc_now
from tests.serving import run_until_closed
from web import Services

ANNA = "+420777123456"


@pytest.fixture
def data_dir():
    with tempfile.TemporaryDirectory(prefix="sr") as directory:
        yield Path(directory) / "d"


@pytest.fixture
def offline(data_dir):
    def run(*arguments, stdin=None):
        return CliRunner().invoke(cli, [*arguments, "--data-dir", str(data_dir)], input=stdin)

    return run


@pytest.fixture
def online(data_dir, offline):
    """The same, with the API on its socket as a daemon has it."""
    with DataDirectory(data_dir).locked() as data, closing(Store(data.database)) as store:
        services = Services(store, None, Bells(), load_settings(None), utc_now)
        server = waitress.create_server(make_api_app(services), unix_socket=str(data.socket), unix_socket_perms="600")
        thread = threading.Thread(target=run_until_closed, args=(server,), daemon=True)
        thread.start()
        yield offline
        server.close()
        thread.join(5)


@pytest.fixture(params=["offline", "online"])
def smsrack(request):
    return request.getfixturevalue(request.param)


def test_send_one_and_see_it(smsrack):
    sent = smsrack("send", "777 123 456", "Ahoj, přijdeš?")
    assert sent.exit_code == 0, sent.output
    assert "message 1 is queued, 1 part(s)" in sent.stdout
    listed = smsrack("messages")
    assert ANNA in listed.stdout
    assert "Ahoj, přijdeš?" in listed.stdout
    story = smsrack("messages", "1")
    assert "queued" in story.stdout
    assert json.loads(smsrack("messages", "--json").stdout)["messages"][0]["waiting_for"] == "no_phone"
    assert "queued             1" in smsrack("status").stdout


def test_without_a_daemon_it_says_that_nothing_moves(offline):
    assert "until `smsrack run` is started" in offline("send", ANNA, "x").stderr
    assert "until `smsrack run` is started" in offline("phones").stderr


def test_a_ref_is_never_sent_twice(smsrack):
    smsrack("send", ANNA, "x", "--ref", "order 7")
    assert "accepted before" in smsrack("send", ANNA, "x", "--ref", "order 7").stdout
    assert len(json.loads(smsrack("messages", "--json").stdout)["messages"]) == 1


def test_a_rejected_message_is_three(smsrack):
    result = smsrack("send", "12", "x")
    assert result.exit_code == 3
    assert "rejected: the number is too short" in result.stderr


def test_a_text_that_begins_with_a_dash(smsrack):
    assert smsrack("send", ANNA, "-10 % dnes").exit_code == 0
    assert json.loads(smsrack("messages", "--json").stdout)["messages"][0]["text"] == "-10 % dnes"


def test_a_csv_with_bad_rows_sends_the_others(smsrack, tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes(
        '\ufeffnumber,text\n777123456,Ahoj\nx,Ahoj\n777123456,a,b\n777123456,\n777123457,"Ahoj, ""Petře"""\n'.encode()
    )
    result = smsrack("send", "--csv", str(path), "--json")
    assert result.exit_code == 3
    answer = json.loads(result.stdout)
    assert answer["accepted"] == 2
    assert [(entry["row"], entry["code"]) for entry in answer["rejected"]] == [
        (2, "invalid_msisdn"),
        (3, "bad_row"),
        (4, "invalid_text"),
    ]
    assert all(entry["reason"] for entry in answer["rejected"])


def test_a_csv_from_standard_input_with_more_rows_than_a_request_takes(smsrack):
    rows = "".join(f"+42077712{n:04d},č. {n}\n" for n in range(1200))
    result = smsrack("send", "--csv", "-", stdin="number,text\n" + rows)
    assert result.exit_code == 0
    assert "1200 accepted (1200 parts), 0 rejected" in result.stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"number,txt\n1,2\n", "unknown column 'txt'; did you mean 'text'?"),
        (b"number\n1\n", "no column 'text'"),
        (b"number,text,text\n", "twice"),
        (b"", "is empty"),
        (b'number,text\n1,"open\n', "quotation mark"),
        ("number,text\n1,ř\n".encode("iso-8859-2"), "is not UTF-8"),
        (None, "cannot read"),
    ],
)
def test_a_csv_that_is_wrong_as_a_whole_sends_nothing(offline, tmp_path, content, words):
    path = tmp_path / "m.csv"
    if content is not None:
        path.write_bytes(content)
    result = offline("send", "--csv", str(path))
    assert isinstance(result.exception, ControllerError)
    assert words in str(result.exception)
    assert "\n" not in str(result.exception)
    assert json.loads(offline("messages", "--json").stdout)["messages"] == []


@pytest.mark.parametrize(
    "arguments", [("send",), ("send", ANNA), ("send", ANNA, "x", "--csv", "f"), ("messages", "--state", "bogus")]
)
def test_wrong_usage_is_two(offline, arguments):
    assert offline(*arguments).exit_code == 2


def test_opt_outs(smsrack):
    smsrack("send", ANNA, "x")
    assert "1 queued messages cancelled" in smsrack("optouts", "add", ANNA).stdout
    assert ANNA in smsrack("optouts").stdout
    assert smsrack("send", ANNA, "x").exit_code == 3


def test_what_needs_a_daemon_says_so(offline):
    result = offline("phones", "enrol", "A1")
    assert isinstance(result.exception, ControllerError)
    assert "smsrack run" in str(result.exception)


def test_a_backup_with_and_without_a_daemon(smsrack, tmp_path):
    smsrack("send", ANNA, "x")
    file = tmp_path / "smsrack.backup"
    made = smsrack("backup", str(file))
    assert made.exit_code == 0, made.output
    assert re.fullmatch(rf"{file}: \d+\.\d MB, 1 message\(s\)\n", made.stdout)
    assert "--force" in str(smsrack("backup", str(file)).exception)
    answer = json.loads(smsrack("backup", str(file), "--force", "--json").stdout)
    assert answer == {"file": str(file), "size_bytes": file.stat().st_size, "messages": 1}


def test_a_backup_of_nothing(offline, data_dir, tmp_path):
    result = offline("backup", str(tmp_path / "smsrack.backup"))
    assert isinstance(result.exception, ControllerError)
    assert "there is no database" in str(result.exception)
    assert not data_dir.exists()


def test_a_restore_brings_back_what_was(offline, tmp_path):
    file = str(tmp_path / "smsrack.backup")
    offline("send", ANNA, "before")
    offline("backup", file)
    offline("send", ANNA, "after")
    restored = offline("restore", file)
    assert restored.exit_code == 0, restored.output
    assert "1 message(s), 1 of them queued" in restored.stdout
    kept = re.search(r"kept as (\S+before-restore-\d{8}T\d{6}Z)\n", restored.stdout)[1]
    assert [m["text"] for m in json.loads(offline("messages", "--json").stdout)["messages"]] == ["before"]
    with closing(sqlite3.connect(kept)) as db:
        assert db.execute("SELECT text FROM message ORDER BY id").fetchall() == [("before",), ("after",)]


def test_a_restore_for_programs(offline, data_dir, tmp_path):
    file = tmp_path / "smsrack.backup"
    offline("send", ANNA, "x")
    offline("backup", str(file))
    (data_dir / "smsrack.db").unlink()
    answer = json.loads(offline("restore", str(file), "--json").stdout)
    assert datetime.fromisoformat(answer.pop("as_of")).tzinfo is not None
    assert answer == {"messages": 1, "queued": 1, "kept": None}


def test_no_restore_under_a_running_daemon(online, data_dir, tmp_path):
    online("send", ANNA, "x")
    online("backup", str(tmp_path / "smsrack.backup"))
    result = online("restore", str(tmp_path / "smsrack.backup"))
    assert "another smsrack uses" in str(result.exception)
    assert "stop it" in str(result.exception)
    assert [path.name for path in data_dir.iterdir() if "restore" in path.name] == []


def test_a_restore_of_what_is_no_backup(offline, data_dir, tmp_path):
    offline("send", ANNA, "x")
    (tmp_path / "letter").write_text("Dear Anna, " * 1000)
    result = offline("restore", str(tmp_path / "letter"))
    assert isinstance(result.exception, ControllerError)
    assert "file is not a database; name another backup" in str(result.exception)
    assert len(json.loads(offline("messages", "--json").stdout)["messages"]) == 1


def test_an_old_backup_needs_a_word(offline, tmp_path):
    file = tmp_path / "smsrack.backup"
    offline("send", ANNA, "x")
    offline("backup", str(file))
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("UPDATE backup_made SET at = '2020-01-01T00:00:00+00:00'")
        db.execute("UPDATE message_event SET at = '2020-01-01 00:00:00.000000'")
    assert "--accept-old" in str(offline("restore", str(file)).exception)
    assert "restored a backup of 2020-01-01 00:00 UTC" in offline("restore", str(file), "--accept-old").stdout


def test_a_damaged_database_names_the_way_back(offline, data_dir):
    offline("send", ANNA, "x")
    (data_dir / "smsrack.db").write_bytes(b"x" * 8192)
    for command in (("status",), ("run",)):
        result = offline(*command)
        assert isinstance(result.exception, ControllerError)
        assert "smsrack restore FILE" in str(result.exception)


def test_an_option_of_the_group_holds_for_its_commands(data_dir):
    result = CliRunner().invoke(cli, ["optouts", "--data-dir", str(data_dir), "add", ANNA])
    assert result.exit_code == 0
    assert (data_dir / "smsrack.db").exists()


def test_a_data_directory_in_use_without_a_socket(data_dir, offline):
    with DataDirectory(data_dir).locked():
        result = offline("status")
    assert "another smsrack" in str(result.exception)


def test_an_unknown_setting_names_the_nearest(tmp_path, offline):
    config = tmp_path / "c.toml"
    config.write_text("[web]\nprot = 1\n")
    result = CliRunner().invoke(cli, ["run", "--config", str(config), "--check-config"])
    assert "did you mean 'web.port'" in str(result.exception)


def test_the_effective_settings(data_dir):
    result = CliRunner().invoke(cli, ["run", "--data-dir", str(data_dir), "--port", "9000", "--check-config"])
    assert json.loads(result.stdout)["web"]["port"] == 9000


def test_a_missing_adb_names_the_package(data_dir, monkeypatch):
    monkeypatch.setenv("SMSRACK_ADB", "/nowhere/adb")
    result = CliRunner().invoke(cli, ["run", "--data-dir", str(data_dir)])
    assert "SMSRACK_ADB" in str(result.exception)
    assert not (data_dir / "api.sock").exists()


def test_a_port_in_use_is_explained_and_leaves_the_directory_free(data_dir):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(cli, ["run", "--data-dir", str(data_dir), "--port", port])
    assert f"port {port} cannot be used" in str(result.exception)
    with DataDirectory(data_dir).locked():
        pass


def test_settle_names_messages_or_what_was_restored(offline):
    offline("send", ANNA, "Ahoj")
    refused = offline("settle", "1", "--as", "sent", "--reason", "she has it")
    assert (refused.exit_code, str(refused.exception)) == (
        1,
        "message 1 is queued; only what is unknown can be settled",
    )
    released = offline("settle", "--restored", "--reason", "no phone is missing")
    assert released.output == "0 messages from the backup may go\n"
    for wrong in (["1"], ["--restored", "1", "--as", "sent"], ["--as", "sent"]):
        assert offline("settle", *wrong, "--reason", "x").exit_code == 2
    assert offline("settle", "1", "--as", "sent").exit_code == 2
