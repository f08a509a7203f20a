"""The revisions of the tables: which there are, and how a database gets to the newest one."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from sqlalchemy import Connection, inspect, text

from host_controller.errors import DataDirectoryError

_TABLE = "alembic_version"


def known_revisions() -> Sequence[str]:
    """Give the names of all, the oldest first: a migration's file begins with the revision that it makes."""
    names = (entry.name for entry in files("host_controller.store.migrations").joinpath("versions").iterdir())
    return sorted(name[:4] for name in names if name[:4].isdigit())


def migrate(connection: Connection) -> None:
    """Bring the tables to the newest revision. Raises DataDirectoryError where they are of a newer smsrack."""
    if _has(connection) == known_revisions()[-1]:
        return
    # Nearly every start finds nothing to migrate; to hear that from Alembic takes ten times as long as all else here.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "host_controller.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise DataDirectoryError("the database is of a newer smsrack; install that version") from error


def _has(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_TABLE):
        return None
    revision: str | None = connection.scalar(text(f"SELECT version_num FROM {_TABLE}"))  # noqa: S608 - our own name
    return revision
