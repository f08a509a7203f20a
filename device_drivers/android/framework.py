"""What a phone's own framework says about `ISms`: codes and parameters out of its `framework.jar`, once per build.

The jar is readable by everybody on a phone. On user builds it holds the dex from Android 10 on; before that the code
lies in an oat file, and there is nothing to read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import threading
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from device_drivers.android.dex import DexFile, DexFormatError

_log = logging.getLogger(__name__)
FRAMEWORK_JAR = "/system/framework/framework.jar"
FIRST_API_LEVEL = 29
# The largest seen are about 60 MB; each dex in it is 10 MB.
MAX_JAR_BYTES = 256 * 1024 * 1024
_MAX_DEX_BYTES = 64 * 1024 * 1024
_MAX_DEX_FILES = 32
_INTERFACE, _STUB = "com.android.internal.telephony.ISms", "com.android.internal.telephony.ISms$Stub"
_STUB_DESCRIPTOR = b"Lcom/android/internal/telephony/ISms$Stub;\0"
_PREFIX = "TRANSACTION_"


class FrameworkFormatError(ValueError):
    """The jar cannot be read, or `ISms` is not in it."""


@dataclass(frozen=True)
class SmsInterface:
    """`ISms` of one build."""

    codes: dict[str, int]
    """Method -> transaction code."""
    parameters: dict[str, tuple[str, ...]]
    """Method -> Java types of its parameters."""


def read_sms_interface(jar: BinaryIO) -> SmsInterface:
    """Read `ISms` out of a framework.jar. Raises FrameworkFormatError."""
    codes: dict[str, int] = {}
    parameters: dict[str, tuple[str, ...]] = {}
    try:
        with zipfile.ZipFile(jar) as archive:
            names = [name for name in archive.namelist() if name.startswith("classes") and name.endswith(".dex")]
            for name in names[:_MAX_DEX_FILES]:
                with archive.open(name) as entry:
                    data = entry.read(_MAX_DEX_BYTES + 1)
                if len(data) > _MAX_DEX_BYTES:
                    raise FrameworkFormatError(f"{name} is larger than any real one")
                if _STUB_DESCRIPTOR not in data:
                    continue
                dex = DexFile(data)
                constants = dex.constants(_STUB) or {}
                codes = {n.removeprefix(_PREFIX): code for n, code in constants.items() if n.startswith(_PREFIX)}
                parameters = dex.methods(_INTERFACE) or {}
                break  # the first dex that defines a class is the one that Android takes
    except (zipfile.BadZipFile, zlib.error, DexFormatError, EOFError, NotImplementedError, RuntimeError) as error:
        raise FrameworkFormatError(f"the phone's framework.jar cannot be read: {error}") from error
    if not codes or not parameters:
        raise FrameworkFormatError("the phone's framework.jar does not hold ISms with its codes")
    return SmsInterface(codes, parameters)


class FrameworkCache:
    """What was read from each build, in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._locks_lock = threading.Lock()

    def get(self, build_fingerprint: str, pull: Callable[[BinaryIO], None]) -> SmsInterface | None:
        """Give the interface of a build, or None where its jar holds none; `pull` writes the phone's jar to a file.

        What `pull` raises goes through, and nothing is remembered then. A rack of equal phones pulls one jar: the
        others wait for it.
        """
        path = self._directory / f"{hashlib.sha256(build_fingerprint.encode()).hexdigest()[:32]}.json"
        with self._locks_lock:
            lock = self._locks[path.name]
        with lock:
            return self._get(path, build_fingerprint, pull)

    def _get(self, path: Path, build_fingerprint: str, pull: Callable[[BinaryIO], None]) -> SmsInterface | None:
        known = self._read(path)
        if known is not None:
            return known[0]
        with tempfile.TemporaryFile() as jar:
            pull(jar)
            jar.seek(0)
            try:
                found: SmsInterface | None = read_sms_interface(jar)
            except FrameworkFormatError as error:
                _log.info("build %s: %s", build_fingerprint, error)
                found = None
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(found) if found else None), encoding="utf-8")
        part.replace(path)
        return found

    @staticmethod
    def _read(path: Path) -> tuple[SmsInterface | None] | None:
        try:
            values = json.loads(path.read_text("utf-8"))
            if values is None:
                return (None,)
            return (SmsInterface(values["codes"], {k: tuple(v) for k, v in values["parameters"].items()}),)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            _log.warning("%s is damaged; the phone's framework is read anew", path)
            return None
