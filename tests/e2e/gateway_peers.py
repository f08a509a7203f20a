"""An Odoo with the module `sms_gateway`, fake or real, as somebody in its office uses it."""

from __future__ import annotations

import json
import os
import threading
from urllib.parse import urlsplit

import odoorpc
import waitress

from odoo_sync.fake import FakeOdoo, GatewayModule, make_app, mount
from tests.serving import run_until_closed

_LIMIT_S = 900
_PIECE = 100


class FakeGatewayPeer:
    """A fake Odoo with the module over HTTP."""

    def __init__(self):
        self.odoo = FakeOdoo()
        self.module = GatewayModule(self.odoo)
        self.app = make_app(self.odoo)
        mount(self.app, self.module)
        self.port = 0
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self._server = waitress.create_server(self.app, host="127.0.0.1", port=self.port)
        self.port = self._server.effective_port
        self._thread = threading.Thread(target=run_until_closed, args=(self._server,), daemon=True)
        self._thread.start()

    def stop(self):
        self._server.close()
        self._thread.join(10)

    def add_phone(self, name, number):
        phone = self.module.add_phone(name, number)
        phone.daily_limit = 0
        return phone.id, _code(self.url, phone.api_key)

    def is_online(self, phone_id):
        return self.module.phones[phone_id].state == "online"

    def refuse(self, number):
        self.module.blacklist.add(number)

    def send_mailing(self, phone_id, numbers, mark):
        """Queue a text to each number, for one phone; what cannot be sent fails or is cancelled there."""
        self.module.partners |= dict.fromkeys(numbers, mark)
        # An Odoo without the library phonenumbers hands us what cannot be a number.
        first = {number: n for n, number in reversed(list(enumerate(numbers)))}
        texts = [(first[number] == n, (number, f"{mark} {n}")) for n, number in enumerate(numbers)]
        self.module.add_mailing(self.module.phones[phone_id], [text for is_first, text in texts if is_first])
        for row in self.odoo.add_mailing([text for is_first, text in texts if not is_first]):
            row.state, row.failure_type = "canceled", "sms_duplicate"
            self.odoo.traces[row.uuid].trace_status = "cancel"

    def hand_out_again(self):
        """Do at once what the module does after half an hour: what was never announced waits again."""
        with self.odoo.lock:
            for queued in self.module.queue.values():
                if queued.gateway_state == "processing":
                    queued.gateway_state = "pending"

    def ends(self, mark):
        """text -> (state, trace status)."""
        with self.odoo.lock:
            rows = [row for row in self.odoo.sms.values() if row.body.startswith(mark)]
            return {row.body: (row.state, self.odoo.traces[row.uuid].trace_status) for row in rows}

    def inbound(self, numbers):
        with self.odoo.lock:
            return [(row.from_number, row.message) for row in self.module.inbound if row.from_number in numbers]

    def refused(self, numbers):
        return self.module.blacklist & set(numbers)

    def chatter(self, mark):
        """How many received messages stand in the chatter of a mailing's partners."""
        return sum(partner == mark and " blacklisted" not in text for partner, text in self.module.chatter)


class RealGatewayPeer:
    """A real Odoo 18 with the module; give an administrator."""

    def __init__(self):
        self.url = os.environ["SMSRACK_TEST_ODOO_GATEWAY_URL"]
        database = os.environ.get("SMSRACK_TEST_ODOO_GATEWAY_DATABASE", "odoo18gw")
        user = os.environ.get("SMSRACK_TEST_ODOO_USER", "admin")
        password = os.environ.get("SMSRACK_TEST_ODOO_PASSWORD", "admin")
        parts = urlsplit(self.url)
        self._odoo = odoorpc.ODOO(parts.hostname, port=parts.port or 80, timeout=_LIMIT_S, version="18.0")
        self._odoo.login(database, user, password)
        self._partners = {}

    def _call(self, model, method, *arguments, **options):
        return self._odoo.execute_kw(model, method, list(arguments), options)

    def stop(self):
        pass

    def add_phone(self, name, number):
        phone_id = self._call(
            "sms.gateway.phone", "create", {"name": name, "phone_number": number, "daily_limit": 0, "sent_today": 0}
        )
        self._call("sms.gateway.phone", "action_generate_api_key", [phone_id])
        (row,) = self._call("sms.gateway.phone", "read", [phone_id], ["api_key"])
        return phone_id, _code(self.url, row["api_key"])

    def is_online(self, phone_id):
        (row,) = self._call("sms.gateway.phone", "read", [phone_id], ["state"])
        return row["state"] == "online"

    def refuse(self, number):
        self._call("phone.blacklist", "create", [{"number": number}])

    def send_mailing(self, phone_id, numbers, mark):
        partners = self._call(
            "res.partner", "create", [{"name": f"{mark} {n}", "phone": number} for n, number in enumerate(numbers)]
        )
        self._partners[mark] = partners
        (model,) = self._call("ir.model", "search", [["model", "=", "res.partner"]])
        mailing = self._call(
            "mailing.mailing",
            "create",
            {
                "subject": mark,
                "mailing_type": "sms",
                "mailing_model_id": model,
                "mailing_domain": repr([("id", "in", partners)]),
                "body_plaintext": "{{ object.name }}",
                "sms_allow_unsubscribe": False,
                "gateway_phone_forced_id": phone_id,
            },
        )
        self._call("mailing.mailing", "action_send_sms", [mailing])
        waiting = self._call("sms.sms", "search", [["mailing_id", "=", mailing], ["state", "=", "outgoing"]])
        self._call("sms.sms", "write", waiting, {"sms_provider": "gateway"})
        for start in range(0, len(waiting), _PIECE):
            # Its time grows with the square of what waits; with a thousand at once Odoo's own limit ends it.
            self._call("sms.sms", "send", waiting[start : start + _PIECE])

    def hand_out_again(self):
        lost = self._call("sms.sms", "search", [["gateway_state", "=", "processing"]])
        self._call("sms.sms", "write", lost, {"gateway_state": "pending"})

    def ends(self, mark):
        rows = self._call(
            "sms.sms", "search_read", [["body", "=like", f"{mark}%"]], ["id", "body", "state"], limit=5000
        )
        traces = self._call(
            "mailing.trace",
            "search_read",
            [["sms_id_int", "in", [row["id"] for row in rows]]],
            ["sms_id_int", "trace_status"],
        )
        by_sms = {trace["sms_id_int"]: trace["trace_status"] for trace in traces}
        return {row["body"]: (row["state"], by_sms.get(row["id"])) for row in rows}

    def inbound(self, numbers):
        rows = self._call(
            "sms.gateway.inbound", "search_read", [["from_number", "in", numbers]], ["from_number", "message"]
        )
        return [(row["from_number"], row["message"]) for row in rows]

    def refused(self, numbers):
        rows = self._call("phone.blacklist", "search_read", [["number", "in", numbers]], ["number"])
        return {row["number"] for row in rows}

    def chatter(self, mark):
        return self._call(
            "mail.message",
            "search_count",
            [
                ["model", "=", "res.partner"],
                ["res_id", "in", self._partners[mark]],
                ["body", "like", "<blockquote"],
            ],
        )


def _code(url, key):
    return json.dumps({"url": url, "api_key": key, "type": "sms_gateway"})
