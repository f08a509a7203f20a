"""`smsrack odoo setup` as a person types it: on a fake Odoo always, on a real one where it is named.

tests/e2e/test_odoo.py says how one is named; it is left as it was.
"""

from __future__ import annotations

import os
import random
import re
import stat
import uuid

import pytest
from click.testing import CliRunner

from host_controller.cli import cli
from host_controller.settings import OdooSettings, load_settings
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooRecordError, OdooUnavailableError
from odoo_sync.fake import FakeOdoo, GatewayModule, make_app
from odoo_sync.fake.errors import OdooError
from odoo_sync.setup.changes import Change, Changes, Outcome
from odoo_sync.setup.plan import records
from odoo_sync.setup.provision import Found, Provisioner
from odoo_sync.setup.records import Record, Ref, XmlId
from odoo_sync.setup.site import look_around
from odoo_sync.setup.user import group_records
from tests.serving import serve

FAULTS = int(os.environ.get("SMSRACK_TEST_SETUP_FAULTS", "6"))
ENDPOINT = "https://sms.example.com"
TOKEN = "0123456789abcdef-token"
MUTATING = {"create", "write", "unlink", "set_param"}


class Scene:
    """An Odoo, a settings file, and what a person types."""

    def __init__(self, url, database, admin, password, directory):
        self.url, self.database, self.admin, self.password = url, database, admin, password
        self.directory = directory
        self.user = f"smsrack-{uuid.uuid4().hex[:8]}@example.com"
        self.key, self.token = directory / "key", directory / "token"
        self.config = directory / "smsrack.toml"
        self.client = OdooClient(OdooSettings(url=url, database=database, user=admin, call_limit_s=120), password)

    def settings(self, mode="pull", more=""):
        self.config.write_text(
            f'[gateway]\nport = 8766\npublic_url = "{ENDPOINT}"\n[odoo.shop]\nmode = "{mode}"\nurl = "{self.url}"\n'
            f'database = "{self.database}"\nuser = "{self.user}"\npassword_file = "{self.key}"\n'
            f'account_token_file = "{self.token}"\ncall_limit_s = 120.0\n{more}'
        )

    def run(self, *arguments, code=0, stdin=None, password=None):
        environment = {"SMSRACK_ODOO_ADMIN_PASSWORD": self.password if password is None else password}
        command = ["odoo", "setup", "shop", "--config", str(self.config), *arguments]
        result = CliRunner(env=environment).invoke(cli, command, input=stdin)
        said = f"{result.stdout}{result.exception or ''}"
        assert (result.exit_code == 0) is (code == 0), said
        for secret in (self.key, self.token):
            assert not secret.exists() or secret.read_text().strip() not in said
        return said

    def set_up(self, *arguments, **options):
        return self.run("--admin", self.admin, "--yes", *arguments, **options)

    def rows(self):
        """All that setup could touch, but for what Odoo moves by itself."""
        cron = ["active", "interval_number", "interval_type"]
        every = {"context": {"active_test": False}, "order": "id asc"}
        found = {
            model: self.client.call_any(model, "search_read", [domain, fields], every)
            for model, domain, fields in (
                ("ir.model.data", [["module", "=", "smsrack"]], ["name", "model", "res_id"]),
                ("res.groups", [], ["name"]),
                ("res.users", [], ["login", "active", "groups_id"]),
                ("res.partner", [], ["name", "email"]),
                ("ir.model.access", [], ["name", "perm_read", "perm_write", "perm_create", "perm_unlink"]),
                ("ir.cron", [], cron),
                ("iap.account", [], ["account_token"]),
            )
        }
        parameters = [
            self.client.call_any("ir.config_parameter", "get_param", [key]) for key in ("sms.endpoint", "smsrack.setup")
        ]
        return {**found, "parameters": parameters}


@pytest.fixture
def fake(tmp_path):
    odoo = FakeOdoo("odoo18", "gw_min", "s3cret-canary")
    serving = serve(make_app(odoo))
    made = Scene(serving.url, "odoo18", "admin", "admin", tmp_path)
    made.odoo = odoo
    made.settings()
    yield made
    serving.stop()


@pytest.fixture(params=["fake", "real"])
def scene(request, tmp_path):
    if request.param == "fake":
        yield request.getfixturevalue("fake")
        return
    if "SMSRACK_TEST_ODOO_URL" not in os.environ:
        pytest.skip("no real Odoo is named in SMSRACK_TEST_ODOO_URL")
    name, password = (os.environ.get(f"SMSRACK_TEST_ODOO_{key}", "admin") for key in ("USER", "PASSWORD"))
    database = os.environ.get("SMSRACK_TEST_ODOO_DATABASE", "odoo18")
    made = Scene(os.environ["SMSRACK_TEST_ODOO_URL"], database, name, password, tmp_path)
    made.settings()
    made.set_up("--undo")
    yield made
    made.set_up("--undo")


def test_what_is_shown_in_odoo_comes_and_goes_whole(scene):
    before = scene.rows()
    assert "the model x_smsrack_phone ... done" in scene.set_up("--show-in-odoo")
    assert "There is nothing to do." in scene.set_up("--show-in-odoo")
    user = scene.client  # the fake one knows no other
    if not hasattr(scene, "odoo"):
        settings = OdooSettings(url=scene.url, database=scene.database, user=scene.user, call_limit_s=120)
        user = OdooClient(settings, scene.key.read_text().strip())
    values = {"x_name": "A1", "x_key": "A1", "x_rack": "host", "x_active": True, "x_state": "ready"}
    (row_id,) = user.call("x_smsrack_phone", "create", [[values]])
    assert user.call("x_smsrack_phone", "write", [[row_id], {"x_state": "offline"}]) is True
    asked = [[["x_key", "=", "A1"]], ["x_state", "x_battery_percent", "x_advice"]]
    (row,) = user.call("x_smsrack_phone", "search_read", asked)
    assert (row["x_state"], row["x_battery_percent"], row["x_advice"]) == ("offline", 0, False)
    tick = [["x_smsrack_paused"], ["type"]]
    assert user.call("mailing.mailing", "fields_get", tick) == {"x_smsrack_paused": {"type": "boolean"}}
    scene.set_up("--undo")
    assert scene.rows() == before
    assert scene.client.call("mailing.mailing", "fields_get", tick) == {}
    for model in ("x_smsrack_phone", "x_smsrack_inbound"):
        with pytest.raises(OdooRecordError):
            scene.client.call(model, "fields_get", [["x_key"], ["type"]])
    for model, field in (("ir.model", "model"), ("ir.ui.view", "name"), ("ir.model.fields", "name")):
        rows = scene.client.call_any(model, "search_read", [[], [field]], {"context": {"active_test": False}})
        assert not [row for row in rows if "smsrack" in (row[field] or "")]


def test_what_is_shown_needs_an_administrator(fake):
    assert fake.run("--show-in-odoo", code=1) == "2"  # an error of use
    assert not fake.odoo.tables.keys() & {"x_smsrack_phone", "x_smsrack_inbound"}


@pytest.mark.parametrize("mode", ["pull", "push"])
def test_it_makes_what_is_missing_once_and_takes_it_back(scene, mode):
    scene.settings(mode)
    before = scene.rows()
    planned = scene.set_up("--dry-run")
    assert "Nothing was changed" in planned
    assert scene.rows() == before
    assert not scene.key.exists()
    scene.set_up()
    made = scene.rows()
    for file in (scene.key, scene.token) if mode == "push" else (scene.key,):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (user,) = [row for row in made["res.users"] if row["login"] == scene.user]
    assert len(user["groups_id"]) >= 3  # Odoo adds what these imply
    cron_id = Provisioner(scene.client).id_of(XmlId("sms.ir_cron_sms_scheduler_action"))
    (cron,) = [row for row in made["ir.cron"] if row["id"] == cron_id]
    if mode == "push":
        assert (cron["active"], cron["interval_number"], cron["interval_type"]) == (True, 1, "minutes")
        assert made["parameters"][0] == ENDPOINT
        assert {row["account_token"] for row in made["iap.account"]} == {scene.token.read_text().strip()}
    else:
        assert cron["active"] is False
        assert made["parameters"][0] == before["parameters"][0]
    assert "There is nothing to do" in scene.set_up()
    assert scene.rows() == made
    scene.set_up("--undo")
    assert scene.rows() == before
    assert "made and changed nothing" in scene.set_up("--undo")


def test_the_user_can_do_what_the_report_says(scene):
    scene.settings(more="contacts = true\n")
    assert "setup makes the user" in scene.run(code=1)
    scene.set_up()
    said = scene.run()
    assert "PASS  sms.sms: may read, write, create" in said
    assert "PASS  phone.blacklist: may read, write, create" in said
    assert "PASS  mailing.trace: may read, write" in said
    assert "FAIL" not in said


def test_a_user_that_is_there_is_put_into_the_group_and_taken_out_again(scene):
    scene.settings()
    contact = scene.client.call_any("res.partner", "create", [{"name": "By hand"}])
    values = {"login": scene.user, "password": "by-hand-4711", "partner_id": contact}
    made = scene.client.call_any("res.users", "create", [values], {"context": {"no_reset_password": True}})
    before = scene.rows()
    said = scene.set_up()
    assert "no password of" in said
    assert not scene.key.exists()
    (user,) = [row for row in scene.rows()["res.users"] if row["id"] == made]
    group = Provisioner(scene.client).id_of(Ref("group"))
    assert group in user["groups_id"]
    scene.set_up("--undo")
    assert scene.rows() == before
    scene.client.call_any("res.users", "unlink", [[made]])
    scene.client.call_any("res.partner", "unlink", [[contact]])


def test_a_record_is_found_by_its_external_id_then_by_its_key(scene):
    record = Record("test_group", "res.groups", {"name": f"Test {uuid.uuid4().hex[:8]}"}, "a group")
    own = Provisioner(scene.client)
    assert own.find(record) is Found.MISSING
    made = own.make(record)
    assert Provisioner(scene.client).make(record) == made
    assert Provisioner(scene.client).find(record) is Found.OURS
    (row,) = [row for row in own.rows() if row.name == "test_group"]
    assert own.title(row)
    # As if the answer of its making had been lost: it is known to be ours by its key.
    scene.client.call_any("ir.model.data", "write", [[row.data_id], {"res_id": False}])
    assert Provisioner(scene.client).make(record) == made
    assert own.remove(own.rows()[0]) is True
    assert own.find(record) is Found.MISSING
    foreign = scene.client.call_any("res.groups", "create", [dict(record.values)])
    assert own.find(record) is Found.FOREIGN
    assert own.make(record) == foreign
    assert own.rows() == []
    scene.client.call_any("res.groups", "unlink", [[foreign]])


def test_what_somebody_has_changed_since_is_left(scene):
    def changes():
        return Changes(scene.client, Provisioner(scene.client).id_of)

    key = "smsrack.test"
    change = Change("test", "ir.config_parameter", None, {key: "ours"}, "a parameter")
    assert not changes().is_made(change)
    changes().make(change)
    assert changes().is_made(change)
    changes().make(change)
    assert [changes().take_back(made) for made in changes().made()] == [Outcome.RESTORED]
    assert changes().parameter(key) == ""
    changes().make(change)
    scene.client.call_any("ir.config_parameter", "set_param", [key, "theirs"])
    assert [changes().take_back(made) for made in changes().made()] == [Outcome.CHANGED_SINCE]
    assert changes().parameter(key) == "theirs"
    assert changes().made() == []
    scene.client.call_any("ir.config_parameter", "set_param", [key, False])


@pytest.mark.parametrize("direction", ["set up", "set up, then undo", "undo"])
def test_lost_answers_leave_nothing_double_and_nothing_behind(fake, monkeypatch, direction):
    """The same command goes on after any call whose answer is lost; SMSRACK_TEST_SETUP_FAULTS of them are tried."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    fake.settings("push")
    before = fake.rows()
    fake.set_up()
    whole = names(fake.rows())
    call, calls, lost = OdooClient.call, [], []

    def losing(client, model, method, *arguments):
        answer = call(client, model, method, *arguments)
        if method in MUTATING:
            calls.append((model, method))
            if len(calls) == lost[0]:
                raise OdooUnavailableError("the answer is lost")
        return answer

    monkeypatch.setattr(OdooClient, "call", losing)
    lost.append(-1)
    fake.set_up("--undo")
    undo_calls = len(calls)
    calls.clear()
    fake.set_up()
    count = undo_calls if direction == "undo" else len(calls)
    fake.set_up("--undo")
    for number in random.Random(seed).sample(range(1, count + 1), min(FAULTS, count)):
        lost[0] = -1
        if direction == "undo":
            fake.set_up()
        calls.clear()
        lost[0] = number
        said = fake.set_up(*(["--undo"] if direction == "undo" else []), code=1)
        assert "the same command again goes on" in said
        lost[0] = -1
        if direction == "set up":
            fake.set_up()
            assert names(fake.rows()) == whole, number
        fake.set_up("--undo")
        assert fake.rows() == before, number


def names(rows):
    """What there is, without ids."""
    return {
        model: sorted(re.sub(r"'(id|res_id)': \d+,? ?", "", str(row)) for row in found if model != "res.users")
        for model, found in rows.items()
        if model != "parameters"
    }


def test_what_cannot_be_deleted_is_archived_and_comes_back(fake, monkeypatch):
    fake.set_up()
    users = fake.odoo.users

    def in_use(ids):
        raise OdooError("odoo.exceptions.RedirectWarning", "somebody holds on to it")

    monkeypatch.setattr(users, "unlink", in_use)
    assert "in use, so it was archived" in fake.set_up("--undo")
    (user,) = [row for row in users.rows.values() if row["login"] == fake.user]
    assert user["active"] is False
    assert "made and changed nothing" in fake.set_up("--undo")
    fake.set_up()
    assert user["active"] is True
    fake.set_up("--undo")
    assert user["active"] is False


def test_undo_says_that_the_sender_of_odoo_goes_on(fake):
    fake.odoo.crons.sender["active"] = True
    fake.set_up()
    assert fake.odoo.crons.sender["active"] is False
    assert "from then on Odoo sends what waits by itself" in fake.set_up("--undo")
    assert fake.odoo.crons.sender["active"] is True


def test_it_asks_first(fake):
    before = fake.rows()
    assert "Do this?" in fake.run("--admin", "admin", stdin="n\n", code=1)
    assert fake.rows() == before
    fake.run("--admin", "admin", stdin="y\n")
    assert "Take this back?" in fake.run("--admin", "admin", "--undo", stdin="n\n", code=1)


def test_the_password_of_the_administrator_is_asked_for(fake):
    assert "Password of admin" in fake.run("--admin", "admin", "--dry-run", stdin="admin\n", password="")


@pytest.mark.parametrize("version", ["16.0", "15.0-20230101", "saas~16.4+e"])
def test_odoo_16_and_older_are_refused_with_a_sentence(fake, monkeypatch, version):
    monkeypatch.setattr("odoo_sync.client.OdooClient.server_version", lambda _: version)
    for arguments in ([], ["--admin", "admin"]):
        assert "smsrack works with Odoo 17 to 19, so use one of these" in fake.run(*arguments, code=1)


@pytest.mark.parametrize(
    ("arguments", "password", "words"),
    [
        (["--admin", "admin"], "wrong", "does not let admin in"),
        (["--admin", "gw_min"], "s3cret-canary", "group Administration / Settings"),
    ],
)
def test_who_is_no_administrator_is_told_so(fake, arguments, password, words):
    assert words in fake.run(*arguments, password=password, code=1)


def test_undo_takes_an_administrator(fake):
    fake.run("--undo", code=1)


def test_a_file_that_is_there_is_used_and_never_written_over(fake):
    fake.settings("push")
    fake.key.write_text("chosen-by-a-person")
    fake.token.write_text(TOKEN)
    row = fake.odoo.tables["iap.account"].add(account_token="theirs-0123456789")
    fake.set_up()
    assert (fake.key.read_text(), fake.token.read_text()) == ("chosen-by-a-person", TOKEN)
    assert row["account_token"] == TOKEN
    assert fake.odoo.check_login("odoo18", fake.user, "chosen-by-a-person")
    fake.set_up("--undo")
    assert row["account_token"] == "theirs-0123456789"


def test_a_place_where_no_file_can_be_made_is_told_before_anything_is_done(fake):
    before = fake.rows()
    fake.key = fake.directory / "nowhere" / "key"
    fake.settings()
    said = fake.run("--admin", "admin", "--yes", code=1)
    assert f"odoo.shop.password_file {fake.key}: there is no directory {fake.key.parent}; make it" in said
    assert fake.rows() == before


def test_who_breaks_it_off_is_told_how_it_goes_on(fake, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("host_controller.cli.odoo_setup.carry_out", interrupted)
        said = fake.run("--admin", "admin", "--yes", code=1)
    assert "broken off; the same command again goes on, --undo takes it back" in said
    fake.set_up()


def test_the_token_of_odoo_goes_into_the_file(fake):
    fake.settings("push")
    fake.odoo.tables["iap.account"].add(account_token="theirs-0123456789")
    fake.set_up()
    assert fake.token.read_text() == "theirs-0123456789\n"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('public_url = "https://sms.example.com"\n', "", "gateway.public_url"),
        ("account_token_file", "#", "account_token_file: the file for the token"),
        ("password_file", "#", "the file that setup is to write the new user's password into"),
        ("database", "#", "odoo.shop.database"),
    ],
)
def test_a_setting_that_is_missing_is_named_before_anything_is_done(fake, old, new, words):
    fake.settings("push")
    fake.config.write_text(fake.config.read_text().replace(old, new))
    before = fake.rows()
    assert words in fake.set_up(code=1)
    assert fake.rows() == before


def test_orders_are_readable_where_contacts_are_copied(fake):
    odoo = OdooSettings(url=fake.url, contacts=True)
    names = {record.name for record in group_records(odoo, frozenset({"sms", "sale", "point_of_sale"}))}
    assert {"access_sale_order", "access_pos_order"} <= names


@pytest.mark.parametrize(
    ("version", "group_field", "service"), [("17.0", "groups_id", "service_name"), ("19.0", "group_ids", "service_id")]
)
def test_the_fields_are_those_of_the_version(fake, monkeypatch, version, group_field, service):
    """Their names only: nobody has tried these versions."""
    monkeypatch.setattr("odoo_sync.client.OdooClient.server_version", lambda _: version)
    fake.settings("push")
    site = look_around(fake.client)
    made = {record.name: record.values for record in records(site, "shop", load_settings(fake.config))}
    assert service in made["sms_account"]
    (user,) = [values for name, values in made.items() if name.startswith("user_")]
    assert group_field in user


def test_a_module_that_the_mode_needs_is_named(fake):
    fake.settings("gateway")
    assert "the module sms_gateway is not installed" in fake.set_up(code=1)


def test_mode_gateway_lifts_the_daily_limit(fake):
    phone = GatewayModule(fake.odoo).add_phone("A", "+420700000001")
    fake.settings("gateway", f'pairing_file = "{fake.directory / "phones"}"\ncontacts = true\n')
    assert "FAIL  login: there is none yet" in fake.run(code=1)
    before = fake.rows()
    said = fake.set_up()
    assert "odoo.shop has no phone; paste its pairing code" in said
    assert "right to read pos.order" in said
    assert phone.daily_limit == 0
    assert "There is nothing to do" in fake.set_up()
    said = fake.run()
    assert "PASS  sale.order: may read" in said
    fake.set_up("--undo")
    assert phone.daily_limit == 500
    assert fake.rows() == before
