"""What needs a restart to change: one TOML file, read once into frozen values. Nobody else reads the environment.

Everything that may change while the daemon runs (limits of a SIM, opt-outs) lives in the database instead.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, ValidationError, model_validator

from host_controller.errors import ConfigError
from host_controller.rule_settings import (
    Prefix,
    PrefixSettings,
    QuietHoursSettings,
    RampUpSettings,
    Region,
    RepeatSettings,
    Section,
    SpendSettings,
    StickySettings,
)

ADB_VARIABLE = "SMSRACK_ADB"
FAILPOINT_VARIABLE = "SMSRACK_FAILPOINT"
ODOO_PASSWORD_VARIABLE = "SMSRACK_ODOO_PASSWORD"  # noqa: S105 - the name of a variable
ODOO_ADMIN_PASSWORD_VARIABLE = "SMSRACK_ODOO_ADMIN_PASSWORD"  # noqa: S105 - the name of a variable
MAX_PARTS = 10
_MOST_RESERVED_PERCENT = 99
_SHORTEST_TOKEN = 16


def _is_loopback(host: str) -> bool:
    return host == "localhost" or ipaddress.ip_address(host).is_loopback


def _https_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError(
            "must be like https://sms.example.com: the app turns http:// into https://, so a phone could not reach it"
        )
    return url.rstrip("/")


def _loopback(host: str) -> str:
    if not _is_loopback(host):
        raise ValueError("must be a loopback address: the site has no login; reach it through an SSH tunnel")
    return host


def _time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is not a time zone; write one like Europe/Prague")
    return name


def _odoo_name(name: str) -> str:
    if not re.fullmatch("[a-z][a-z0-9_]{0,31}", name):
        raise ValueError("is no name of a connection; write small letters, digits and _, a letter first, at most 32")
    return name


def _with_room(parts: int) -> int:
    if parts < MAX_PARTS:
        raise ValueError(f"must be {MAX_PARTS} or more: a message of the longest kind has to fit in")
    return parts


OdooName = Annotated[str, AfterValidator(_odoo_name)]
Port = Annotated[int, Field(ge=1, le=65535)]
LifeHours = Annotated[float, Field(gt=0, le=8760)]
ZoneName = Annotated[str, AfterValidator(_time_zone)]
PartsPerMinute = Annotated[int, Field(ge=1, le=6000)]
PartsOfPeriod = Annotated[int, Field(le=100_000_000), AfterValidator(_with_room)]
Recipients = Annotated[int, Field(ge=1, le=100_000_000)]
ResetDay = Annotated[int, Field(ge=1, le=31)]
# With more the pause after a longest message at one part a minute would pass the hour that a ledger looks back.
JitterPercent = Annotated[int, Field(ge=0, le=400)]


class WebSettings(Section):
    """The site."""

    host: Annotated[str, AfterValidator(_loopback)] = "127.0.0.1"
    port: Port = 8765
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost")
    """Names that a browser may use for the site; any other Host header is refused."""


class GatewaySettings(Section):
    """The API of the SMS Gateway, for phones that run its app; without a port it is not served."""

    port: Port | None = None
    host: str = "127.0.0.1"
    """Where it listens. Beyond loopback it wants a word on TLS: `proxy_hops`, or `plain_http`."""
    public_url: Annotated[str, AfterValidator(_https_url)] | None = None
    """How phones reach it, like https://sms.example.com: what a pairing code says."""
    proxy_hops: Annotated[int, Field(ge=0, le=5)] = 0
    """How many reverse proxies of yours stand before it, whose X-Forwarded headers may be believed."""
    plain_http: bool = False
    """True serves beyond loopback without TLS: whoever listens on that network reads every key and message."""
    body_keys: bool = False
    """True also takes a key from the JSON body, as the SMS Gateway did; it may end up in logs of others then."""
    wrong_keys_per_minute: Annotated[int, Field(ge=1, le=10_000)] = 10
    """After so many from one address it is answered 429."""
    max_body_mb: Annotated[float, Field(gt=0, le=100)] = 10.0
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost")
    """Names that a Host header may hold, beside that of `public_url`."""
    cors_origins: tuple[str, ...] = ()
    """Sites whose scripts may call it; by default none."""

    @model_validator(mode="after")
    def _check_exposure(self) -> GatewaySettings:
        if not _is_loopback(self.host) and not self.proxy_hops and not self.plain_http:
            raise ValueError(
                "would be served beyond loopback without TLS; set gateway.proxy_hops to the number of your reverse"
                " proxies, or gateway.plain_http = true where nobody else is on that network"
            )
        return self


class AdbSettings(Section):
    """The adb server."""

    binary: str | None = None
    """Path of adb; by default the one that comes with adbutils, else the one on the PATH."""
    client: Literal["adbutils", "pure-python-adb"] = "adbutils"
    """The library that finds the adb server."""
    port: Port | None = None
    """A TCP port on loopback instead of a socket: every user of this computer can reach it then."""
    socket: Path | None = None
    """Where the server listens; by default in the data directory, for this user only."""
    start: bool = True
    """False uses a server that somebody else runs at this port or socket."""
    libusb: bool = False
    """True reaches USB through libusb instead of the kernel's own interface."""
    usb: bool = True
    """False leaves the phones on USB alone."""
    connect: tuple[str, ...] = ()
    """Phones that are reached over TCP, as host:port."""

    @model_validator(mode="after")
    def _check_place(self) -> AdbSettings:
        if self.port is not None and self.socket is not None:
            raise ValueError("has a port and a socket; leave one of them out")
        if not self.start and self.port is None and self.socket is None:
            raise ValueError("does not start a server; say with adb.port or adb.socket where one runs")
        return self


class UnknownPolicy(StrEnum):
    """What becomes of a message that may have been sent, or not, when nothing proves either for long."""

    HOLD = "hold"
    """It stays unknown until a person settles it."""
    RESEND = "resend"
    """It is sent again where its phone has restarted since and knows nothing of it; else it stays."""
    ASSUME_SENT = "assume_sent"
    """It is reported as sent."""
    ASSUME_FAILED = "assume_failed"
    """It is reported as failed, and not sent again."""


class MessageSettings(Section):
    """What may be sent, and where to."""

    home_region: Region = "CZ"
    """The country of numbers that are written without a country code."""
    allowed_regions: tuple[Region, ...] = ("CZ",)
    """Countries that may be written to; every other is refused, since it costs money."""
    max_parts: Annotated[int, Field(ge=1, le=MAX_PARTS)] = MAX_PARTS
    on_unknown: UnknownPolicy = UnknownPolicy.HOLD
    """What becomes of a message that may have been sent, or not."""
    unknown_after_h: Annotated[float, Field(gt=0, le=720)] = 24.0
    """How long it stays unknown before that."""
    otp_ttl_h: LifeHours = 0.25
    """How long a message may wait that names no time of its own: a code is of no use later."""
    transactional_ttl_h: LifeHours = 24.0
    """The same, for what the recipient has asked for or bought."""
    marketing_ttl_h: LifeHours | None = None
    """The same for marketing; by default it may wait until the window of its batch ends, or for ever."""
    stale_after_h: Annotated[float, Field(ge=0, le=8760)] = 24.0
    """By how much an outage may make a message late that then still goes by itself; 0: by any time."""


class InboxSettings(Section):
    """Messages that come in."""

    alarm_stops: Annotated[int, Field(ge=1)] = 20
    """More clear STOPs than this..."""
    alarm_minutes: Annotated[float, Field(gt=0, le=1440)] = 10.0
    """...within so many minutes raise an alarm."""


class PhoneSettings(Section):
    """Which phones are taken into the rack."""

    enrol_all: bool = False
    """True enrols every phone that is plugged in, but one that was taken out.

    Else `smsrack phones enrol` does it, phone by phone.
    """


class NewSimSettings(Section):
    """Limits that a SIM gets when it is first seen; afterwards they are changed with `smsrack phones limit`."""

    parts_per_minute: PartsPerMinute = 20
    parts_per_hour: PartsOfPeriod | None = None
    """Of any 60 minutes."""
    parts_per_day: PartsOfPeriod | None = 500
    parts_per_month: PartsOfPeriod | None = None
    """Of a billing month."""
    recipients_per_month: Recipients | None = None
    """Different numbers in a billing month."""
    month_reset_day: ResetDay = 1
    """On which the billing month begins; in a shorter month its last day."""
    jitter_percent: JitterPercent = 0
    """By how much at most a pause between two messages is lengthened, at random."""


class ReserveSettings(Section):
    """What part of each SIM's hour, day and month is kept for the upper classes of messages."""

    otp_percent: Annotated[int, Field(ge=0, le=99)] = 1
    """Kept for `otp` alone."""
    transactional_percent: Annotated[int, Field(ge=0, le=99)] = 0
    """Kept for `otp` and `transactional`, on top of that."""

    @model_validator(mode="after")
    def _check_sum(self) -> ReserveSettings:
        if self.otp_percent + self.transactional_percent > _MOST_RESERVED_PERCENT:
            raise ValueError(f"keeps more than {_MOST_RESERVED_PERCENT} percent in all; leave something for the others")
        return self


class OdooMode(StrEnum):
    """How messages and results go between an Odoo database and us."""

    PULL = "pull"
    """We ask a stock Odoo for what waits: for hosts that Odoo cannot reach."""
    PUSH = "push"
    """A stock Odoo sends to our endpoint, as it does to its own provider."""
    GATEWAY = "gateway"
    """An Odoo with the module `sms_gateway` takes us for a phone."""


class OdooSettings(Section):
    """One Odoo database."""

    mode: OdooMode = OdooMode.PULL
    url: str
    """Like https://odoo.example.com."""
    database: str = ""
    user: str = ""
    """Whose rights all calls have; in mode `gateway` none is needed to send."""
    password_file: Path | None = None
    """A file with the user's API key or password; SMSRACK_ODOO_PASSWORD_NAME wins, with the name in capitals."""
    account_token_file: Path | None = None
    """Mode `push`: a file with the token by which Odoo says who it is."""
    pairing_file: Path | None = None
    """Mode `gateway`: a file with what the module's pairing codes hold, one JSON object a line, each a phone."""
    poll_s: Annotated[float, Field(ge=1)] = 10.0
    """Seconds between two rounds."""
    call_limit_s: Annotated[float, Field(ge=1, le=120)] = 30.0
    """Longest time that one call may take."""
    brand: str | None = None
    """In whose name its messages are sent, where people can opt out of one name and not of another."""
    message_class: Literal["transactional", "marketing"] = "transactional"
    """Of what does not come from a mailing; what does is marketing."""
    adopt_errors_h: Annotated[float, Field(gt=0, le=720)] | None = None
    """Mode `pull`: SMS of the last so many hours that Odoo could not hand to a provider go from here too."""
    contacts: bool = False
    """Copy contacts that have a number, and orders, for choosing recipients."""

    def password(self, name: str) -> str:
        """Read the secret of the connection with this name. Raises ConfigError."""
        from_environment = os.environ.get(f"{ODOO_PASSWORD_VARIABLE}_{name.upper()}")
        return from_environment or _secret(self.password_file, f"odoo.{name}.password_file")

    def account_token(self, name: str) -> str:
        """Read the token of the connection with this name. Raises ConfigError."""
        setting = f"odoo.{name}.account_token_file"
        token = _secret(self.account_token_file, setting)
        if len(token) < _SHORTEST_TOKEN:
            raise ConfigError(f"{setting} holds fewer than {_SHORTEST_TOKEN} characters: that can be guessed")
        return token


def odoo_admin_password() -> str:
    """Give the password of an administrator of Odoo, for one command; empty where it is not set. It is kept nowhere."""
    return os.environ.get(ODOO_ADMIN_PASSWORD_VARIABLE, "")


def _secret(file: Path | None, setting: str) -> str:
    if file is None:
        raise ConfigError(f"a secret for Odoo is missing; set {setting}")
    try:
        return file.expanduser().read_text("utf-8").strip()
    except FileNotFoundError as error:
        name = setting.split(".")[1]
        raise ConfigError(
            f"{setting} {file} is not there; `smsrack odoo setup {name}` with --admin LOGIN makes it; or write it"
        ) from error
    except OSError as error:
        raise ConfigError(f"cannot read {setting} {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{setting} {file} holds no text") from error


class Settings(Section):
    """All settings, checked."""

    data_dir: Path = Path("~/.local/share/smsrack")
    database: str | None = None
    """URL of a PostgreSQL database; without one, SQLite in the data directory."""
    time_zone: ZoneName = "Europe/Prague"
    """Whose midnight starts a new day for the limits of a SIM that has no zone of its own."""
    timings_scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Shortens every wait, for simulated phones only: a real phone is refused unless this is 1."""
    web: WebSettings = WebSettings()
    gateway: GatewaySettings = GatewaySettings()
    adb: AdbSettings = AdbSettings()
    messages: MessageSettings = MessageSettings()
    inbox: InboxSettings = InboxSettings()
    phones: PhoneSettings = PhoneSettings()
    new_sims: NewSimSettings = NewSimSettings()
    reserve: ReserveSettings = ReserveSettings()
    quiet_hours: QuietHoursSettings = QuietHoursSettings()
    repeats: RepeatSettings = RepeatSettings()
    prefix_caps: dict[Prefix, PrefixSettings] = Field(default_factory=dict)
    """Caps by the beginning of the number; a message counts for the longest that fits."""
    spend: SpendSettings = SpendSettings()
    sticky: StickySettings = StickySettings()
    ramp_up: RampUpSettings = RampUpSettings()
    odoo: dict[OdooName, OdooSettings] = Field(default_factory=dict)
    """Odoo databases by names of yours, like [odoo.shop]."""

    @model_validator(mode="after")
    def _check_push(self) -> Settings:
        push = [name for name, odoo in self.odoo.items() if odoo.mode is OdooMode.PUSH]
        if push and self.gateway.port is None:
            raise ValueError(f"odoo.{push[0]}.mode push needs gateway.port, at which Odoo can send to us")
        return self

    @property
    def failpoint(self) -> str | None:
        """Where a test wants this process to die; never with full waits, without which no real phone is driven."""
        return os.environ.get(FAILPOINT_VARIABLE) if self.timings_scale < 1 else None

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the daily limits."""
        return ZoneInfo(self.time_zone)


def load_settings(path: Path | None, overrides: dict[str, Any] | None = None) -> Settings:
    """Read the file, if any, and lay `overrides` (the command line's) over it. Raises ConfigError."""
    values = _read_toml(path) if path else {}
    adb_binary = os.environ.get(ADB_VARIABLE)
    if adb_binary:
        values = _merged(values, {"adb": {"binary": adb_binary}})
    values = _merged(values, overrides or {})
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(e["loc"], e["type"], e["msg"]) for e in error.errors())) from error
    return settings.model_copy(update={"data_dir": settings.data_dir.expanduser().absolute()})


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the settings file {path} is not valid TOML: {error}") from error


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        inner = result.get(key)
        result[key] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result


def _explain(location: tuple[int | str, ...], kind: str, message: str) -> str:
    name = ".".join(str(step) for step in location).removesuffix(".[key]")
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(name, setting_names(), n=1, cutoff=0.0)
        return f"there is no setting {name!r}; did you mean {near[0]!r}?"
    if kind == "missing":
        return f"setting {name!r} is missing"
    words = message.removeprefix("Value error, ")
    return f"setting {name!r} {words}" if name else words


def setting_names() -> list[str]:
    """Every setting by its dotted name."""
    names = []
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            names += [f"{name}.{inner}" for inner in section.model_fields]
        elif name == "odoo":
            names += [f"odoo.NAME.{inner}" for inner in OdooSettings.model_fields]
        else:
            names.append(name)
    return names
