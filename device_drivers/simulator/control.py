"""The control API of a simulated rack: HTTP and JSON on loopback. Routes and fields: docs/simulator.md."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import flask
import waitress
from werkzeug.exceptions import BadRequest, HTTPException, NotFound

from device_drivers.simulator.faults import KINDS
from device_drivers.simulator.network import Answer, Network
from device_drivers.simulator.phone import SimulatedPhone
from device_drivers.simulator.provider import INBOX
from device_drivers.simulator.radio import Radio

T = TypeVar("T")
_LOOP_LIMIT_S = 10.0
_CHANGEABLE = {
    **dict.fromkeys(("battery_percent", "battery_tenths_c", "battery_health", "rsrp_dbm", "clock_offset_ms"), int),
    **dict.fromkeys(("charging", "roaming", "screen_lock", "screen_locked", "doze", "airplane_mode"), bool),
    "default_sms_app": str,
    "settings": dict,
    "properties": dict,
}
_LINK_FAULTS = frozenset({"mute", "unauthorized"})


class ControlServer:
    """Serves the API in threads of its own; every touch of the model happens in the event loop."""

    def __init__(
        self, phones: Sequence[SimulatedPhone], network: Network, loop: asyncio.AbstractEventLoop, port: int
    ) -> None:
        """Raise OSError where the port is taken."""
        # Poll: a rack of a hundred phones has more open files than select() can look at.
        app = _make_app(phones, network, loop)
        self._server = waitress.create_server(app, host="127.0.0.1", port=port, asyncore_use_poll=True)
        self.url = f"http://127.0.0.1:{self._server.effective_port}"
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._is_closed = False

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._is_closed = True
        self._server.close()

    def _serve(self) -> None:
        try:
            self._server.run()
        except (OSError, RuntimeError):
            if not self._is_closed:  # else its sockets were closed under its loop, which is how it ends
                raise


def _make_app(phones: Sequence[SimulatedPhone], network: Network, loop: asyncio.AbstractEventLoop) -> flask.Flask:
    app = flask.Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]

    def in_loop(work: Callable[[], T]) -> T:
        async def run() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), loop).result(_LOOP_LIMIT_S)

    def find(serial: str) -> SimulatedPhone:
        for phone in phones:
            if serial in (phone.serial, phone.options.name):
                return phone
        raise NotFound(f"no phone {serial!r}; GET /phones lists them")

    @app.errorhandler(HTTPException)
    def explain(error: HTTPException) -> tuple[dict[str, Any], int]:
        return {"error": error.description}, error.code or 500

    @app.get("/phones")
    def list_phones() -> dict[str, Any]:
        return {"phones": in_loop(lambda: [_describe(phone) for phone in phones])}

    @app.post("/phones/<serial>/inbox")
    def inject(serial: str) -> tuple[dict[str, Any], int]:
        phone, body = find(serial), _body({"from": str, "text": str}, {"slot_index": int})
        number = _radio(phone, body.get("slot_index", 0)).sim.number
        in_loop(lambda: network.deliver(body["from"], number, body["text"]))
        return {"delivered_to": number}, 201

    @app.get("/phones/<serial>/messages")
    def messages(serial: str) -> dict[str, Any]:
        phone = find(serial)
        return {"messages": in_loop(lambda: [asdict(row) for row in phone.store.rows()])}

    @app.post("/phones/<serial>/messages")
    def fill(serial: str) -> tuple[dict[str, Any], int]:
        phone, body = find(serial), _body({"messages": list}, {"slot_index": int})
        rows = [(row["from"], row["text"], row.get("age_s", 0)) for row in body["messages"] if _is_message(row)]
        if len(rows) != len(body["messages"]):
            raise BadRequest("messages: a list of objects with from and text, and age_s if wanted")
        subscription_id = _radio(phone, body.get("slot_index", 0)).sim.subscription_id

        def insert() -> None:
            now_ms = phone.clock_ms()
            for sender, text, age_s in rows:
                at_ms = now_ms - round(1000 * age_s)
                phone.store.insert(INBOX, sender, text, at_ms, subscription_id, date_sent_ms=at_ms)

        in_loop(insert)
        return {"stored": len(rows)}, 201

    @app.delete("/phones/<serial>/messages/<int:row_id>")
    def delete_message(serial: str, row_id: int) -> dict[str, Any]:
        phone = find(serial)
        in_loop(lambda: phone.store.delete(row_id))
        return {}

    @app.get("/faults")
    def fault_kinds() -> dict[str, Any]:
        return {"faults": KINDS}

    @app.get("/faults/happened")
    def occasions() -> dict[str, Any]:
        def collect() -> list[dict[str, Any]]:
            return [{"phone": phone.serial, **asdict(one)} for phone in phones for one in phone.faults.occasions]

        return {"happened": in_loop(collect)}

    @app.post("/phones/<serial>/faults")
    def add_fault(serial: str) -> tuple[dict[str, Any], int]:
        phone, body = find(serial), _body({"kind": str}, {"count": int, "seconds": float, "chance": float})
        chance, seconds = float(body.get("chance", 1)), body.get("seconds")
        try:
            in_loop(lambda: phone.faults.set(body["kind"], body.get("count"), chance=chance, seconds=seconds))
        except ValueError as error:
            raise BadRequest(str(error)) from error
        if body["kind"] in _LINK_FAULTS:
            in_loop(phone.cut_links)
        return {"faults": phone.faults.active()}, 201

    @app.delete("/phones/<serial>/faults")
    def clear_faults(serial: str) -> dict[str, Any]:
        phone = find(serial)
        link_was_faulty = _LINK_FAULTS & phone.faults.active().keys()
        in_loop(phone.faults.clear)
        if link_was_faulty:
            in_loop(phone.cut_links)  # adb shakes hands anew only on a new connection
        return {"faults": {}}

    actions: dict[str, Callable[[SimulatedPhone], object]] = {
        "unplug": SimulatedPhone.unplug,
        "plug": SimulatedPhone.plug,
        "reboot": SimulatedPhone.reboot,
        "authorize": SimulatedPhone.authorize,
    }

    @app.post("/phones/<serial>/<any(unplug, plug, reboot, authorize):action>")
    def act(serial: str, action: str) -> dict[str, Any]:
        phone = find(serial)
        in_loop(lambda: actions[action](phone))
        return {}

    @app.patch("/phones/<serial>")
    def change(serial: str) -> dict[str, Any]:
        phone = find(serial)
        for name, value in _body({}, _CHANGEABLE).items():
            if name == "airplane_mode":
                in_loop(lambda on=value: phone.set_airplane_mode(on=on))  # type: ignore[misc]
            elif name == "settings":
                phone.settings.update({key: str(item) for key, item in value.items()})
            elif name == "properties":
                phone.body.properties.update({key: str(item) for key, item in value.items()})
            elif name == "screen_locked":
                phone.screen.locked = value
            elif name == "default_sms_app":
                phone.body.default_sms_app = phone.screen.app = value or None
            else:
                setattr(phone if name == "clock_offset_ms" else phone.body, name, value)
        return in_loop(lambda: _describe(phone))

    @app.get("/phones/<serial>/calls")
    def calls(serial: str) -> dict[str, Any]:
        """Names of the methods of ISms that were called, in order."""
        return {"calls": list(find(serial).isms.calls)}

    @app.post("/phones/<serial>/sims/<int:slot_index>/swap")
    def swap_sim(serial: str, slot_index: int) -> dict[str, Any]:
        phone, body = find(serial), _body({"number": str}, {})
        if not body["number"].removeprefix("+").isdecimal():
            raise BadRequest("write `number` as in +420601000001")
        try:
            return asdict(in_loop(lambda: phone.swap_sim(slot_index, body["number"])))
        except ValueError as error:
            raise BadRequest(str(error)) from error

    @app.post("/phones/<serial>/dialogs/<any(send, cancel):choice>")
    def tap(serial: str, choice: str) -> dict[str, Any]:
        phone, body = find(serial), _body({}, {"slot_index": int})
        guard = _radio(phone, body.get("slot_index", 0)).guard
        if not in_loop(lambda: guard.tap(allow=choice == "send")):
            raise BadRequest("no dialog is on this phone's screen for that SIM")
        return {}

    @app.get("/air")
    def air() -> dict[str, Any]:
        after = flask.request.args.get("after", "0")
        if not after.isdecimal():
            raise BadRequest("`after` is the sequence number of the last entry that you have")
        entries = network.air(int(after))
        return {"air": entries, "last": int(after) + len(entries)}

    @app.put("/answers")
    def answers() -> dict[str, Any]:
        body = flask.request.get_json(silent=True)
        if not isinstance(body, dict) or not all(isinstance(text, str) for text in body.values()):
            raise BadRequest("send a JSON object: number of a subscriber -> text that it answers once")
        in_loop(lambda: network.answers.update({number: Answer(text, 1) for number, text in body.items()}))
        return {"answers": len(body)}

    return app


def _describe(phone: SimulatedPhone) -> dict[str, Any]:
    return {
        "serial": phone.serial,
        "hardware_serial": phone.options.name,
        "profile": phone.options.profile.name,
        "api_level": phone.options.profile.api_level,
        "plugged": phone.plugged,
        "authorized": phone.is_authorized,
        "faults": phone.faults.active(),
        "sims": [{**asdict(radio.sim), "waiting_dialogs": radio.guard.waiting} for radio in phone.radios.values()],
    }


def _radio(phone: SimulatedPhone, slot_index: int) -> Radio:
    for radio in phone.radios.values():
        if radio.sim.slot_index == slot_index:
            return radio
    raise BadRequest(f"this phone has no SIM in slot {slot_index}")


def _is_message(row: Any) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("age_s", 0), int | float):
        return False
    return all(isinstance(row.get(name), str) for name in ("from", "text"))


def _body(required: dict[str, type], optional: dict[str, type]) -> dict[str, Any]:
    body = flask.request.get_json(silent=True) if flask.request.content_length else {}
    if not isinstance(body, dict):
        raise BadRequest("send a JSON object with Content-Type: application/json")
    fields = {**required, **optional}
    for name, value in body.items():
        kinds = (int, float) if fields.get(name) is float else fields.get(name, ())
        if not isinstance(value, kinds):
            known = ", ".join(f"{field} ({kind.__name__})" for field, kind in fields.items())
            raise BadRequest(f"field {name!r} is unknown or of a wrong type; known are: {known}")
    missing = required.keys() - body.keys()
    if missing:
        raise BadRequest(f"field {min(missing)!r} is missing")
    return body
