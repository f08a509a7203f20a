"""The reader of a phone's framework: right codes and parameters from a dex, and an error from everything else.

The dex files are written by hand (device_drivers/simulator/dex.py), apart from the reader and without its code.
"""

from __future__ import annotations

import contextlib
import io
import struct
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.android import isms
from device_drivers.android.dex import DexFile, DexFormatError
from device_drivers.android.framework import FrameworkCache, FrameworkFormatError, read_sms_interface
from device_drivers.errors import ConnectionLostError
from device_drivers.simulator.dex import dex_of, framework_jar
from device_drivers.simulator.profile import PROFILES

WITH_DEX = [name for name, profile in PROFILES.items() if profile.framework_jar_has_dex]
STRING, INTENT = "Ljava/lang/String;", "Landroid/app/PendingIntent;"
TEXT = ["I", STRING, STRING, STRING, STRING, STRING, INTENT, INTENT, "Z", "J"]
MULTIPART = ["I", *[STRING] * 4, *["Ljava/util/List;"] * 3, "Z", "J"]
ORDINARY = [
    ("sendTextForSubscriber", TEXT),
    ("sendMultipartTextForSubscriber", MULTIPART),
    ("getImsSmsFormatForSubscriber", ["I"]),
]
DEX = dex_of(ORDINARY)


def jar(*dexes: bytes) -> io.BytesIO:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for n, dex in enumerate(dexes):
            archive.writestr("classes.dex" if n == 0 else f"classes{n + 1}.dex", dex)
    return data


@pytest.mark.parametrize("name", WITH_DEX)
def test_codes_are_the_order_of_the_interface(name):
    interface = read_sms_interface(io.BytesIO(framework_jar(PROFILES[name])))
    assert interface.codes == {method: code for code, method in enumerate(PROFILES[name].isms_methods, 1)}
    signatures = isms.from_framework(interface.codes, interface.parameters)
    methods = PROFILES[name].isms_methods
    assert methods[signatures.text_code - 1] == "sendTextForSubscriber"
    assert methods[signatures.multipart_code - 1] == "sendMultipartTextForSubscriber"
    table = isms.CANDIDATES[PROFILES[name].api_level][0]
    assert signatures.layout == table.layout
    assert (signatures.text_code == table.text_code) is ("shifted" not in name)


def test_parameters_are_javas():
    found = read_sms_interface(jar(dex_of([("unrelated", ["[[I", "F"])], "a/IOther"), DEX))
    assert found.parameters["sendTextForSubscriber"] == (
        "int", *["java.lang.String"] * 5, *["android.app.PendingIntent"] * 2, "boolean", "long",
    )  # fmt: skip
    assert found.codes["getImsSmsFormatForSubscriber"] == 3


@pytest.mark.parametrize(
    "methods",
    [
        ORDINARY[1:],
        ORDINARY[:2],
        [("sendTextForSubscriber", [*TEXT, "I"]), *ORDINARY[1:]],
        [("sendTextForSubscriber", ["J", *TEXT[1:]]), *ORDINARY[1:]],
        [("sendTextForSubscriber", ["I", "[B", *TEXT[2:]]), *ORDINARY[1:]],
        [ORDINARY[0], ("sendMultipartTextForSubscriber", MULTIPART[:-1]), ORDINARY[2]],
    ],
    ids=["no text", "no probe", "one more", "long sub", "bytes", "unequal"],
)
def test_an_interface_that_takes_something_unknown_is_not_used(methods):
    found = read_sms_interface(jar(dex_of(methods)))
    assert isms.from_framework(found.codes, found.parameters) is None


@pytest.mark.parametrize(
    "data",
    [b"", b"PK", b"dex\n035\0", jar().getvalue(), jar(b"junk").getvalue(), jar(DEX).getvalue()[:-30],
     framework_jar(PROFILES["28"])],
    ids=["empty", "short", "a dex", "no dex", "junk", "cut", "an oat phone's"],
)  # fmt: skip
def test_what_is_no_framework_is_an_error(data):
    with pytest.raises(FrameworkFormatError):
        read_sms_interface(io.BytesIO(data))


def everything(data: bytes) -> None:
    """Read all that the driver reads; only the one error may come out."""
    with contextlib.suppress(DexFormatError):
        dex = DexFile(data)
        dex.constants("com.android.internal.telephony.ISms$Stub")
        dex.methods("com.android.internal.telephony.ISms")


def test_a_dex_that_is_cut_off_anywhere_is_an_error_or_read():
    for size in range(len(DEX)):
        everything(DEX[:size])
        everything(DEX[:size] + bytes(len(DEX) - size))


@given(
    st.lists(
        st.tuples(st.integers(0, len(DEX) - 4), st.sampled_from([0, 1, 0x7F, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF])),
        max_size=6,
    )
)
def test_a_hostile_dex_ends_in_an_error(changes):
    data = bytearray(DEX)
    for at, value in changes:
        struct.pack_into("<I", data, at, value)
    everything(bytes(data))


@given(st.binary(max_size=400))
def test_random_bytes_behind_a_good_header_end_in_an_error(tail):
    everything(DEX[:0x70] + tail + bytes(max(0, len(DEX) - 0x70 - len(tail))))


def test_each_build_is_pulled_once(tmp_path):
    pulls = []

    def pull(target):
        pulls.append(1)
        target.write(jar(DEX).getvalue())

    for _ in range(2):
        assert FrameworkCache(tmp_path / "f").get("maker/build:14", pull).codes["sendTextForSubscriber"] == 1
    assert len(pulls) == 1
    FrameworkCache(tmp_path / "f").get("maker/build:15", pull)
    assert len(pulls) == 2
    for path in (tmp_path / "f").iterdir():
        path.write_text("{damaged")
    assert FrameworkCache(tmp_path / "f").get("maker/build:14", pull) is not None
    assert len(pulls) == 3


def test_a_rack_of_equal_phones_pulls_once(tmp_path):
    cache, pulls, begun = FrameworkCache(tmp_path), [], threading.Barrier(8)

    def pull(target):
        pulls.append(1)
        target.write(jar(DEX).getvalue())

    def enrol(_):
        begun.wait(10)
        return cache.get("maker/build:14", pull).codes["sendTextForSubscriber"]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(enrol, range(8))) == [1] * 8
    assert len(pulls) == 1


def test_a_jar_without_the_interface_is_remembered_too(tmp_path):
    cache = FrameworkCache(tmp_path)
    assert cache.get("x", lambda target: target.write(jar(b"junk").getvalue())) is None
    assert cache.get("x", lambda _: pytest.fail("pulled again")) is None


def test_a_pull_that_breaks_is_not_remembered(tmp_path):
    def broken(_):
        raise ConnectionLostError("A1", "cut")

    with pytest.raises(ConnectionLostError):
        FrameworkCache(tmp_path).get("x", broken)
    assert list(tmp_path.iterdir()) == []
