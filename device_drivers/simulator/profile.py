"""How one Android version, or one vendor's tree of it, differs from another, as far as a rack can see. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from device_drivers.simulator import methods

MESSAGES_APP = "com.google.android.apps.messaging"


@dataclass(frozen=True)
class Profile:
    """One kind of phone. What follows from the API level alone is a property."""

    name: str
    api_level: int
    release: str
    isms_methods: tuple[str, ...]
    shell_reads_sms: bool = True
    """Whether the manifest of com.android.shell asks for READ_SMS (AOSP: from Android 10 on)."""
    provider_refuses_hex: bool = False
    """A vendor's provider that lets plain columns through only."""
    rewrites_body: bool = False
    """A vendor's framework that stores a body with its blanks trimmed."""

    tools_read_stdin: bool = False
    """A vendor's `content` and `am` that read their standard input to its end."""

    @property
    def model(self) -> str:
        """Marketing name."""
        return f"Sim {self.name}"

    @property
    def has_shell_v2(self) -> bool:
        """Exit codes and a stderr of its own (Android 7 on); before that, `shell:` is a terminal."""
        return self.api_level >= 24

    @property
    def has_cmd(self) -> bool:
        """The tool `cmd` (Android 7 on)."""
        return self.api_level >= 24

    @property
    def date_has_milliseconds(self) -> bool:
        """Whether `date` knows %N."""
        return self.api_level >= 26

    @property
    def subscription_is_long(self) -> bool:
        """Android 5.0 took a subscription id of 64 bits."""
        return self.api_level == 21

    @property
    def service_knows_i64(self) -> bool:
        """The word `i64` of `service` (Android 6 on)."""
        return self.api_level >= 23

    @property
    def has_persist_flag(self) -> bool:
        """Sending methods end with whether a row is wanted (Android 6 on)."""
        return self.api_level >= 23

    @property
    def has_attribution_tag(self) -> bool:
        """Sending methods take it after the package, and a message id at the end (Android 11 on)."""
        return self.api_level >= 30

    @property
    def exception_has_trace_header(self) -> bool:
        """An int after the words of an exception (Android 9 on)."""
        return self.api_level >= 28

    @property
    def refuses_surplus_arguments(self) -> bool:
        """Generated stubs check that the whole parcel was read (Android 13 on)."""
        return self.api_level >= 33

    @property
    def parcel_has_tab(self) -> bool:
        """`service` prints a tab after `Parcel(` and does not indent (Android 14 on)."""
        return self.api_level >= 34

    @property
    def writes_outbox_first(self) -> bool:
        """Android 5.0 inserts the row before it sends."""
        return self.api_level == 21

    @property
    def guard_counts_whole_messages(self) -> bool:
        """SmsUsageMonitor is asked once for all parts (Android 11 on), before that once for each."""
        return self.api_level >= 30

    @property
    def provider_refuses_select(self) -> bool:
        """SmsProvider rejects the word SELECT from restricted callers (Android 11 on)."""
        return self.api_level >= 30

    @property
    def framework_jar_has_dex(self) -> bool:
        """User builds keep the framework's dex in its jar (Android 10 on), before that in an oat file."""
        return self.api_level >= 29


_RELEASES = {
    **{21: "5.0.1", 22: "5.1.1", 23: "6.0.1", 24: "7.0", 25: "7.1.2", 26: "8.0.0", 27: "8.1.0", 28: "9", 29: "10"},
    **{30: "11", 31: "12", 32: "12", 33: "13", 34: "14", 35: "15", 36: "16"},
}
_AOSP = {
    21: methods.ANDROID_5_0,
    22: methods.ANDROID_5_1,
    **dict.fromkeys(range(23, 26), methods.ANDROID_6),
    **dict.fromkeys((26, 27), methods.ANDROID_8),
    28: methods.ANDROID_9,
    29: methods.ANDROID_10,
    **dict.fromkeys(range(30, 34), methods.ANDROID_11),
    34: methods.ANDROID_14,
    **dict.fromkeys((35, 36), methods.ANDROID_15),
}


def _aosp(api_level: int) -> Profile:
    reads = api_level >= 29
    return Profile(str(api_level), api_level, _RELEASES[api_level], _AOSP[api_level], shell_reads_sms=reads)


def _variant(api_level: int, suffix: str, **changes: object) -> Profile:
    return replace(_aosp(api_level), name=f"{api_level}-{suffix}", **changes)  # type: ignore[arg-type]


_ALL = [
    *map(_aosp, _AOSP),
    *(_variant(level, "caf", isms_methods=methods.CAF_6) for level in (23, 24, 25)),
    *(_variant(level, "caf", isms_methods=methods.CAF_8) for level in (26, 27)),
    _variant(22, "shifted", isms_methods=methods.ANDROID_5_1_SHIFTED),
    _variant(34, "shifted", isms_methods=methods.ANDROID_14_SHIFTED),
    _variant(23, "stdin", tools_read_stdin=True),
    _variant(28, "stdin", tools_read_stdin=True),
    _variant(31, "noread", shell_reads_sms=False),
    _variant(33, "nohex", provider_refuses_hex=True),
    _variant(30, "rewrites", rewrites_body=True),
]
PROFILES = {profile.name: profile for profile in _ALL}
