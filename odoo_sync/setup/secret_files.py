"""Files with one secret, for their owner only. One that is there is never written over."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from host_controller.errors import ConfigError

_PRIVATE = 0o600
_BYTES = 24


@dataclass(frozen=True)
class SecretFile:
    """A file to be made."""

    path: Path
    setting: str
    """Which setting names it."""
    secret: str = field(repr=False)
    words: str

    def check(self) -> None:
        """See that the file could be made. Raises ConfigError."""
        directory = self.path.parent
        if not directory.is_dir():
            raise ConfigError(f"{self.setting} {self.path}: there is no directory {directory}; make it")
        if not os.access(directory, os.W_OK | os.X_OK):
            raise ConfigError(
                f"{self.setting} {self.path}: this user may not write into {directory}; name another file, or let it"
            )

    def write(self) -> None:
        """Make the file. Raises ConfigError where it is there, or cannot be made."""
        try:
            with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "w") as out:
                out.write(f"{self.secret}\n")
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise ConfigError(f"cannot make {self.setting} {self.path}: {error.strerror}") from error


def new_secret() -> str:
    """Make up a secret of 32 characters that nobody can guess."""
    return secrets.token_urlsafe(_BYTES)
