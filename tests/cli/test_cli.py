"""The command line: with a daemon's socket and without one, for people and for programs."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
from contextlib import ExitStack, closing
from datetime import datetime

import pytest
from click.testing import CliRunner

from host_controller import client
from host_controller.cli import cli
from host_controller.errors import ControllerError
from host_controller.store.data_dir import DataDirectory

ANNA = "+420777123456"


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
    assert "rejected: the number is a short code" in result.stderr


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


def test_limits_of_a_sim(smsrack, data_dir):
    assert smsrack("status").exit_code == 0  # the database is there
    with closing(sqlite3.connect(data_dir / "smsrack.db")) as database, database:
        database.execute(
            "INSERT INTO phone (id, hardware_serial, adb_serial, manufacturer, model, android_release, api_level,"
            " build_fingerprint, epoch, journal_checked, send_only, send_way, capabilities, guard_max_parts,"
            " guard_interval_s, enrolled_at, inbox_date_ms) VALUES"
            " (1, 'HW1', 'A1', 'M', 'M', '14', 34, 'fp', 0, 1, 0, 'isms', '{}', 30, 60, '2026-01-01 00:00:00', 0)"
        )
        database.execute(
            "INSERT INTO sim (id, phone_id, slot_index, subscription_id, active, parts_per_minute, month_reset_day,"
            " jitter_percent) VALUES (1, 1, 0, 11, 1, 20, 1, 0)"
        )
    all_of_them = [
        *("--per-minute", "30", "--per-hour", "100", "--per-day", "none", "--per-month", "5000"),
        *("--recipients-per-month", "200", "--reset-day", "17", "--jitter", "20", "--zone", "Europe/London"),
    ]
    changed = smsrack("phones", "limit", "A1:1", *all_of_them, "--json")
    assert json.loads(changed.stdout) == {
        "id": 1, "parts_per_minute": 30, "parts_per_hour": 100, "parts_per_day": None, "parts_per_month": 5000,
        "recipients_per_month": 200, "month_reset_day": 17, "jitter_percent": 20, "zone": "Europe/London",
    }  # fmt: skip
    shown = smsrack("phones")
    assert "hour 0 / 100" in re.sub(r"\s+", " ", shown.stdout)
    assert smsrack("phones", "limit", "A1:1", "--per-hour", "none", "--zone", "none").exit_code == 0
    few = smsrack("phones", "limit", "A1:1", "--per-hour", "9")
    assert (few.exit_code, "9 is too few: write 10 or more, or `none` for no limit" in few.stderr) == (2, True)
    wrong = smsrack("phones", "limit", "A1:1", "--zone", "Prague")
    assert "is not a time zone" in str(wrong.exception)
    assert smsrack("phones", "limit", "A1:1").exit_code == 2


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


def test_an_option_of_any_group_goes_before_the_environment(data_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("SMSRACK_DATA_DIR", str(tmp_path / "another"))
    for group in (["inbox", "--json", "--data-dir", str(data_dir), "words"], ["inbox", "words"]):
        result = CliRunner().invoke(cli, [*group, "add", "stop", "dost", "--json"])
        assert json.loads(result.stdout) == {"id": 1}
    result = CliRunner().invoke(cli, ["inbox", "--json", "--data-dir", str(data_dir), "words", "try", "dost"])
    assert json.loads(result.stdout)["stop"] == "certain"
    assert (data_dir / "smsrack.db").exists()
    assert (tmp_path / "another" / "smsrack.db").exists()


@pytest.fixture
def before_the_second_look(monkeypatch):
    """Give a function that lets something happen once the command line has found no socket."""

    def prepare(happens):
        looks, look = [], client._answers

        def answers(path):
            looks.append(path)
            if len(looks) == 2:
                happens()
            return look(path)

        monkeypatch.setattr(client, "_answers", answers)
        return looks

    return prepare


def test_a_daemon_that_is_starting_is_waited_for(request, online_store, offline, before_the_second_look):
    """It has its directory before its socket."""
    looks = before_the_second_look(lambda: request.getfixturevalue("online"))
    result = offline("send", ANNA, "x")
    assert (result.exit_code, len(looks)) == (0, 2), result.output
    assert "until `smsrack run` is started" not in result.stderr


def test_a_daemon_that_is_ending_is_waited_for(data_dir, offline, before_the_second_look):
    """Its socket goes before its hold on the directory."""
    with ExitStack() as ending:
        ending.enter_context(DataDirectory(data_dir).locked())
        before_the_second_look(ending.close)
        result = offline("send", ANNA, "x")
    assert result.exit_code == 0, result.output
    assert "until `smsrack run` is started" in result.stderr


def test_a_data_directory_in_use_without_a_socket(data_dir, offline, monkeypatch):
    monkeypatch.setattr(client, "_TAKEN_LIMIT_S", 0.1)
    with DataDirectory(data_dir).locked():
        result = offline("status")
    assert "another smsrack has had" in str(result.exception)
    assert "it is starting or ending, or it hangs" in str(result.exception)


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


def test_a_csv_file_may_name_class_batch_and_times(smsrack, tmp_path):
    path = tmp_path / "m.csv"
    path.write_text(
        "number,text,class,batch,not_before,not_after,ttl_s\n"
        f"{ANNA},Sleva,marketing,xmas,2099-12-01 09:00,2099-12-24T18:00+01:00,\n"
        f"{ANNA},Další,,xmas,,,15m\n"
        f"{ANNA},Jiná třída,otp,,,,\n"
        f"{ANNA},Konflikt,otp,xmas,,,\n"
        f"{ANNA},x,promo,,,,\n"
        f"{ANNA},x,,,tomorrow,,\n"
        f"{ANNA},x,,,,,long\n"
    )
    sent = smsrack("send", "--csv", str(path), "--class", "marketing", "--json")
    assert sent.exit_code == 3, sent.output
    result = json.loads(sent.stdout)
    assert [(row["row"], row["code"]) for row in result["rejected"]] == [
        (4, "batch_conflict"), (5, "bad_row"), (6, "bad_row"), (7, "bad_row"),
    ]  # fmt: skip
    assert "otp, transactional, marketing" in result["rejected"][1]["reason"]
    assert "2026-12-01 09:00" in result["rejected"][2]["reason"]
    assert "15m" in result["rejected"][3]["reason"]
    batch = json.loads(smsrack("batches", "show", "xmas", "--json").stdout)
    # The rack's zone is one hour ahead of UTC in December.
    assert (batch["class"], batch["not_before"], batch["not_after"], batch["total"]) == (
        "marketing", "2099-12-01T08:00:00.000Z", "2099-12-24T17:00:00.000Z", 2,
    )  # fmt: skip
    third, second, first = json.loads(smsrack("messages", "--json").stdout)["messages"]
    assert (first["waiting_for"], first["waiting_until"]) == ("not_before", batch["not_before"])
    assert (second["expires_at"], third["class"], third["batch"]) == ("2099-12-01T08:15:00.000Z", "otp", None)
    assert len(json.loads(smsrack("messages", "--batch", "xmas", "--json").stdout)["messages"]) == 2


def test_send_with_options_and_the_life_of_a_batch(smsrack):
    sent = smsrack("send", ANNA, "Kód 1", "--class", "otp", "--batch", "kódy 1", "--ttl", "2m")
    assert sent.exit_code == 0, sent.output
    assert "otp, batch kódy 1, expires at" in smsrack("messages", "1").stdout
    listed = smsrack("batches").stdout
    assert "kódy 1" in listed
    assert "1 queued" in listed
    window = ("--not-before", "2099-06-01 00:00", "--not-after", "2099-06-02 00:00")
    moved = smsrack("batches", "window", "kódy 1", *window)
    assert moved.exit_code == 0, moved.output
    assert "not before 2099-05-31T22:00:00.000Z" in moved.stdout
    opened = smsrack("batches", "window", "kódy 1", "--no-not-before", "--no-not-after", "--json")
    assert json.loads(opened.stdout)["not_after"] is None
    cancelled = smsrack("batches", "cancel", "kódy 1", "--reason", "wrong text")
    assert "1 queued messages cancelled" in cancelled.stdout
    assert "1 cancelled" in smsrack("batches", "show", "kódy 1").stdout
    made = smsrack("batches", "add", "next", "--class", "marketing")
    assert made.exit_code == 0, made.output
    assert "batch next, marketing" in made.stdout
    assert "0 messages" in made.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("send", ANNA, "x", "--not-before", "soon"), "write it like"),
        (("send", ANNA, "x", "--ttl", "0"), "write it like"),
        (("send", ANNA, "x", "--ttl", "9999d"), "up to a year"),
        (("send", ANNA, "x", "--class", "promo"), "promo"),
        (("batches", "window", "x"), "say what is to change"),
        (("batches", "window", "x", "--no-not-after", "--not-after", "2099-01-01"), "not both"),
        (("batches", "cancel", "x"), "--reason"),
    ],
)
def test_wrong_times_and_options_are_wrong_usage(offline, arguments, words):
    result = offline(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_batch_that_is_not_there(offline):
    for command in (("show", "x"), ("cancel", "x", "--reason", "y"), ("window", "x", "--no-not-after")):
        result = offline("batches", *command)
        assert isinstance(result.exception, ControllerError)
        assert "smsrack batches" in str(result.exception)
