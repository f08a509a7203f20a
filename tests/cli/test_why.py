"""`smsrack why` and `smsrack phones filter`, with a daemon's API and without one."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime

import pytest

from host_controller.store.data_dir import DataDirectory
from host_controller.store.models import PhoneRecord, SimRecord
from host_controller.store.store import Store

NOW = datetime(2026, 11, 26, 4, 0, tzinfo=UTC)
ANNA = "+420777123456"


@pytest.fixture(autouse=True)
def a_phone(data_dir):
    def furnish(session):
        phone = PhoneRecord(
            hardware_serial="HW1", adb_serial="A1", manufacturer="M", model="M", android_release="14", api_level=34,
            build_fingerprint="fp", send_only=False, send_way="isms", capabilities={}, guard_max_parts=30,
            guard_interval_s=60, enrolled_at=NOW, inbox_date_ms=0,
        )  # fmt: skip
        phone.sims = [SimRecord(slot_index=0, subscription_id=1, active=True, parts_per_minute=20)]
        session.add(phone)

    with DataDirectory(data_dir).locked() as data, closing(Store(data.database)) as store:
        store.write(furnish)


def test_one_message_and_the_queue(smsrack):
    assert smsrack("why").stdout == "nothing waits\n"
    smsrack("send", ANNA, "Ahoj")
    smsrack("send", ANNA, "Later", "--not-before", "2099-01-01 09:00", "--ttl", "2d")
    one = smsrack("why", "1")
    assert one.stdout.startswith("message 1 waits for no phone: no daemon runs, start it with `smsrack run`")
    assert "A1     1    no phone" in one.stdout
    later = smsrack("why", "2").stdout
    assert later.startswith("message 2 waits for not before until 2099-01-01 ")
    assert "its sender asked for a later time" in later
    queue = smsrack("why").stdout
    assert "no phone" in queue
    assert "not before" in queue
    assert queue.splitlines()[-1] == "2 messages, 2 parts"
    assert json.loads(smsrack("why", "--json").stdout)["messages"] == 2
    assert json.loads(smsrack("why", "1", "--json").stdout)["reason"] == "no_phone"


def test_nobody(smsrack):
    found = smsrack("why", "9")
    assert found.exit_code == 1
    assert "there is no message 9" in str(found.exception)


def test_a_filter(smsrack):
    text = '[["country", "=", "SK"]]'
    assert smsrack("phones", "filter", "A1", text).stdout == f"A1 writes only to {text}\n"
    refused = smsrack("send", ANNA, "Ahoj")
    assert refused.exit_code != 0
    assert "recipient filter" in refused.output + str(refused.exception)
    assert smsrack("phones", "filter", "A1", "--none").stdout == "A1 writes to everybody\n"
    assert smsrack("send", ANNA, "Ahoj").exit_code == 0


@pytest.mark.parametrize("arguments", [(), ('[["country", "=", "SK"]]', "--none")])
def test_a_filter_or_none(offline, arguments):
    assert offline("phones", "filter", "A1", *arguments).exit_code == 2


def test_a_filter_that_is_no_json(smsrack):
    found = smsrack("phones", "filter", "A1", "[['country', '=', 'SK']]")
    assert found.exit_code == 1
    assert "texts stand in double quotes" in str(found.exception)
