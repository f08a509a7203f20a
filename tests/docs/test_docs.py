"""The docs name every setting, command, route, column, fault and option that there is."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from device_drivers.simulator.faults import KINDS
from host_controller.cli import cli
from host_controller.cli.simulate import simulate
from host_controller.events import Bells
from host_controller.fleet.enrolment import FILTER_FIELDS
from host_controller.messaging.reach import NEVER_WORDS
from host_controller.rules.waiting import NeverReason, WaitReason
from host_controller.settings import Settings, load_settings, setting_names
from host_controller.store.models import table_columns
from host_controller.wiring import make_api_app, utc_now
from odoo_sync.fake.server import FAULTS
from web import Services, make_gateway_app

ROOT = Path(__file__).parents[2]


def doc(name):
    return (ROOT / "docs" / name).read_text("utf-8")


@pytest.mark.parametrize("name", setting_names())
def test_every_setting(name):
    assert f"| `{name}` |" in doc("settings.md")


def test_no_setting_that_does_not_exist():
    assert re.findall(r"^\| `([A-Za-z_.]+)`", doc("settings.md"), re.MULTILINE) == setting_names()


def test_the_defaults_in_the_docs():
    settings = Settings()
    table = doc("settings.md")
    assert f"| `web.port` | `{settings.web.port}` |" in table
    assert f"| `adb.client` | `{settings.adb.client}` |" in table
    assert f"| `new_sims.parts_per_day` | `{settings.new_sims.parts_per_day}` |" in table
    assert f"| `new_sims.parts_per_minute` | `{settings.new_sims.parts_per_minute}` |" in table


def test_the_example_settings_are_valid(tmp_path):
    example = re.search(r"```toml\n(.*?)```", doc("settings.md"), re.DOTALL)[1]
    path = tmp_path / "smsrack.toml"
    path.write_text(example)
    assert load_settings(path).new_sims.parts_per_minute == 15


@pytest.mark.parametrize(("table", "columns"), table_columns().items())
def test_every_column(table, columns):
    section = doc("tables.md").split(f"## `{table}`")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == columns


def commands(group, prefix=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*prefix, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*prefix, name))


@pytest.mark.parametrize("path", list(commands(cli)), ids=" ".join)
def test_every_command(path):
    assert " ".join(path) in doc("cli.md")
    result = CliRunner().invoke(cli, [*path, "--help"], prog_name="smsrack")
    assert result.exit_code == 0
    assert "Usage: smsrack" in result.stdout


def test_every_route_of_the_api():
    app = make_api_app(Services(None, None, Bells(), load_settings(None), utc_now))
    text = doc("api.md").replace("<", "").replace(">", "")
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/v1"):
            path = rule.rule.removeprefix("/api/v1")
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"\1", path.replace("<any(enrol, release):action>", "enrol"))
            path = path.replace("message_id", "id").replace("sim_id", "id")
            method = next(iter(rule.methods - {"HEAD", "OPTIONS"}))
            assert f"`{method} {path}`" in text, rule


def test_every_route_of_the_gateway():
    app = make_gateway_app(Services(None, None, Bells(), load_settings(None), utc_now), None)
    for rule in app.url_map.iter_rules():
        method = next(iter(rule.methods - {"HEAD"}))
        assert f"| `{method} {rule.rule.replace('int:', '')}` |" in doc("api.md"), rule


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_fault_of_the_simulator(kind):
    assert f"`{kind}`" in doc("simulator.md")


@pytest.mark.parametrize("kind", list(FAULTS))
def test_every_fault_of_the_fake_odoo(kind):
    assert f"`{kind}`" in doc("odoo.md")


@pytest.mark.parametrize("option", [parameter.opts[0] for parameter in simulate.params])
def test_every_option_of_the_simulator(option):
    assert option in doc("simulator.md")


@pytest.mark.parametrize("name", [*WaitReason, *FILTER_FIELDS])
def test_every_reason_to_wait_and_every_field_of_a_filter(name):
    assert f"| `{name}` |" in doc("dispatch.md")


@pytest.mark.parametrize("reason", NeverReason)
def test_every_reason_never_to_go(reason):
    assert f"`{reason}`" in doc("dispatch.md").split("## Why does it wait?")[0]
    assert f"`{reason}`" in doc("api.md")
    assert reason in NEVER_WORDS


def test_links_lead_somewhere():
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text("utf-8")):
            if not target.startswith("http"):
                assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_readme_is_one_screen():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 75
