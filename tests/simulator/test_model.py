"""The model of a phone against facts about Android: parcels byte by byte, the guard, the store, the network."""

from __future__ import annotations

import json

import pytest

from device_drivers.adb.command import call
from device_drivers.simulator import airtime, parcels
from device_drivers.simulator.guard import Guard
from device_drivers.simulator.provider import FAILED, INBOX, SENT, SmsStore

ANDROID_10, ANDROID_14 = 0, 1
NULLS = ["i32", "0", "i32", "0"]
OK = {ANDROID_10: "Result: Parcel(00000000    '....')\n", ANDROID_14: "Result: Parcel(\t00000000    '....')\n"}


@pytest.fixture
def shell(link):
    def run(serial, *argv):
        return link.run(serial, call(*argv), 10).stdout

    return run


def text_call(which, subscription_id, to, text, *, package="com.android.shell", persist="1", extra=()):
    head = ["service", "call", "isms", "6" if which == ANDROID_10 else "5", "i32", str(subscription_id)]
    head += ["s16", package] + ([] if which == ANDROID_10 else ["i32", "-1"])
    tail = ["i32", persist] + ([] if which == ANDROID_10 else ["i64", "77"])
    return [*head, "s16", to, "i32", "-1", "s16", text, *NULLS, *tail, *extra]


def on_air(phones, to):
    return [entry for entry in phones.air() if entry["to"] == to]


def test_parcels_are_printed_as_libbinder_does():
    assert parcels.printed(parcels.int32(0), tab=False) == b"Result: Parcel(00000000    '....')\n"
    assert parcels.printed(parcels.int32(0), tab=True) == b"Result: Parcel(\t00000000    '....')\n"
    flag = parcels.int32(0) + parcels.int32(1)
    assert parcels.printed(flag, tab=False) == b"Result: Parcel(00000000 00000001   '........')\n"
    assert parcels.printed(parcels.int32(0) + parcels.string16("unknown"), tab=False).decode() == (
        "Result: Parcel(\n"
        "  0x00000000: 00000000 00000007 006e0075 006e006b '........u.n.k.n.'\n"
        "  0x00000010: 0077006f 0000006e                   'o.w.n...        ')\n"
    )


@pytest.mark.parametrize("which", [ANDROID_10, ANDROID_14])
def test_a_text_leaves_the_chosen_sim_and_its_row_comes_after_the_radio(phones, shell, eventually, which):
    serial, to = phones.phones[which], f"+42077700001{which}"
    second = phones.sims(serial)[1]
    assert shell(serial, *text_call(which, second["subscription_id"], to, "Ahoj")) == OK[which]
    (part,) = eventually(lambda: on_air(phones, to))
    assert (part["sender"], part["slot_index"], part["text"]) == (second["number"], 1, "Ahoj")
    assert part["asked_at_ms"] <= part["at_ms"]
    row = eventually(lambda: [r for r in phones.rows(serial) if r["address"] == to])[0]
    assert (row["kind"], row["creator"], row["subscription_id"]) == (
        SENT,
        "com.android.shell",
        second["subscription_id"],
    )
    assert row["date_ms"] >= part["at_ms"]


@pytest.mark.parametrize("which", [ANDROID_10, ANDROID_14])
def test_an_unknown_subscription_silently_takes_the_default_sim(phones, shell, eventually, which):
    serial, to = phones.phones[which], f"+42077700002{which}"
    assert shell(serial, *text_call(which, 999, to, "Ahoj")) == OK[which]
    (part,) = eventually(lambda: on_air(phones, to))
    assert part["slot_index"] == 0


@pytest.mark.parametrize("which", [ANDROID_10, ANDROID_14])
def test_what_the_framework_drops_without_a_word(phones, shell, eventually, which):
    serial, to = phones.phones[which], f"+42077700003{which}"
    sub = phones.sims(serial)[0]["subscription_id"]
    assert shell(serial, *text_call(which, sub, to, "x" * 161)) == OK[which]
    assert shell(serial, *text_call(which, sub, "", "no number")) == OK[which]
    shell(serial, *text_call(which, sub, to, "the one that goes", persist="0"))
    eventually(lambda: on_air(phones, to))
    assert [entry["text"] for entry in on_air(phones, to)] == ["the one that goes"]
    assert not [row for row in phones.rows(serial) if row["address"] == to]


def test_refusals_are_exceptions_in_the_phones_words(phones, shell):
    serial = phones.phones[ANDROID_14]
    sub = phones.sims(serial)[0]["subscription_id"]
    surplus = shell(serial, *text_call(ANDROID_14, sub, "+420777000040", "x", extra=["i32", "0"]))
    assert surplus.startswith("Result: Parcel(\t\n0x00000000: fffffffe")
    foreign = shell(serial, *text_call(ANDROID_14, sub, "+420777000040", "x", package="com.android.mms"))
    assert "ffffffff" in foreign.splitlines()[1]
    assert shell(serial, "service", "call", "isms", "99") == parcels.NOT_A_DATA_MESSAGE.decode()
    assert "ffffffff" in shell(serial, "service", "call", "isms", "7")
    assert on_air(phones, "+420777000040") == []


def test_a_web_recipe_with_the_word_null_sends_nothing(phones, shell, eventually):
    """`null` is a binder of 24 bytes, not a null String: the arguments behind it are read from the wrong place."""
    serial, to = phones.phones[ANDROID_10], "+420777000050"
    sub = phones.sims(serial)[0]["subscription_id"]
    recipe = ["i32", str(sub), "s16", "com.android.shell", "s16", to, "null", "s16", "Ahoj", "null", "null", "i32", "1"]
    shell(serial, "service", "call", "isms", "6", *recipe)
    shell(serial, *text_call(ANDROID_10, sub, to, "the one that goes"))
    eventually(lambda: on_air(phones, to))
    assert [entry["text"] for entry in on_air(phones, to)] == ["the one that goes"]


@pytest.mark.parametrize(
    ("texts", "fits"),
    [
        (["a" * 153, "b"], True),
        (["a" * 154, "b"], False),
        (["€" * 76, "b"], True),
        (["€" * 77, "b"], False),
        (["ř" * 67, "b"], True),
        (["ř" * 68, "b"], False),
        (["a" * 153, "ř"], False),
        (["😀" * 33, "x"], True),
        (["😀" * 34, "x"], False),
    ],
)
def test_a_part_must_fit_in_the_widest_encoding_of_all(texts, fits):
    assert airtime.fits_as_parts(texts) is fits


@pytest.mark.parametrize(("text", "fits"), [("a" * 160, True), ("a" * 161, False), ("ř" * 70, True), ("ř" * 71, False)])
def test_a_single_text_fits_or_has_no_pdu(text, fits):
    assert airtime.fits_alone(text) is fits


def test_the_guard_counts_parts_in_a_sliding_window_and_parks_what_is_over():
    guard, sent, failed = Guard(30, 60_000), [], []

    def ask(name, parts, now_ms):
        guard.ask(parts, now_ms, lambda: sent.append(name), lambda: failed.append(name))

    ask("a", 29, 0)
    ask("b", 2, 1000)
    ask("c", 1, 2000)
    assert (sent, guard.waiting) == (["a", "c"], 1)
    for n in range(5):
        ask(f"d{n}", 5, 3000)
    assert (guard.waiting, failed) == (5, ["d4"])
    assert guard.tap(allow=True)
    assert guard.tap(allow=False)
    assert (sent, failed) == (["a", "c", "b"], ["d4", "d0"])
    ask("late", 29, 60_001)
    assert sent[-1] == "late"


def test_the_guard_is_read_at_boot_only(start_rack, attach, link, shell, eventually):
    control = attach(start_rack(phones=1, guard_max_parts=None, seed=21))
    serial = control.phones[0]
    sub = control.sims(serial)[0]["subscription_id"]
    shell(serial, "settings", "put", "global", "sms_outgoing_check_max_count", "1000")
    for n in range(32):
        shell(serial, *text_call(ANDROID_10, sub, f"+4207770100{n:02d}", "x"))
    eventually(lambda: control.sims(serial)[0]["waiting_dialogs"] == 2)
    eventually(lambda: len(control.air()) == 30)
    control.call("POST", f"/phones/{serial}/dialogs/send")
    eventually(lambda: len(control.air()) == 31)
    boot_id = shell(serial, "cat", "/proc/sys/kernel/random/boot_id")
    control.call("POST", f"/phones/{serial}/reboot")
    eventually(lambda: dict((p.serial, p.state) for p in link.list_phones()).get(serial) != "device")

    def back():
        try:
            link.attach(serial)
            return shell(serial, "cat", "/proc/sys/kernel/random/boot_id") != boot_id
        except Exception:
            return False

    eventually(back, 30)
    assert control.sims(serial)[0]["waiting_dialogs"] == 0
    for n in range(40):
        shell(serial, *text_call(ANDROID_10, sub, f"+4207770200{n:02d}", "x"))
    eventually(lambda: len(control.air()) == 71)


def test_a_failed_message_appears_as_sent_and_is_then_out_of_sight(phones, shell, eventually):
    serial, to = phones.phones[ANDROID_10], "+420777000060"
    phones.fault(serial, "radio_fail", 1)
    sub = phones.sims(serial)[0]["subscription_id"]
    shell(serial, *text_call(ANDROID_10, sub, to, "Ahoj"))
    kinds = set()
    eventually(lambda: kinds.update(r["kind"] for r in phones.rows(serial) if r["address"] == to) or FAILED in kinds)
    assert kinds == {SENT, FAILED}
    seen = shell(serial, "content", "query", "--uri", "content://sms", "--where", f"address='{to}'")
    assert seen == "No result found.\n"
    assert on_air(phones, to) == []


def test_the_store_uses_an_id_again_and_shows_a_shell_two_kinds_only():
    store = SmsStore(refuses_select=True)
    first = store.insert(INBOX, "+420603111222", "one", 1, 3)
    second = store.insert(SENT, "+420603111222", "two", 2, 3, creator="com.android.shell")
    store.insert(FAILED, "+420603111222", "three", 3, 3)
    store.delete(3)
    assert store.insert(INBOX, "+420603111222", "four", 4, 3) == 3
    assert [first, second] == [1, 2]

    def query(*arguments):
        words = ["query", "--uri", "content://sms", *arguments]
        return store.content([word.encode() for word in words]).stdout.decode()

    assert query("--projection", "_id:hex(body)", "--sort", "_id ASC LIMIT 2") == (
        f"Row: 0 _id=1, hex(body)={b'one'.hex().upper()}\nRow: 1 _id=2, hex(body)={b'two'.hex().upper()}\n"
    )
    assert query("--projection", "count(*)") == "Row: 0 count(*)=3\n"
    assert query("--where", "_id IN (SELECT 1)") == "No result found.\n"
    store.denied = True
    assert query("--projection", "count(*)") == "No result found.\n"


def test_the_shell_cannot_harm_the_store():
    store = SmsStore(refuses_select=False)
    store.insert(INBOX, "1", "x", 1, 1)
    for where in ("1=1; DROP TABLE sms", "1=1) UNION SELECT * FROM sqlite_master --"):
        store.content([b"query", b"--uri", b"content://sms", b"--where", where.encode()])
    assert len(store.rows()) == 1


def test_a_message_between_two_sims_of_the_rack_arrives(phones, shell, eventually):
    sender, receiver = phones.phones
    to = phones.sims(receiver)[1]
    shell(sender, *text_call(ANDROID_10, phones.sims(sender)[0]["subscription_id"], to["number"], "Ahoj 😀"))
    row = eventually(lambda: [r for r in phones.rows(receiver) if r["body"] == "Ahoj 😀"])[0]
    assert (row["kind"], row["subscription_id"]) == (INBOX, to["subscription_id"])


def test_a_subscriber_answers_once(phones, shell, eventually):
    serial, subscriber = phones.phones[ANDROID_10], "+420777000070"
    phones.call("PUT", "/answers", {subscriber: "STOP"})
    sub = phones.sims(serial)[1]["subscription_id"]
    for text in ("one", "two"):
        shell(serial, *text_call(ANDROID_10, sub, subscriber, text))
    eventually(lambda: len(on_air(phones, subscriber)) == 2)
    row = eventually(lambda: [r for r in phones.rows(serial) if r["address"] == subscriber and r["kind"] == INBOX])
    assert [(r["body"], r["subscription_id"]) for r in row] == [("STOP", sub)]


def test_the_air_log_is_a_file_of_json_lines(start_rack, attach, shell, eventually, tmp_path):
    log = tmp_path / "air.jsonl"
    control = attach(start_rack(phones=1, air_log=log, seed=31))
    sub = control.sims(control.phones[0])[0]["subscription_id"]
    shell(control.phones[0], *text_call(ANDROID_10, sub, "+420777123456", "řádek\ndva"))
    eventually(lambda: log.exists() and log.read_text("utf-8"))
    assert json.loads(log.read_text("utf-8"))["text"] == "řádek\ndva"


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "/phones/nobody/reboot", None, "no phone"),
        ("POST", "/phones/{}/faults", {"kind": "bogus"}, "unknown fault"),
        ("POST", "/phones/{}/inbox", {"from": "1"}, "'text' is missing"),
        ("POST", "/phones/{}/inbox", {"from": "1", "text": "x", "slot": 1}, "'slot' is unknown"),
        ("POST", "/phones/{}/inbox", {"from": "1", "text": "x", "slot_index": 7}, "no SIM in slot 7"),
        ("POST", "/phones/{}/dialogs/send", None, "no dialog"),
        ("GET", "/air?after=x", None, "sequence number"),
        ("PUT", "/answers", [1], "JSON object"),
    ],
)
def test_bad_control_requests_say_what_to_do(phones, method, path, body, words):
    answer = phones.call(method, path.format(phones.phones[0]), body)
    assert answer["status"] in (400, 404)
    assert words in answer["error"]


def test_messages_that_stand_in_an_inbox_are_as_old_as_they_are_said_to_be(start_rack):
    control = start_rack()
    serial = control.phones[0]
    old = {"from": "+420603111222", "text": "old", "age_s": 3600}
    control.call("POST", f"/phones/{serial}/messages", {"messages": [old, {"from": "+420603111222", "text": "new"}]})
    first, second = control.rows(serial)
    assert second["date_ms"] - first["date_ms"] == 3_600_000
    wrong = {"messages": [{**old, "age_s": "long"}]}
    assert control.call("POST", f"/phones/{serial}/messages", wrong)["status"] == 400
