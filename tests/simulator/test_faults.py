"""The faults of a simulated phone: what each does to the air, to the rows and to the host's own view."""

from __future__ import annotations

import pytest

from device_drivers.adb.command import call, in_order
from device_drivers.errors import LinkError, PhoneAnswerError
from device_drivers.simulator.faults import Faults

ANDROID_14 = 1
JOURNAL = "/data/local/tmp/journal"


@pytest.fixture
def rack(start_rack, attach):
    """One Android 14 of its own."""
    return attach(start_rack(phones=1, profiles=("34",), guard_max_parts=100_000, seed=71))


@pytest.fixture
def serial(rack):
    return rack.phones[0]


@pytest.fixture
def send(link, rack, serial):
    sub = str(rack.sims(serial)[0]["subscription_id"])

    def run(to, text="Ahoj", limit_s=5.0):
        words = ["service", "call", "isms", "5", "i32", sub, "s16", "com.android.shell", "i32", "-1", "s16", to]
        words += ["i32", "-1", "s16", text, "i32", "0", "i32", "0", "i32", "1", "i64", "77"]
        return link.run(serial, in_order("send", [call("mkdir", "-p", f"{JOURNAL}/{to}"), call(*words)]), limit_s)

    return run


@pytest.fixture
def back(link, rack, serial, eventually):
    """Give a function that waits until the phone answers on a new start."""
    boot = call("cat", "/proc/sys/kernel/random/boot_id")
    before = link.run(serial, boot, 5).stdout

    def answers():
        try:
            link.attach(serial)
            return link.run(serial, boot, 5).stdout != before
        except LinkError:
            return False

    return lambda: eventually(answers, 30)


def rows_to(rack, serial, to):
    return [row for row in rack.rows(serial) if row["address"] == to]


def happened(rack, kind):
    return [one for one in rack.call("GET", "/faults/happened")["happened"] if one["kind"] == kind]


def set_fault(rack, serial, kind, **options):
    assert "faults" in rack.call("POST", f"/phones/{serial}/faults", {"kind": kind, **options})


def test_a_chance_is_repeatable_and_each_occasion_is_kept():
    def drawn(seed):
        faults = Faults(seed)
        faults.set("silent", None, chance=0.3)
        return [faults.take("silent", f"+{n}") for n in range(1000)], faults.occasions

    hits, occasions = drawn(5)
    assert drawn(5)[0] == hits
    assert 240 < sum(hits) < 360
    assert [one.to for one in occasions] == [f"+{n}" for n, hit in enumerate(hits) if hit]


def test_a_restart_in_mid_send_keeps_journal_and_row(rack, serial, send, back, link, eventually):
    send("+420777100001")
    eventually(lambda: rows_to(rack, serial, "+420777100001"))
    set_fault(rack, serial, "reboot_inside", count=1, seconds=0.0)
    with pytest.raises(LinkError):
        send("+420777100002")
    back()
    assert [one["to"] for one in happened(rack, "reboot_inside")] == ["+420777100002"]
    assert [part["to"] for part in rack.air()] == ["+420777100001"], "it was still on its way to the radio"
    assert rows_to(rack, serial, "+420777100001")
    assert link.run(serial, call("ls", JOURNAL), 5).stdout.split() == ["+420777100001", "+420777100002"]


def test_a_restart_may_lose_what_was_written_last(rack, serial, send, back, link, eventually):
    set_fault(rack, serial, "reboot_loses", count=1, seconds=60)
    send("+420777100003")
    eventually(lambda: rows_to(rack, serial, "+420777100003"))
    rack.call("POST", f"/phones/{serial}/reboot")
    back()
    assert len(rack.air()) == 1
    assert not rows_to(rack, serial, "+420777100003")
    assert link.run(serial, call("ls", JOURNAL), 5).exit_code != 0


def test_a_shell_that_is_killed_leaves_the_link(rack, serial, send, link):
    set_fault(rack, serial, "kill_at_random", count=1, seconds=0.0)
    with pytest.raises(LinkError):
        send("+420777100004")
    assert link.run(serial, call("echo", "here"), 5).stdout == "here\n"


def test_a_dialog_holds_messages_until_a_tap(rack, serial, send, eventually):
    set_fault(rack, serial, "dialog", count=6)
    for n in range(6):
        send(f"+42077710010{n}")
    sim = eventually(lambda: [sim for sim in rack.sims(serial) if sim["waiting_dialogs"] == 5])[0]
    eventually(lambda: any(row["kind"] == 5 for row in rows_to(rack, serial, "+420777100105")))
    assert rack.air() == []
    for choice in ("send", "cancel"):
        rack.call("POST", f"/phones/{serial}/dialogs/{choice}", {"slot_index": sim["slot_index"]})
    assert [part["to"] for part in eventually(rack.air)] == ["+420777100100"]
    assert [sim["waiting_dialogs"] for sim in rack.sims(serial) if sim["slot_index"] == 0] == [3]


def test_one_row_of_several_is_dropped(rack, serial, send, eventually):
    set_fault(rack, serial, "no_row", count=1)
    for _ in range(3):
        send("+420777100005", "stejný")
    eventually(lambda: len(rack.air()) == 3)
    eventually(lambda: len(rows_to(rack, serial, "+420777100005")) == 2)


def test_a_row_comes_late(rack, serial, send, eventually):
    set_fault(rack, serial, "late_row", count=1, seconds=0.5)
    send("+420777100006")
    eventually(rack.air)
    assert not rows_to(rack, serial, "+420777100006")
    eventually(lambda: rows_to(rack, serial, "+420777100006"))
    assert [one["seconds"] for one in happened(rack, "late_row")] == [0.5]


@pytest.mark.parametrize("kind", ["garbled", "cut_short", "dribble", "flood"])
def test_spoiled_output_comes_after_the_message_has_left(rack, serial, send, eventually, kind):
    healthy = send("+420777100007").stdout
    set_fault(rack, serial, kind, count=1)
    if kind == "flood":
        with pytest.raises(PhoneAnswerError):
            send("+420777100008", limit_s=20)
    else:
        spoiled = send("+420777100008").stdout
        assert ("Parcel(\t00000000" in spoiled) == (kind == "dribble")
        assert (len(spoiled) < len(healthy)) == (kind == "cut_short")
    eventually(lambda: len(rack.air()) == 2)
    assert "Parcel(\t00000000" in send("+420777100009").stdout


@pytest.mark.parametrize(
    "text",
    [
        "Row: 7 _id=9, type=2, body=x",
        "a\nb",
        "a\0b",
        "\u202estop",
        "😀",
        "\ud83d",
        "Result: Parcel(00000000    '....')",
    ],
)
def test_a_hostile_body_is_stored_as_it_came(rack, serial, link, eventually, text):
    rack.inject(serial, "+420777100010", text)
    (row,) = eventually(lambda: rows_to(rack, serial, "+420777100010"))
    assert row["body"] == text
    query = ["content", "query", "--uri", "content://sms", "--projection", "hex(body)"]
    assert (
        link.run(serial, call(*query), 5).stdout
        == f"Row: 0 hex(body)={text.encode('utf-8', 'surrogatepass').hex().upper()}\n"
    )
