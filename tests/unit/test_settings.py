"""Settings: read strictly, wrong ones explained."""

from __future__ import annotations

import pytest

from host_controller.errors import ConfigError
from host_controller.settings import load_settings


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.delenv("SMSRACK_ADB", raising=False)

    def read(text, **overrides):
        path = tmp_path / "smsrack.toml"
        path.write_text(text, "utf-8")
        return load_settings(path, overrides)

    return read


def test_without_a_file_there_are_safe_defaults(load):
    settings = load("")
    assert (settings.web.host, settings.web.port) == ("127.0.0.1", 8765)
    assert settings.messages.allowed_regions == ("CZ",)
    assert not settings.phones.enrol_all
    assert settings.data_dir.is_absolute()


def test_the_command_line_lies_over_the_file(load):
    settings = load("[web]\nport = 9000\nallowed_hosts = ['rack']", web={"port": 9001})
    assert (settings.web.port, settings.web.allowed_hosts) == (9001, ("rack",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[web]\nprot = 1", "no setting 'web.prot'; did you mean 'web.port'?"),
        ("tiem_zone = 'UTC'", "did you mean 'time_zone'?"),
        ("[odoo.shop]\nmode = 'pull'", "setting 'odoo.shop.url' is missing"),
        ("[odoo.Shop-1]\nurl = 'https://odoo.example.com'", "'odoo.Shop-1' is no name of a connection"),
        ("[odoo.shop]\nurl = 'https://odoo.example.com'\nmessage_class = 'marketing too'", "'odoo.shop.message_class'"),
        ("[web]\nport = 99999", "'web.port'"),
        ("[web]\nhost = '0.0.0.0'", "loopback"),
        ("[web]\nhost = 'rack.example'", "'web.host'"),
        ("time_zone = 'Prague'", "is not a time zone"),
        ("[messages]\nallowed_regions = ['Czechia']", "is not a region"),
        ("[new_sims]\nparts_per_day = 3", "'new_sims.parts_per_day' must be 10 or more"),
        ("[new_sims]\nparts_per_hour = 3", "a message of the longest kind has to fit in"),
        ("[new_sims]\nmonth_reset_day = 32", "'new_sims.month_reset_day'"),
        ("[reserve]\notp_percent = 60\ntransactional_percent = 40", "'reserve' keeps more than 99 percent in all"),
        ("[messages]\nmax_parts = 11", "'messages.max_parts'"),
        ("[web", "not valid TOML"),
    ],
)
def test_a_wrong_setting_is_named_with_what_to_do(load, text, words):
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_hours_for_one_country_leave_the_others_their_nights(load):
    hours = load('[quiet_hours.marketing.CZ]\nopens = "09:00"\n').quiet_hours.marketing
    assert (hours["CZ"].opens, hours["*"].opens) == ("09:00", "08:00")
    assert load("[quiet_hours]\nmarketing = {}\n").quiet_hours.marketing == {}


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the settings file"):
        load_settings(tmp_path / "none.toml")


def test_adb_by_the_environment(load, monkeypatch):
    monkeypatch.setenv("SMSRACK_ADB", "/opt/adb")
    assert load("[adb]\nbinary = '/usr/bin/adb'").adb.binary == "/opt/adb"


@pytest.mark.parametrize(
    ("adb", "words"),
    [
        ({"port": 5038, "socket": "/run/adb.sock"}, "adb.*leave one of them out"),
        ({"start": False}, "adb.*say with adb.port or adb.socket"),
        ({"client": "pure"}, "adb.client"),
    ],
)
def test_where_the_adb_server_is_must_be_clear(adb, words):
    with pytest.raises(ConfigError, match=words):
        load_settings(None, {"adb": adb})


def test_what_concerns_several_settings_names_them_itself(load):
    with pytest.raises(ConfigError, match=r"^odoo\.shop\.mode push needs gateway\.port"):
        load("[odoo.shop]\nurl = 'https://odoo.example.com'\nmode = 'push'")
