"""What is said about a phone: one word for its state, and a sentence that tells what to do."""

from __future__ import annotations

import pytest

from device_drivers.base import PhoneHealth, PhoneIdentity, SendGuard, Sim
from host_controller.fleet.phone import SAME_SERIAL, Enrolled, PhoneStatus, PhoneView, RackSim, link_advice

IDENTITY = PhoneIdentity("A1", "HW1", "Maker", "Model", "14", 34, "fp")
SIM = RackSim(1, Sim(0, 11, None, None), 20, None)
STOPPED = RackSim(2, Sim(1, 12, None, None), 20, None, stopped="another SIM is in the slot")


def enrolled(*sims):
    return Enrolled(1, IDENTITY, SendGuard(30, 60), sims)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("unauthorized", "accept this computer's key"),
        ("authorizing", "accept this computer's key"),
        ("connecting", "wait a moment"),
        ("offline", "plug it in again"),
        ("no permissions (user in plugdev group; are your udev rules wrong?); see [http://x]", "smsrack udev install"),
        ("detached", "adb attach"),
        ("bootloader", "restart it"),
        ("recovery", "restart it"),
        ("rescue", "restart it"),
        ("sideload", "restart it"),
        ("host", "charging only"),
        ("absent", "check cable and hub"),
        ("something new", "adb calls it 'something new'"),
    ],
)
def test_every_state_of_adb_has_a_sentence(state, words):
    assert words in link_advice(state)
    assert PhoneView("A1", state).advice == link_advice(state)


@pytest.mark.parametrize(
    ("view", "status", "words"),
    [
        (PhoneView("A1", "unauthorized"), "unauthorized", "key"),
        (PhoneView("A1", "offline"), "offline", "plug"),
        (PhoneView("A1", SAME_SERIAL, refusal="at USB ports 1-2 and 1-3"), "refused", "1-2 and 1-3"),
        (PhoneView("A1", "device"), "enrolling", None),
        (PhoneView("A1", "device", waits_for_consent=True), "not enrolled", "phones enrol A1"),
        (PhoneView("A1", "device", refusal="no active SIM"), "refused", "no active SIM; `smsrack phones show A1`"),
        (PhoneView("A1", "device", enrolled=enrolled(SIM)), "ready", None),
        (PhoneView("A1", "device", enrolled=enrolled(SIM, STOPPED)), "ready", "SIM 2: another SIM is in the slot"),
        (PhoneView("A1", "device", enrolled=enrolled(STOPPED)), "stopped", "phones confirm A1"),
        (PhoneView("A1", "device", enrolled=enrolled(SIM), hold="a dialog"), "held", "a dialog"),
        (
            PhoneView(
                "A1",
                "device",
                enrolled=enrolled(SIM),
                health=PhoneHealth(None, None, None, (), (), airplane_mode=True),
            ),
            "ready",
            "airplane mode",
        ),
    ],
)
def test_status_and_advice(view, status, words):
    assert view.status is PhoneStatus(status)
    assert (view.advice is None) if words is None else (words in view.advice)
