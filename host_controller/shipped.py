"""Files that are shipped with smsrack and are not code: beside the source, or in the environment's `share/smsrack`."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from host_controller.errors import ConfigError


def shipped_file(name: str) -> Path:
    """Give the place of a file by its name in the project, like `examples/messages.csv`. Raises ConfigError."""
    for root in (Path(__file__).parents[1], Path(sysconfig.get_path("data")) / "share/smsrack"):
        if (root / name).exists():
            return root / name
    raise ConfigError(f"{name} is not installed; install smsrack again")
