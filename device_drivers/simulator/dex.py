"""A framework.jar of a simulated phone: a small dex with the interface `ISms`, written by hand.

It has the sections of a real one that matter here: strings, types, protos, fields, methods, and two classes, the
interface and its stub with the `TRANSACTION_` constants. Format: Dalvik's "dex format" document, version 035.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Sequence

from device_drivers.simulator.profile import Profile

_ISMS = "com/android/internal/telephony/ISms"
_STRING, _LIST, _INTENT = "Ljava/lang/String;", "Ljava/util/List;", "Landroid/app/PendingIntent;"
_OBJECT, _INT, _VOID = "Ljava/lang/Object;", "I", "V"
_ACC_INTERFACE, _ACC_STATIC_FINAL, _ACC_ABSTRACT = 0x601, 0x18, 0x401
_NO_INDEX = 0xFFFFFFFF
_HEADER_BYTES = 0x70
_ENDIAN = 0x12345678


def framework_jar(profile: Profile) -> bytes:
    """The jar as it lies on the phone; without a dex where user builds keep it in an oat file."""
    jar = io.BytesIO()
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
        if profile.framework_jar_has_dex:
            archive.writestr("classes.dex", dex_of([("getUnrelated", [])], "android/app/IUnrelated"))
            archive.writestr(
                "classes2.dex", dex_of([(name, _parameters(name, profile)) for name in profile.isms_methods])
            )
    return jar.getvalue()


def _parameters(name: str, profile: Profile) -> list[str]:
    """Parameter types of the methods that a sender needs; the others get a subscription id."""
    sub = ["J" if profile.subscription_is_long else "I"] if name.endswith("ForSubscriber") else []
    if not (name.startswith("sendText") or name.startswith("sendMultipartText")) or name.endswith("Options"):
        return sub or ["I"]
    multipart = name.startswith("sendMultipart")
    head = [*sub, _STRING, *([_STRING] if profile.has_attribution_tag else []), _STRING, _STRING]
    body = [_LIST] * 3 if multipart else [_STRING, _INTENT, _INTENT]
    tail = (["Z"] if profile.has_persist_flag else []) + (["J"] if profile.has_attribution_tag else [])
    return head + body + tail


def dex_of(methods: Sequence[tuple[str, list[str]]], interface: str = _ISMS) -> bytes:
    """A dex whose interface has these methods, with transaction codes by their order, from 1."""
    return _Dex(methods, interface).encode()


class _Dex:
    def __init__(self, methods: Sequence[tuple[str, list[str]]], interface: str) -> None:
        self._methods = methods
        self._interface, self._stub = f"L{interface};", f"L{interface}$Stub;"
        constants = [f"TRANSACTION_{name}" for name, _ in methods]
        types = {self._interface, self._stub, _OBJECT, _INT, _VOID, *(kind for _, kinds in methods for kind in kinds)}
        shorties = {"V" + "".join(kind if len(kind) == 1 else "L" for kind in kinds) for _, kinds in methods}
        strings = types | shorties | set(constants) | {name for name, _ in methods}
        self._strings = sorted(strings, key=lambda text: text.encode("utf-16-be"))
        self._types = sorted(types, key=self._strings.index)
        protos = {tuple(self._types.index(kind) for kind in kinds) for _, kinds in methods}
        self._protos = sorted(protos)
        # Fields and methods are ordered by class, then name, then type.
        self._fields = sorted(constants, key=self._strings.index)
        self._order = sorted(range(len(methods)), key=lambda n: self._strings.index(methods[n][0]))

    def encode(self) -> bytes:
        counts = [len(self._strings), len(self._types), len(self._protos), len(self._fields), len(self._order), 2]
        sizes = [4, 4, 12, 8, 8, 32]
        starts = [_HEADER_BYTES]
        for count, size in zip(counts, sizes, strict=True):
            starts.append(starts[-1] + count * size)
        data_start = starts[-1]
        data = bytearray()
        ids = self._string_ids(data, data_start) + b"".join(
            struct.pack("<I", self._strings.index(kind)) for kind in self._types
        )
        ids += self._proto_ids(data, data_start) + self._field_ids() + self._method_ids()
        ids += self._classes(data, data_start)
        return self._with_header(counts, starts, ids, data)

    def _string_ids(self, data: bytearray, start: int) -> bytes:
        ids = b""
        for text in self._strings:
            ids += struct.pack("<I", start + len(data))
            data += _uleb(len(text)) + text.encode() + b"\0"
        return ids

    def _proto_ids(self, data: bytearray, start: int) -> bytes:
        ids = b""
        void = self._types.index(_VOID)
        for kinds in self._protos:
            shorty = "V" + "".join(t if len(t := self._types[k]) == 1 else "L" for k in kinds)
            offset = 0
            if kinds:
                data += bytes(-(start + len(data)) % 4)
                offset = start + len(data)
                data += struct.pack("<I", len(kinds)) + b"".join(struct.pack("<H", kind) for kind in kinds)
            ids += struct.pack("<III", self._strings.index(shorty), void, offset)
        return ids

    def _field_ids(self) -> bytes:
        stub, integer = self._types.index(self._stub), self._types.index(_INT)
        return b"".join(struct.pack("<HHI", stub, integer, self._strings.index(name)) for name in self._fields)

    def _method_ids(self) -> bytes:
        interface = self._types.index(self._interface)
        ids = b""
        for number in self._order:
            name, kinds = self._methods[number]
            proto = self._protos.index(tuple(self._types.index(kind) for kind in kinds))
            ids += struct.pack("<HHI", interface, proto, self._strings.index(name))
        return ids

    def _classes(self, data: bytearray, start: int) -> bytes:
        interface_data = start + len(data)
        data += b"\0\0\0" + _uleb(len(self._order))
        for position in range(len(self._order)):
            data += _uleb(0 if position == 0 else 1) + _uleb(_ACC_ABSTRACT) + _uleb(0)
        stub_data = start + len(data)
        data += _uleb(len(self._fields)) + b"\0\0\0"
        for position in range(len(self._fields)):
            data += _uleb(0 if position == 0 else 1) + _uleb(_ACC_STATIC_FINAL)
        values = start + len(data)
        codes = {f"TRANSACTION_{name}": n for n, (name, _) in enumerate(self._methods, 1)}
        data += _uleb(len(self._fields))
        for name in self._fields:
            data += b"\x04" + bytes([codes[name]])  # VALUE_INT in one byte; no code reaches 128
        parent = self._types.index(_OBJECT)
        rows = (
            (self._types.index(self._interface), _ACC_INTERFACE, interface_data, 0),
            (self._types.index(self._stub), 0x401, stub_data, values),
        )
        return b"".join(
            struct.pack("<8I", kind, flags, parent, 0, _NO_INDEX, 0, members, values_at)
            for kind, flags, members, values_at in rows
        )

    @staticmethod
    def _with_header(counts: list[int], starts: list[int], ids: bytes, data: bytearray) -> bytes:
        data_start = starts[-1]
        data += bytes(-(data_start + len(data)) % 4)
        map_offset = data_start + len(data)
        data += struct.pack("<I", 0)  # an empty map: only verifiers read it
        total = data_start + len(data)
        fields = [total, _HEADER_BYTES, _ENDIAN, 0, 0, map_offset]
        for count, start in zip(counts, starts[:-1], strict=True):
            fields += [count, start if count else 0]
        fields += [len(data), data_start]
        body = struct.pack(f"<{len(fields)}I", *fields) + ids + data
        signed = hashlib.sha1(body, usedforsecurity=False).digest() + body
        return b"dex\n035\0" + struct.pack("<I", zlib.adler32(signed)) + signed


def _uleb(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])
