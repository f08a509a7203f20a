"""Reader of a dex file, as far as needed: one interface's methods with their parameters, one class's constants. Pure.

Format: Dalvik's "dex format" document, versions 035 to 040. The file comes from a phone: every offset and count is
checked against the file's size, so that a damaged or hostile one ends in `DexFormatError` and nothing else.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

_MAGIC = re.compile(rb"dex\n0(?:35|37|38|39|40)\0")
_HEADER_BYTES = 0x70
_LITTLE_ENDIAN = 0x12345678
_NONE = 0xFFFFFFFF
# Encoded values: the low five bits of the first byte are the type, the high three one less than the size.
_BYTE, _SHORT, _CHAR, _INT, _LONG = 0x00, 0x02, 0x03, 0x04, 0x06
_FLOAT, _DOUBLE, _NULL, _BOOLEAN = 0x10, 0x11, 0x1E, 0x1F
_SIZED = {_BYTE, _SHORT, _CHAR, _INT, _LONG, _FLOAT, _DOUBLE, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1B}
_PRIMITIVES = {
    **{"Z": "boolean", "B": "byte", "S": "short", "C": "char", "I": "int"},
    **{"J": "long", "F": "float", "D": "double", "V": "void"},
}


class DexFormatError(ValueError):
    """The bytes are not a dex file that this reader understands."""


@dataclass(frozen=True)
class _Section:
    count: int
    offset: int


class DexFile:
    """One dex file in memory."""

    def __init__(self, data: bytes) -> None:
        """Raise DexFormatError."""
        if len(data) < _HEADER_BYTES or not _MAGIC.match(data):
            raise DexFormatError("no dex header of a known version")
        self._data = data
        if self._u32(0x28) != _LITTLE_ENDIAN or self._u32(0x20) > len(data):
            raise DexFormatError("the dex file is cut off or of the other byte order")
        sections = [_Section(self._u32(at), self._u32(at + 4)) for at in range(0x38, 0x68, 8)]
        sizes = (4, 4, 12, 8, 8, 32)
        for section, size in zip(sections, sizes, strict=True):
            if section.offset + section.count * size > len(data):
                raise DexFormatError("a section reaches past the end of the dex file")
        self._strings, self._types, self._protos, self._fields, self._methods, self._classes = sections

    def constants(self, class_name: str) -> dict[str, int] | None:
        """Give the integer constants of a class (`a.b.C$D`) by name, or None where the class is not in this file."""
        found = self._class(class_name)
        if found is None:
            return None
        members, values_at = found
        if not members:
            return {}
        reader = _Reader(self._data, members)
        static_fields = reader.count()
        reader.skip_ulebs(3)
        indexes = reader.differences(static_fields, extra=1)
        values = self._values(values_at) if values_at else []
        names = [self._field_name(index) for index in indexes]
        return {name: value for name, value in zip(names, values, strict=False) if value is not None}

    def methods(self, class_name: str) -> dict[str, tuple[str, ...]] | None:
        """Give the virtual methods of a class by name with their Java parameter types, or None where it is not here.

        A name that stands for several methods is left out: which of them a constant means cannot be told.
        """
        found = self._class(class_name)
        if found is None:
            return None
        if not found[0]:
            return {}
        reader = _Reader(self._data, found[0])
        static_fields, instance_fields, direct = reader.count(), reader.count(), reader.count()
        virtual = reader.count()
        reader.differences(static_fields, extra=1)
        reader.differences(instance_fields, extra=1)
        reader.differences(direct, extra=2)
        result: dict[str, tuple[str, ...]] = {}
        repeated = set()
        for index in reader.differences(virtual, extra=2):
            name, parameters = self._method(index)
            if name in result:
                repeated.add(name)
            result[name] = parameters
        return {name: parameters for name, parameters in result.items() if name not in repeated}

    def _class(self, class_name: str) -> tuple[int, int] | None:
        """Give (offset of the members, offset of the static values) of a class, 0 for none."""
        descriptor = "L" + class_name.replace(".", "/") + ";"
        for number in range(self._classes.count):
            at = self._classes.offset + 32 * number
            if self._type(self._u32(at)) == descriptor:
                return self._u32(at + 24), self._u32(at + 28)
        return None

    def _values(self, at: int) -> list[int | None]:
        reader = _Reader(self._data, at)
        return [reader.value() for _ in range(reader.count())]

    def _field_name(self, index: int) -> str:
        return self._string(self._u32(self._entry(self._fields, index, 8) + 4))

    def _method(self, index: int) -> tuple[str, tuple[str, ...]]:
        at = self._entry(self._methods, index, 8)
        proto = self._entry(self._protos, self._u16(at + 2), 12)
        parameters_at = self._u32(proto + 8)
        types: list[str] = []
        if parameters_at:
            count = self._u32(parameters_at)
            if count > 255:
                raise DexFormatError("a method with more parameters than Java allows")
            types = [_java_name(self._type(self._u16(parameters_at + 4 + 2 * n))) for n in range(count)]
        return self._string(self._u32(at + 4)), tuple(types)

    def _type(self, index: int) -> str:
        return self._string(self._u32(self._entry(self._types, index, 4)))

    def _string(self, index: int) -> str:
        reader = _Reader(self._data, self._u32(self._entry(self._strings, index, 4)))
        reader.skip_ulebs(1)
        end = self._data.find(b"\0", reader.at)
        if end < 0:
            raise DexFormatError("a string without an end")
        return self._data[reader.at : end].decode("utf-8", "replace")

    @staticmethod
    def _entry(section: _Section, index: int, size: int) -> int:
        if index >= section.count:
            raise DexFormatError("an index past the end of its section")
        return section.offset + size * index

    def _u32(self, at: int) -> int:
        return int(self._unpack("<I", at, 4))

    def _u16(self, at: int) -> int:
        return int(self._unpack("<H", at, 2))

    def _unpack(self, form: str, at: int, size: int) -> int:
        if at + size > len(self._data):
            raise DexFormatError("an offset past the end of the dex file")
        value: int = struct.unpack_from(form, self._data, at)[0]
        return value


class _Reader:
    """Reads numbers of variable length, one after another."""

    def __init__(self, data: bytes, at: int) -> None:
        if not 0 <= at < len(data):
            raise DexFormatError("an offset past the end of the dex file")
        self._data = data
        self.at = at

    def uleb(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value & 0xFFFFFFFF
            if shift > 28:
                raise DexFormatError("a number of more than five bytes")

    def count(self) -> int:
        """A number of things that each take a byte at least."""
        value = self.uleb()
        if value > len(self._data) - self.at:
            raise DexFormatError("more entries than the file has bytes")
        return value

    def skip_ulebs(self, how_many: int) -> None:
        for _ in range(how_many):
            self.uleb()

    def differences(self, how_many: int, *, extra: int) -> list[int]:
        """Indexes, each written as the difference to the last one, with `extra` numbers after each."""
        indexes, index = [], 0
        for _ in range(how_many):
            index += self.uleb()
            indexes.append(index)
            self.skip_ulebs(extra)
        return indexes

    def value(self) -> int | None:
        """One encoded value; None for what is no integer."""
        first = self._byte()
        kind, size = first & 0x1F, (first >> 5) + 1
        if kind in (_NULL, _BOOLEAN):
            return None
        if kind not in _SIZED:
            raise DexFormatError("a constant of a kind that a static field cannot have here")
        raw = bytes(self._byte() for _ in range(size))
        if kind in (_BYTE, _SHORT, _INT, _LONG):
            return int.from_bytes(raw, "little", signed=True)
        return int.from_bytes(raw, "little") if kind == _CHAR else None

    def _byte(self) -> int:
        if self.at >= len(self._data):
            raise DexFormatError("the dex file is cut off")
        self.at += 1
        return self._data[self.at - 1]


def _java_name(descriptor: str) -> str:
    if descriptor.startswith("["):
        return _java_name(descriptor[1:]) + "[]" if descriptor.count("[") < 256 else descriptor
    if descriptor.startswith("L") and descriptor.endswith(";"):
        return descriptor[1:-1].replace("/", ".")
    return _PRIMITIVES.get(descriptor, descriptor)
