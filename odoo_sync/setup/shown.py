"""What a person sees of the rack inside Odoo, as data: two manual models, their views, and a tick on SMS mailings.

All names begin with `x_smsrack`, which no module has: taking the rows back takes the tables and columns with them.
What came in is private: only who sends mailings, and our own user, may read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from odoo_sync.setup.records import Record, Ref, Reference, XmlId
from odoo_sync.versions import Capabilities

PHONE, INBOUND = "x_smsrack_phone", "x_smsrack_inbound"
PAUSED = "x_smsrack_paused"
"""The tick on `mailing.mailing`."""
Field = tuple[str, str, str, str]
"""Name, type, label, and what it means where the label does not say it."""
PHONE_FIELDS: Sequence[Field] = (
    ("x_name", "char", "Phone", "Its serial."),
    ("x_key", "char", "Key", "Names the phone to smsrack."),
    ("x_rack", "char", "Host", "The computer that it hangs on."),
    ("x_active", "boolean", "Active", "Taken out of the rack: archived."),
    ("x_model", "char", "Model", ""),
    ("x_state", "char", "State", "What it is doing: ready, paused, drained, offline, ..."),
    ("x_advice", "char", "What to do", ""),
    ("x_sims", "char", "SIMs", "The number and the network of each."),
    ("x_battery_percent", "integer", "Battery %", "Empty where the phone does not say."),
    ("x_signal_dbm", "integer", "Signal dBm", "Of its weakest SIM; empty where the phone does not say."),
    ("x_sent_today", "integer", "Sent today", "Messages that left from it since the rack's midnight."),
    ("x_failed_today", "integer", "Failed today", "Messages that did not leave, or perhaps not."),
    ("x_queued", "integer", "Queued", "In its hands, or waiting for this phone and no other."),
    ("x_seen_at", "datetime", "Last seen", "To about ten minutes."),
)
INBOUND_FIELDS: Sequence[Field] = (
    ("x_name", "char", "From", ""),
    ("x_key", "char", "Key", "Names the message to smsrack; unique."),
    ("x_received_at", "datetime", "Received", ""),
    ("x_to", "char", "To", "The SIM's number, or its phone."),
    ("x_text", "text", "Text", ""),
    ("x_is_stop", "boolean", "STOP", "It says that its sender wants no more."),
    ("x_partner_id", "many2one", "Contact", ""),
)
_RELATIONS = {"x_partner_id": "res.partner"}
_MARKETING, _SETTINGS = XmlId("mass_mailing.group_mass_mailing_user"), XmlId("base.group_system")
_MARKETING_MENU, _TECHNICAL_MENU = XmlId("mass_mailing_sms.mass_mailing_sms_menu_root"), XmlId("base.menu_custom")


def shown_in_odoo(capabilities: Capabilities, ours: Ref, *, has_mailings: bool) -> list[Record]:
    """Give the records, in the order in which they are made; `ours` is the group of our user.

    Without the module for SMS mailings there is no tick, and all of it is for the group Settings.
    """
    readers = _MARKETING if has_mailings else _SETTINGS
    records = [
        _model(PHONE, "SMS rack phone", "x_name, id", PHONE_FIELDS),
        _model(INBOUND, "SMS rack received message", "x_received_at desc, id desc", INBOUND_FIELDS),
    ]
    for model in (PHONE, INBOUND):
        records += _access(model, readers, ours)
    records += _views(capabilities)
    records += _menus(
        capabilities, XmlId("mass_mailing_sms.mass_mailing_sms_menu_root" if has_mailings else "base.menu_custom")
    )
    return [*records, *_tick(ours)] if has_mailings else records


def _model(model: str, name: str, order: str, fields: Sequence[Field]) -> Record:
    values = {"name": name, "model": model, "order": order, "field_id": [(0, 0, _field(*field)) for field in fields]}
    return Record(f"model_{model}", "ir.model", values, f"the model {model}", key=("model",))


def _field(name: str, kind: str, label: str, meaning: str) -> dict[str, Any]:
    values: dict[str, Any] = {"name": name, "ttype": kind, "field_description": label, "help": meaning or False}
    if name in _RELATIONS:
        values["relation"] = _RELATIONS[name]
    return values | {"index": name == "x_key"}


def _access(model: str, readers: XmlId, ours: Ref) -> Iterator[Record]:
    # The third may delete: a text that came in is somebody's own data.
    rights: dict[str, tuple[Ref | XmlId, str]] = {
        "read": (readers, "read"),
        "ours": (ours, "read write create"),
        "delete": (_SETTINGS, "read unlink"),
    }
    for name, (group, granted) in rights.items():
        yield _right(f"access_{model}_{name}", Ref(f"model_{model}"), model, group, granted)


def _right(name: str, model_id: Ref | XmlId, model: str, group: Ref | XmlId, granted: str) -> Record:
    values: dict[str, Any] = {"name": f"smsrack {name}", "model_id": model_id, "group_id": group}
    values |= {f"perm_{right}": right in granted.split() for right in ("read", "write", "create", "unlink")}
    return Record(name, "ir.model.access", values, f"the right to {granted.replace(' ', ', ')} {model}")


def _views(capabilities: Capabilities) -> Iterator[Record]:
    tag = capabilities.list_view
    for model, kind, arch in (
        (PHONE, tag, _PHONE_LIST),
        (PHONE, "form", _PHONE_FORM),
        (PHONE, "search", _PHONE_SEARCH),
        (INBOUND, tag, _INBOUND_LIST),
        (INBOUND, "form", _INBOUND_FORM),
        (INBOUND, "search", _INBOUND_SEARCH),
    ):
        shown = arch.replace("<list ", f"<{tag} ").replace("</list>", f"</{tag}>")
        values = {"name": f"{model}.{kind}", "model": model, "arch": shown}
        yield Record(f"view_{model}_{kind}", "ir.ui.view", values, f"a view ({kind}) of {model}")


def _menus(capabilities: Capabilities, parent: XmlId) -> Iterator[Record]:
    root = {"name": "SMS rack", "parent_id": parent, "sequence": 70}
    yield Record("menu_rack", "ir.ui.menu", root, "the menu SMS rack", key=("name", "parent_id"))
    for model, name, sequence, nothing in (
        (PHONE, "Phones", 1, "No phones yet: smsrack shows its own here within a minute."),
        (INBOUND, "Received", 2, "Nothing was received yet that may leave the rack."),
    ):
        # No groups: Odoo hides a menu from who may not read its model.
        action = {
            "name": name,
            "res_model": model,
            "view_mode": f"{capabilities.list_view},form",
            "help": f'<p class="o_view_nocontent_smiling_face">{nothing}</p>',
        }
        yield Record(
            f"action_{model}", "ir.actions.act_window", action, f"the window of {model}", key=("name", "res_model")
        )
        item = {
            "name": name,
            "parent_id": Ref("menu_rack"),
            "sequence": sequence,
            "action": Reference("ir.actions.act_window", Ref(f"action_{model}")),
        }
        yield Record(f"menu_{model}", "ir.ui.menu", item, f"the menu {name}", key=("name", "parent_id"))


def _tick(ours: Ref) -> Iterator[Record]:
    field = {
        "name": PAUSED,
        "model_id": XmlId("mass_mailing.model_mailing_mailing"),
        "ttype": "boolean",
        "field_description": "Paused in the rack",
        "help": "Its SMS wait in the rack until this is taken off. What a phone has in its hands goes on.",
        "copied": False,
        "tracking": 1,  # who has ticked it, and when, stands in the mailing's chatter
    }
    yield Record(f"field_{PAUSED}", "ir.model.fields", field, f"the tick {PAUSED}", key=("name", "model_id"))
    view = {
        "name": "smsrack.mailing.paused",
        "model": "mailing.mailing",
        "inherit_id": XmlId("mass_mailing_sms.mailing_mailing_view_form_sms"),
        "arch": _TICK,
    }
    yield Record("view_paused", "ir.ui.view", view, "where SMS mailings show the tick")
    model = XmlId("mass_mailing.model_mailing_mailing")
    yield _right("access_mailing_ours", model, "mailing.mailing", ours, "read")


_PHONE_LIST = """<list string="Phones" create="0" edit="0" decoration-danger="x_failed_today" \
decoration-muted="x_state == 'offline'">
<field name="x_name"/><field name="x_model" optional="show"/><field name="x_sims"/>
<field name="x_state" widget="badge" decoration-success="x_state == 'ready'" \
decoration-warning="x_state in ('paused', 'drained', 'enrolling', 'not enrolled')" \
decoration-danger="x_state in ('held', 'stopped', 'refused', 'unauthorized')"/>
<field name="x_battery_percent" invisible="not x_battery_percent"/>
<field name="x_signal_dbm" invisible="not x_signal_dbm" optional="show" width="95px"/>
<field name="x_sent_today" sum="Sent today" width="95px"/>
<field name="x_failed_today" sum="Failed today" width="105px"/>
<field name="x_queued" sum="Queued"/><field name="x_seen_at"/>
<field name="x_advice" optional="hide"/><field name="x_rack" optional="hide"/>
</list>"""
_PHONE_FORM = """<form string="Phone" create="0" edit="0"><sheet>
<div class="oe_title"><h1><field name="x_name"/></h1></div>
<field name="x_active" invisible="1"/>
<group><group><field name="x_state"/><field name="x_advice" invisible="not x_advice"/><field name="x_model"/>
<field name="x_sims"/><field name="x_rack"/><field name="x_seen_at"/></group>
<group><field name="x_battery_percent" invisible="not x_battery_percent"/>
<field name="x_signal_dbm" invisible="not x_signal_dbm"/>
<field name="x_sent_today"/><field name="x_failed_today"/><field name="x_queued"/></group></group>
</sheet></form>"""
_PHONE_SEARCH = """<search><field name="x_name"/><field name="x_sims"/>
<filter name="ready" string="Ready" domain="[('x_state', '=', 'ready')]"/>
<filter name="not_ready" string="Not ready" domain="[('x_state', '!=', 'ready')]"/>
<separator/><filter name="gone" string="Taken out" domain="[('x_active', '=', False)]"/>
<filter name="by_state" string="State" context="{'group_by': 'x_state'}"/>
<filter name="by_rack" string="Host" context="{'group_by': 'x_rack'}"/></search>"""
_INBOUND_LIST = """<list string="Received" create="0" edit="0" decoration-warning="x_is_stop">
<field name="x_received_at"/><field name="x_name"/><field name="x_partner_id"/><field name="x_text"/>
<field name="x_is_stop" optional="show"/><field name="x_to" optional="show"/>
</list>"""
_INBOUND_FORM = """<form string="Received message" create="0" edit="0"><sheet>
<div class="oe_title"><h1><field name="x_name"/></h1></div>
<group><group><field name="x_received_at"/><field name="x_to"/></group>
<group><field name="x_partner_id"/><field name="x_is_stop"/></group></group>
<group><field name="x_text"/></group>
</sheet></form>"""
_INBOUND_SEARCH = """<search><field name="x_name"/><field name="x_text"/><field name="x_partner_id"/>
<filter name="stop" string="STOP" domain="[('x_is_stop', '=', True)]"/>
<filter name="unknown" string="No contact" domain="[('x_partner_id', '=', False)]"/>
<separator/><filter name="on" string="Received" date="x_received_at"/>
<filter name="by_day" string="Day" context="{'group_by': 'x_received_at:day'}"/>
<filter name="by_partner" string="Contact" context="{'group_by': 'x_partner_id'}"/></search>"""
_TICK = f"""<data><xpath expr="//field[@name='sms_subject']" position="after">
<field name="{PAUSED}" widget="boolean_toggle" invisible="mailing_type != 'sms'"/>
</xpath></data>"""
