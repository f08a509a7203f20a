"""What is to be made and changed in an Odoo for one connection: computed before anything is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from host_controller.errors import ConfigError
from host_controller.settings import OdooMode, Settings
from odoo_sync.changes import odoo_time
from odoo_sync.errors import OdooRejectedError
from odoo_sync.pairings import read_pairings
from odoo_sync.setup.changes import PARAMETERS, Change
from odoo_sync.setup.provision import Found
from odoo_sync.setup.records import Record, XmlId
from odoo_sync.setup.secret_files import SecretFile, new_secret
from odoo_sync.setup.site import Site
from odoo_sync.setup.user import group_records, groups_of_user, user_records

Item = Record | Change | SecretFile
_CRON = XmlId("sms.ir_cron_sms_scheduler_action")
_ENDPOINT = "sms.endpoint"


@dataclass(frozen=True)
class Plan:
    """What is to be done, in this order."""

    items: tuple[Item, ...]
    is_right: tuple[str, ...]
    """What need not be done any more, in words."""
    notes: tuple[str, ...]
    """What a person is to look at."""


@dataclass
class _Draft:
    site: Site
    name: str
    settings: Settings
    items: list[Item] = field(default_factory=list)
    is_right: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def want(self, item: Item) -> None:
        """Put down what is not there yet. Raises ConfigError where a file could not be made."""
        if isinstance(item, SecretFile):
            item.check()
        if isinstance(item, Record):
            found = self.site.provisioner.find(item)
            if found is Found.MISSING:
                self.items.append(item)
            else:
                self.is_right.append(item.words + (", made by hand" if found is Found.FOREIGN else ""))
        elif isinstance(item, Change) and self.site.changes.is_made(item):
            self.is_right.append(item.words)
        else:
            self.items.append(item)


def plan(site: Site, name: str, settings: Settings, extra: Sequence[Record] = ()) -> Plan:
    """Say what the connection `name` still needs, and `extra`, which comes last. Changes nothing.

    Raises OdooSyncError, ConfigError where a setting is missing.
    """
    draft, mode = _Draft(site, name, settings), settings.odoo[name].mode
    needed = "sms_gateway" if mode is OdooMode.GATEWAY else "sms"
    if needed not in site.modules:
        raise OdooRejectedError(f"the module {needed} is not installed in this Odoo; mode {mode} needs it")
    _plan_user(draft)
    {OdooMode.PUSH: _plan_push, OdooMode.PULL: _plan_pull, OdooMode.GATEWAY: _plan_gateway}[mode](draft)
    for record in extra:
        draft.want(record)
    if mode is not OdooMode.GATEWAY:
        _note_surroundings(draft)
    return Plan(tuple(draft.items), tuple(draft.is_right), tuple(draft.notes))


def records(site: Site, name: str, settings: Settings) -> Iterator[Record]:
    """Give every record that a connection may lead to, without its secrets."""
    odoo = settings.odoo[name]
    yield from group_records(odoo, site.modules)
    if odoo.user:
        yield from user_records(odoo, site.capabilities.group_field, "")
    yield _account_record(site, "")


def carry_out(site: Site, item: Item) -> None:
    """Make or change one thing. Raises OdooSyncError, ConfigError; may be repeated, but for a secret's file."""
    if isinstance(item, Record):
        site.provisioner.make(item)
    elif isinstance(item, Change):
        site.changes.make(item)
    else:
        item.write()


def _plan_user(draft: _Draft) -> None:
    odoo, site = draft.settings.odoo[draft.name], draft.site
    if not odoo.user:
        if odoo.mode is OdooMode.PULL:
            raise ConfigError(f"mode pull needs a user; set odoo.{draft.name}.user to the login that it is to have")
        draft.notes.append(
            f"without odoo.{draft.name}.user there are no opt-outs from Odoo, and no replies in its chatters"
        )
        return
    if odoo.user == site.client.settings.user:
        raise ConfigError(f"odoo.{draft.name}.user is the administrator; give smsrack a login of its own")
    for record in group_records(odoo, site.modules):
        draft.want(record)
    field_name, found = site.capabilities.group_field, site.user(odoo.user)
    is_ours = any(site.provisioner.is_begun(record) for record in user_records(odoo, field_name, ""))
    if found is not None and not is_ours:
        words = f"the user {odoo.user} in the group, an internal one that may edit contacts"
        values = {field_name: groups_of_user(), "active": True}
        draft.want(Change(f"user {odoo.user}", "res.users", found["id"], values, words))
        if not _is_there(odoo.password_file) and not _has_password(draft):
            draft.notes.append(
                f"no password of {odoo.user} is here: log in as that user, Preferences, Account Security, New API Key, "
                f"and put it into odoo.{draft.name}.password_file"
            )
        return
    password, file = _password(draft)
    if file:
        draft.want(file)
    for record in user_records(odoo, field_name, password):
        draft.want(record)


def _plan_push(draft: _Draft) -> None:
    url = draft.settings.gateway.public_url
    if url is None:
        raise ConfigError("mode push needs gateway.public_url, like https://sms.example.com: where Odoo is to send to")
    _plan_account(draft)
    cron_id = _cron(draft)
    if cron_id is not None:
        values = {"active": True, "interval_number": 1, "interval_type": "minutes"}
        now = {"nextcall": odoo_time(datetime.now(UTC))}
        words = "Odoo's SMS cron, which hands mailings over, runs every minute"
        draft.want(Change("cron", "ir.cron", cron_id, values, words, now))
    words = f"the system parameter {_ENDPOINT} is {url}: Odoo sends its SMS to smsrack"
    draft.want(Change("endpoint", PARAMETERS, None, {_ENDPOINT: url}, words))
    if any(isinstance(item, Change) and item.name == "endpoint" for item in draft.items):
        draft.notes.append("from that moment SMS come here: they fail in Odoo unless smsrack runs with these settings")


def _plan_account(draft: _Draft) -> None:
    """Let Odoo's account and our file have one token; which of them has one decides."""
    odoo, site = draft.settings.odoo[draft.name], draft.site
    setting = f"odoo.{draft.name}.account_token_file"
    if odoo.account_token_file is None:
        raise ConfigError(f"mode push needs {setting}: the file for the token by which Odoo says who it is")
    accounts = site.accounts()
    if _is_there(odoo.account_token_file):
        token = odoo.account_token(draft.name)
    else:
        token = next((str(row["account_token"]) for row in accounts if row["account_token"]), new_secret())
        words = f"the account token, which Odoo shows to smsrack, in {odoo.account_token_file}, for its owner only"
        draft.want(SecretFile(odoo.account_token_file.expanduser(), setting, token, words))
    for row in accounts:
        if row["account_token"] == token and not _is_there(odoo.account_token_file):
            continue  # it is the one that the file is to have
        words = f"the token of Odoo's SMS account (IAP) {row['display_name']} is that of {odoo.account_token_file}"
        draft.want(Change(f"account {row['id']}", "iap.account", row["id"], {"account_token": token}, words))
    record = _account_record(site, token)
    if not accounts or site.provisioner.is_begun(record):
        draft.want(record)


def _account_record(site: Site, token: str) -> Record:
    has_services = site.capabilities.has_iap_services
    service = {"service_id": XmlId("sms.iap_service_sms")} if has_services else {"service_name": "sms"}
    words = "Odoo's SMS account (IAP), with the token of our file"
    return Record("sms_account", "iap.account", {**service, "account_token": token}, words, tuple(service))


def _plan_pull(draft: _Draft) -> None:
    cron_id = _cron(draft)
    if cron_id is not None:
        words = "Odoo's own SMS sender (its SMS cron) is off: smsrack takes over what waits"
        draft.want(Change("cron", "ir.cron", cron_id, {"active": False}, words))
    if endpoint := draft.site.changes.parameter(_ENDPOINT):
        draft.notes.append(f"the system parameter {_ENDPOINT} leads to {endpoint}: what is sent at once goes there")
    elif draft.settings.odoo[draft.name].adopt_errors_h is None:
        draft.notes.append(
            "what people send at once from a chatter still goes to Odoo's provider and fails without credit; "
            f"odoo.{draft.name}.adopt_errors_h lets it go from here"
        )


def _plan_gateway(draft: _Draft) -> None:
    phones = draft.site.module_phones()
    for row in phones:
        words = f"the module's phone {row['name']} has the daily limit 0: limits are kept in smsrack"
        draft.want(Change(f"phone {row['id']}", "sms.gateway.phone", row["id"], {"daily_limit": 0}, words))
    try:
        pairings = read_pairings(draft.settings.odoo[draft.name].pairing_file, draft.name)
    except ConfigError as error:
        draft.notes.append(str(error))
        return
    paired = {pairing.module_id for pairing in pairings}
    draft.notes += [f"the module's phone {row['name']} is not paired here" for row in phones if row["id"] not in paired]


def _cron(draft: _Draft) -> int | None:
    try:
        cron_id = draft.site.provisioner.id_of(_CRON)
    except OdooRejectedError:
        draft.notes.append("Odoo's SMS cron was deleted there: mailings wait for ever where Odoo sends by itself")
        return None
    return cron_id


def _note_surroundings(draft: _Draft) -> None:
    if "mass_mailing_sms" not in draft.site.modules:
        draft.notes.append("the module mass_mailing_sms is not installed: there are no SMS mailings, all else works")
    if "sms_gateway" in draft.site.modules:
        draft.notes.append("the module sms_gateway is installed: mode gateway is for it")
    base = draft.site.changes.parameter("web.base.url")
    host, wanted = urlsplit(base).hostname, urlsplit(draft.settings.odoo[draft.name].url).hostname
    if host != wanted:
        draft.notes.append(f"links in messages lead to {base or 'nowhere'} (web.base.url): phones must reach that")


def _password(draft: _Draft) -> tuple[str, SecretFile | None]:
    """Give the password that a new user is to have, and the file that is to be made for it."""
    odoo, setting = draft.settings.odoo[draft.name], f"odoo.{draft.name}.password_file"
    if _has_password(draft) or _is_there(odoo.password_file):
        if password := odoo.password(draft.name):
            return password, None
        raise ConfigError(f"{setting} {odoo.password_file} is empty; delete it, and setup makes up a password")
    if odoo.password_file is None:
        raise ConfigError(f"set {setting}: the file that setup is to write the new user's password into")
    secret = new_secret()
    words = f"a made-up password in {odoo.password_file}, for its owner only"
    return secret, SecretFile(odoo.password_file.expanduser(), setting, secret, words)


def _has_password(draft: _Draft) -> bool:
    odoo = draft.settings.odoo[draft.name]
    if odoo.password_file is not None:
        odoo = odoo.model_copy(update={"password_file": None})
    try:
        return bool(odoo.password(draft.name))
    except ConfigError:
        return False


def _is_there(file: Path | None) -> bool:
    return file is not None and file.expanduser().exists()
