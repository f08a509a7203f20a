"""A migration that is killed at any of its statements: the next start finishes it, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys

# One warm parent: it forks a child for each statement, which dies before that one.
_SCRIPT = """
import os, shutil, signal, sys
from pathlib import Path
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, event, Engine, text
from host_controller.store.models import Base
from host_controller.store.store import Store

home = Path(sys.argv[1])
old = home / "old.db"
config = Config()
config.set_main_option("script_location", "host_controller.store:migrations")
config.set_main_option("path_separator", "os")
with create_engine(f"sqlite:///{old}").begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
    connection.execute(text(
        "INSERT INTO message (uid, msisdn, text, part_count, state, created_at, changed_at)"
        " VALUES (1, '+420777123456', 'Ahoj', 1, 'queued', '2026-11-01', '2026-11-01')"))

def die_before(number):
    seen = [0]
    @event.listens_for(Engine, "before_cursor_execute")
    def count(*_):
        seen[0] += 1
        if seen[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)

kills = 0
while True:
    database = home / "smsrack.db"
    for path in home.glob("smsrack.db*"):
        path.unlink()
    shutil.copy(old, database)
    child = os.fork()
    if child == 0:
        die_before(kills + 1)
        Store(database).close()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    store = Store(database)
    store.close()
    with create_engine(f"sqlite:///{database}").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        assert connection.execute(text("SELECT text FROM message")).all() == [("Ahoj",)]
    if not os.WIFSIGNALED(status):
        break
    kills += 1
print(kills)
"""


def test_a_migration_that_is_killed_is_finished_at_the_next_start(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(tmp_path)], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30
