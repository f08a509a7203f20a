"""An Odoo with the module `sms_gateway` takes us for its phone: each message once, each end once, whatever breaks."""

from __future__ import annotations

import pytest

from host_controller.rules.states import MessageState
from tests.odoo.gateway_bench import GatewayBench

ANNA, PETR, EVA = "+420777123456", "+420603111222", "+420724200302"
S = MessageState


@pytest.fixture
def bench(tmp_path):
    made = GatewayBench(tmp_path)
    yield made
    made.close()


def test_messages_are_announced_queued_in_order_and_confirmed(bench):
    bench.online()
    rows = bench.queue((ANNA, "one"), (EVA, "two"), ("1188", "short"))
    bench.sync.run()
    assert bench.messages() == [("one", S.QUEUED), ("two", S.QUEUED)]
    assert [bench.module.queue[row.id].told for row in rows] == [["sending"], ["sending"], []]
    bench.finish("one", S.SUBMITTING, S.SENT)
    bench.finish("two", S.SUBMITTING, S.UNKNOWN)
    bench.sync.run()
    assert bench.ends() == {
        "one": ("sent", "sent", ["sending", "sent"]),
        "two": ("error", "error", ["sending", "error"]),
        "short": ("error", "error", ["error"]),
    }
    bench.served.calls.clear()
    bench.sync.run()
    assert bench.served.calls == ["pending"]
