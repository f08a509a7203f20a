"""Remote phones and their keys on SQLite and PostgreSQL: which key opens what, until when, and what is on record."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from host_controller.access.device_keys import find_device, list_keys, note_used
from host_controller.errors import (
    CannotPairError,
    InvalidMsisdnError,
    InvalidRemotePhoneError,
    RemotePhoneConflictError,
    UnknownKeyError,
    UnknownPhoneError,
)
from host_controller.fleet.enrolment import find_sims
from host_controller.fleet.remote import RemoteDraft, find_remote
from host_controller.fleet.remote_admin import RemoteAdmin
from host_controller.settings import GatewaySettings, Settings
from host_controller.store.models import DeviceKeyRecord, PhoneEvent, PhoneRecord
from host_controller.store.store import Store
from tests.phone_rows import phone_row

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OWN, SECOND, OTHER = "+420602000001", "+420602000002", "+420602000003"
URL = "https://sms.example.com"


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, fresh_database):
    with closing(Store(fresh_database(request.param))) as opened:
        yield opened


@pytest.fixture
def told():
    return []


@pytest.fixture
def admin(store, clock, told):
    settings = Settings(gateway=GatewaySettings(public_url=URL))
    return RemoteAdmin(store, settings, clock, lambda: told.append("changed"), lambda url: told.append(url))


@pytest.fixture
def key(admin):
    return admin.add_with_key(RemoteDraft("R-1", (OWN,)), {}, "test").key


def opens(store, secret, at=NOW):
    with store.reading() as session:
        return find_device(session, secret, at)


def events(store, name="R-1"):
    with store.reading() as session:
        phone = find_remote(session, name, archived=True)
        rows = session.scalars(select(PhoneEvent).where(PhoneEvent.phone_id == phone.id).order_by(PhoneEvent.id))
        return [(row.kind, row.words, row.actor) for row in rows]


def test_a_key_opens_for_its_phone_and_no_other_text_does(store, key):
    device = opens(store, key.secret)
    assert (device.serial, device.key_id) == ("R-1", key.key_id)
    assert (device.calls_per_minute, device.parts_per_day) == (600, None)
    for other in ("", key.secret[:-1], key.secret + "x", key.secret.swapcase(), key.prefix, "é" * 43, "\ud800"):
        assert opens(store, other) is None


def test_a_key_that_is_revoked_expired_or_of_an_archived_phone_opens_nothing(store, admin, key, clock):
    short = admin.make_key("R-1", {"expires_at": NOW + MINUTE}, "test")
    assert opens(store, short.secret, NOW + MINUTE - timedelta(microseconds=1))
    assert opens(store, short.secret, NOW + MINUTE) is None
    admin.archive("R-1", "test")
    assert opens(store, key.secret) is None
    admin.bring_back("R-1", "test")
    assert opens(store, key.secret)
    admin.revoke(key.key_id, "test")
    admin.revoke(key.key_id, "another")
    assert opens(store, key.secret) is None
    with store.reading() as session:
        record = session.get_one(DeviceKeyRecord, key.key_id)
        assert (record.revoked_at, record.revoked_by) == (NOW, "test")
    with pytest.raises(UnknownKeyError):
        admin.revoke(99, "test")
    with pytest.raises(InvalidRemotePhoneError, match="expired already"):
        admin.make_key("R-1", {"expires_at": NOW}, "test")


def test_a_rotated_key_keeps_its_caps_and_both_open_until_the_overlap_is_over(store, admin, clock):
    admin.add(RemoteDraft("R-1", (OWN,)), "test")
    old = admin.make_key("R-1", {"label": "shop", "parts_per_day": 30, "calls_per_minute": 50}, "test")
    new = admin.make_key("R-1", {"calls_per_minute": 60}, "test", replaces=old.key_id, overlap=10 * MINUTE)
    device = opens(store, new.secret)
    assert (device.calls_per_minute, device.parts_per_day) == (60, 30)
    assert opens(store, old.secret, NOW + 9 * MINUTE)
    assert opens(store, old.secret, NOW + 10 * MINUTE) is None
    assert opens(store, new.secret, NOW + timedelta(days=3650))
    clock.now = NOW + 11 * MINUTE
    with pytest.raises(UnknownKeyError, match="no key 1 in force"):
        admin.make_key("R-1", {}, "test", replaces=old.key_id)
    admin.add(RemoteDraft("R-2", (OTHER,)), "test")
    with pytest.raises(UnknownKeyError, match="R-2 has no key"):
        admin.make_key("R-2", {}, "test", replaces=new.key_id)
    with store.reading() as session:
        assert [record.label for record in list_keys(session)] == ["shop", "shop"]


def test_the_end_of_a_replaced_key_never_moves_away(store, admin):
    admin.add(RemoteDraft("R-1", (OWN,)), "test")
    short = admin.make_key("R-1", {"expires_at": NOW + 5 * MINUTE}, "test")
    admin.make_key("R-1", {}, "test", replaces=short.key_id, overlap=10 * MINUTE)
    assert opens(store, short.secret, NOW + 4 * MINUTE)
    assert opens(store, short.secret, NOW + 5 * MINUTE) is None


def test_that_a_key_was_used_is_noted_once_a_minute(store, key):
    assert not opens(store, key.secret).is_noted
    store.write(lambda session: note_used(session, key.key_id, NOW))
    assert opens(store, key.secret, NOW + timedelta(seconds=59)).is_noted
    assert not opens(store, key.secret, NOW + MINUTE).is_noted


def test_everything_is_on_record_and_no_key_is(store, admin, key):
    admin.change("R-1", heartbeat_limit_minutes=9, reissues=True, actor="page")
    admin.change("R-1", heartbeat_limit_minutes=9, actor="page")
    made = admin.make_key("R-1", {"label": "shop"}, "cli")
    admin.make_key("R-1", {}, "cli", replaces=key.key_id)
    admin.revoke(made.key_id, "cli")
    admin.archive("R-1", "cli")
    admin.bring_back("R-1", "cli")
    admin.bring_back("R-1", "cli")
    told = events(store)
    assert [kind for kind, _, _ in told] == [
        "added", "key_made", "changed", "key_made", "key_made", "key_replaced", "key_revoked", "archived",
        "brought_back",
    ]  # fmt: skip
    assert told[2] == (
        "changed", "offline after 9 minutes without a heartbeat; what ended in silence is sent again", "page"
    )  # fmt: skip
    assert key.secret not in str(told)
    assert made.secret not in str(told)


def test_a_change_is_told_to_whom_it_concerns(admin, key, told):
    told.clear()
    admin.change("R-1", reissues=True, actor="test")
    admin.archive("R-1", "test")
    admin.bring_back("R-1", "test")
    assert told == ["changed"] * 3


@pytest.mark.parametrize(
    ("draft", "error"),
    [
        (RemoteDraft("R 1", (OTHER,)), InvalidRemotePhoneError),
        (RemoteDraft("", (OTHER,)), InvalidRemotePhoneError),
        (RemoteDraft("R-2", ()), InvalidRemotePhoneError),
        (RemoteDraft("R-2", (OTHER, SECOND, OWN)), InvalidRemotePhoneError),
        (RemoteDraft("R-2", (OTHER, "602 000 003")), InvalidRemotePhoneError),
        (RemoteDraft("R-2", ("12",)), InvalidMsisdnError),
        (RemoteDraft("R-2", (OWN,)), RemotePhoneConflictError),
        (RemoteDraft("R-1", (OTHER,)), RemotePhoneConflictError),
        (RemoteDraft("HW1", (OTHER,)), RemotePhoneConflictError),
    ],
)
def test_what_cannot_be_a_remote_phone_is_refused_and_nothing_is_written(store, admin, key, draft, error):
    store.write(lambda session: session.add(phone_row(NOW)))
    with pytest.raises(error):
        admin.add(draft, "test")
    with store.reading() as session:
        assert len(session.scalars(select(PhoneRecord.id)).all()) == 2


def test_a_number_that_has_gone_elsewhere_keeps_an_archived_phone_away(store, admin, key):
    admin.archive("R-1", "test")
    admin.add(RemoteDraft("R-2", (OWN,)), "test")
    with pytest.raises(RemotePhoneConflictError):
        admin.bring_back("R-1", "test")
    admin.archive("R-2", "test")
    admin.bring_back("R-1", "test")
    with store.reading() as session:
        assert len(find_sims(session, OWN)) == 1


@pytest.mark.parametrize("name", ["nobody", "", "\x00", "\ud800", "R-1\n"])
def test_a_name_that_is_nobody_s_is_unknown(admin, key, name):
    for act in (admin.archive, admin.bring_back):
        with pytest.raises(UnknownPhoneError):
            act(name, "test")


@pytest.mark.parametrize("key_id", [-1, 0, 99, 2**31, 2**63, 10**30])
def test_an_id_that_is_no_key_s_is_unknown(admin, key, key_id):
    with pytest.raises(UnknownKeyError):
        admin.revoke(key_id, "test")
    with pytest.raises(UnknownKeyError):
        admin.make_key("R-1", {}, "test", replaces=key_id)


@pytest.mark.parametrize("label", ["a\nb", "\x00", "\ud800", "\x1b[2J"])
def test_a_label_is_one_line_of_text(admin, key, label):
    with pytest.raises(InvalidRemotePhoneError, match="one line"):
        admin.make_key("R-1", {"label": label}, "test")


def test_a_pairing_code_is_made_only_where_phones_would_get_to(store, admin, key, told, clock):
    pairing = admin.pair("R-1", {"label": "shop"}, "test", replaces=key.key_id)
    assert told[-1] == URL
    assert pairing.code.payload == {"type": "sms_gateway", "url": URL, "api_key": pairing.key.secret}
    assert opens(store, pairing.key.secret)
    assert opens(store, key.secret, NOW + 61 * MINUTE) is None
    told.clear()
    admin.pair("R-1", {}, "test", check=False)
    assert told == []

    def refuse(_url):
        raise CannotPairError("no phone would reach it")

    closed = RemoteAdmin(store, Settings(gateway=GatewaySettings(public_url=URL)), clock, lambda: None, refuse)
    nowhere = RemoteAdmin(store, Settings(), clock, lambda: None, lambda _: None)
    for each in (closed, nowhere):
        with pytest.raises(CannotPairError):
            each.pair("R-1", {}, "test")
    with store.reading() as session:
        assert len(list_keys(session)) == 3


def test_no_key_is_anywhere_in_the_files_of_the_database(tmp_path, clock):
    path = tmp_path / "smsrack.db"
    with closing(Store(path)) as store:
        admin = RemoteAdmin(
            store, Settings(gateway=GatewaySettings(public_url=URL)), clock, lambda: None, lambda _: None
        )
        keys = [admin.add_with_key(RemoteDraft("R-1", (OWN,)), {}, "test").key]
        keys.append(admin.make_key("R-1", {}, "test", replaces=1))
        keys.append(admin.pair("R-1", {}, "test").key)
        for key in keys:
            assert opens(store, key.secret)
        files = [file for file in tmp_path.iterdir() if file.is_file()]
        assert {"smsrack.db", "smsrack.db-wal"} <= {file.name for file in files}
        kept = b"".join(file.read_bytes() for file in files)
        for key in keys:
            assert key.prefix.encode() in kept
            assert key.secret.encode() not in kept
            assert key.secret[9:25].encode() not in kept


_ACTS = st.lists(
    st.tuples(st.sampled_from(["make", "short", "rotate", "revoke", "archive", "back", "wait"]), st.integers(0, 5)),
    max_size=25,
)


@settings(max_examples=60)
@given(_ACTS)
def test_after_whatever_is_done_exactly_those_keys_open_that_should(tmp_path_factory, acts):
    clock, made, ends, revoked, is_there = Clock(), [], {}, set(), True
    with closing(Store(tmp_path_factory.mktemp("keys") / "s.db")) as store:
        admin = RemoteAdmin(store, Settings(), clock, lambda: None, lambda _: None)
        admin.add(RemoteDraft("R-1", (OWN,)), "test")

        def in_force(n):
            return n not in revoked and (ends[n] is None or ends[n] > clock.now)

        for act, n in acts:
            if act == "wait":
                clock.now += n * MINUTE
            elif act == "archive" and is_there:
                admin.archive("R-1", "test")
                is_there = False
            elif act == "back" and not is_there:
                admin.bring_back("R-1", "test")
                is_there = True
            elif act == "revoke" and n < len(made):
                admin.revoke(made[n].key_id, "test")
                revoked.add(n)
            elif act in ("make", "short") and is_there:
                end = None if act == "make" else clock.now + (n + 1) * MINUTE
                ends[len(made)] = end
                made.append(admin.make_key("R-1", {"expires_at": end}, "test"))
            elif act == "rotate" and is_there and n < len(made) and in_force(n):
                ends[len(made)] = None
                made.append(admin.make_key("R-1", {}, "test", replaces=made[n].key_id, overlap=2 * MINUTE))
                over = clock.now + 2 * MINUTE
                ends[n] = over if ends[n] is None else min(ends[n], over)
            for index, key in enumerate(made):
                assert (opens(store, key.secret, clock.now) is not None) is (is_there and in_force(index))
