"""`smsrack odoo check NAME --send`: one SMS from Odoo to a SIM of the rack, leg by leg."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import click

from host_controller.client import ApiCallError, ApiClient, open_api
from host_controller.errors import ConfigError
from host_controller.odoo_jobs import make_odoo_client
from host_controller.settings import OdooMode, OdooSettings, Settings, odoo_admin_password
from host_controller.wiring import utc_now
from odoo_sync.client import OdooClient
from odoo_sync.pairings import read_pairings
from odoo_sync.trial import Trial
from odoo_sync.trial_legs import Course, Here, Leg, explain, follow

_NOT_FOUND = 404
Finding = dict[str, Any]


@dataclass(frozen=True)
class TrialOptions:
    """What the command line says of a trial."""

    to: str | None
    """The SIM that gets it, as a person names it; None: the first whose number is known."""
    admin: str | None
    """The login of a user who may make a mailing; None: the connection's own user makes it."""
    limit_s: float


def try_sending(name: str, settings: Settings, options: TrialOptions, show: Callable[[Finding], None]) -> None:
    """Make one SMS in the Odoo `name` and follow it; `show` gets a finding of each leg. Raises ControllerError."""
    client, module_phone_id = _client(name, settings, options.admin), _module_phone(name, settings.odoo[name])
    with open_api(settings) as api:
        if not api.daemon_runs:
            raise ConfigError(
                f"no daemon runs on {settings.data_dir}; start it with `smsrack run`, or name its --data-dir"
            )
        sim, number = _find_sim(api, options.to)
        trial = Trial(client, module_phone_id)
        trial.require_rights()
        course = Course(utc_now())
        try:
            trial.make(number)
            course.ended_at[Leg.MADE] = utc_now()
            on_leg = _shower(course, sim, show)
            on_leg(Leg.MADE)
            follow(
                course,
                trial.look,
                lambda uuid: _ask(api, name, uuid),
                until=course.started_at + timedelta(seconds=options.limit_s),
                clock=utc_now,
                sleep=time.sleep,
                on_leg=on_leg,
            )
            if course.missing is not None:
                mode, zone = settings.odoo[name].mode, ZoneInfo(settings.time_zone)
                words = explain(course, mode, name, sim, _troubles(api, name), lambda at: _clock(at, zone))
                show({"check": str(course.missing), "ok": False, "words": words})
        finally:
            left = trial.clear(is_here=course.here is not None)
            words = left or f"in Odoo is nothing left of {trial.text} but the SMS itself"
            show({"check": "cleared away", "ok": left is None, "words": words})


def _client(name: str, settings: Settings, admin: str | None) -> OdooClient:
    odoo = settings.odoo[name]
    if not odoo.database:
        raise ConfigError(f"set odoo.{name}.database: to make an SMS there we log in")
    if admin is None:
        client = make_odoo_client(name, settings)
        if not client.has_login:
            raise ConfigError(f"odoo.{name} has no user: name one who may make a mailing there with --admin LOGIN")
        return client
    password = odoo_admin_password() or click.prompt(f"Password of {admin} in Odoo", hide_input=True, err=True)
    return OdooClient(odoo.model_copy(update={"user": admin}), password, name)


def _module_phone(name: str, odoo: OdooSettings) -> int | None:
    return read_pairings(odoo.pairing_file, name)[0].module_id if odoo.mode is OdooMode.GATEWAY else None


def _find_sim(api: ApiClient, wanted: str | None) -> tuple[str, str]:
    """Give how a SIM is called, and its number. Raises ConfigError."""
    sims = [(phone, sim) for phone in api.call("GET", "/phones")["phones"] for sim in phone["sims"]]
    if wanted is None:
        # Rather one whose messages can be read now.
        known = [(phone, sim) for phone, sim in sims if sim["number"]]
        found = sorted(known, key=lambda each: each[0]["send_only"] or each[0]["status"] != "ready")
        if not found:
            raise ConfigError("no SIM's number is known; type one with `smsrack phones number SIM NUMBER`")
    else:
        found = [(phone, sim) for phone, sim in sims if wanted in _names(phone, sim)]
        if not found:
            raise ConfigError(f"no SIM is {wanted!r}; write an id, a number or SERIAL:SLOT of `smsrack phones`")
    phone, sim = found[0]
    if not sim["number"]:
        raise ConfigError(
            f"the number of SIM {sim['id']} is not known; type it with `smsrack phones number {sim['id']} NUMBER`"
        )
    return f"SIM {sim['id']} of {phone['serial']}", sim["number"]


def _names(phone: dict[str, Any], sim: dict[str, Any]) -> tuple[str | None, ...]:
    return str(sim["id"]), sim["number"], f"{phone['serial']}:{sim['slot_index'] + 1}"


def _shower(course: Course, sim: str, show: Callable[[Finding], None]) -> Callable[[Leg], None]:
    def on_leg(leg: Leg) -> None:
        took_s, since_s = round(course.took_s(leg), 1), round(course.since_start_s(leg), 1)
        of_it = {Leg.TAKEN: f"message {course.here.message_id}, " if course.here else "", Leg.RECEIVED: f"by {sim}, "}
        words = f"{of_it.get(leg, '')}{took_s:g} s ({since_s:g} s since Odoo was asked)"
        show({"check": str(leg), "ok": True, "words": words, "took_s": took_s, "since_start_s": since_s})

    return on_leg


def _ask(api: ApiClient, name: str, uuid: str) -> Here | None:
    try:
        record = api.call("GET", f"/odoo/{quote(name, safe='')}/messages/{uuid}")
    except ApiCallError as error:
        if error.status == _NOT_FOUND:
            return None
        raise
    message_id = record["message_id"]
    if message_id is None:
        return Here(refusal=record["refusal"])
    message, why = api.call("GET", f"/messages/{message_id}"), api.call("GET", f"/messages/{message_id}/why")
    received_after_s = api.call("GET", f"/canaries/{message_id}")["received_after_s"]
    # The last of each: after a failure that is certain a message is handed to another phone.
    at = {event["new_state"]: datetime.fromisoformat(event["at"]) for event in message["events"]}
    taken_at = datetime.fromisoformat(message["created_at"])
    return Here(
        message_id=message_id,
        state=message["state"],
        words=why["words"],
        waiting_until=datetime.fromisoformat(why["until"]) if why["until"] else None,
        taken_at=taken_at,
        submitted_at=at.get("submitting"),
        sent_at=at.get("sent"),
        received_at=None if received_after_s is None else taken_at + timedelta(seconds=received_after_s),
    )


def _troubles(api: ApiClient, name: str) -> list[str]:
    """Give what the daemon says of the connection."""
    cards = api.call("GET", "/odoo")["connections"]
    rows = [row for card in cards if card["name"] == name for row in card["objects"]]
    return [row["error"] for row in rows if row["error"] and row["object"] in _OF_MESSAGES]


_OF_MESSAGES = ("messages", "results")


def _clock(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%a %H:%M} ({zone.key})"
