"""A migration that is killed at any of its statements: the next start finishes it, and nothing is lost."""

from __future__ import annotations

import os
import random
import subprocess
import sys

# Of the statements of all migrations; in `make soak` every one.
KILLS = int(os.environ.get("SMSRACK_TEST_MIGRATION_KILLS", "40"))

# One warm parent: it forks a child for each statement, which dies before that one.
_SCRIPT = """
import os, random, shutil, signal, sys
from pathlib import Path
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, event, Engine, text
from host_controller.store.models import Base
from host_controller.store.store import Store

home, most, chance = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
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
    # Without a number the statements are only counted.
    seen = [0]
    @event.listens_for(Engine, "before_cursor_execute")
    def count(*_):
        seen[0] += 1
        if seen[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
    return seen

database = home / "smsrack.db"

def migrate(number):
    for path in home.glob("smsrack.db*"):
        path.unlink()
    shutil.copy(old, database)
    seen = die_before(number)
    Store(database).close()
    return seen[0]

def in_child(work):
    child = os.fork()
    if child == 0:
        (home / "count").write_text(str(work()))
        os._exit(0)
    return os.waitpid(child, 0)[1]

in_child(lambda: migrate(None))
numbers = range(1, int((home / "count").read_text()) + 1)
numbers = sorted(chance.sample(numbers, min(most, len(numbers))))
for number in numbers:
    assert os.WIFSIGNALED(in_child(lambda: migrate(number))), number
    store = Store(database)
    store.close()
    with create_engine(f"sqlite:///{database}").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        assert connection.execute(text("SELECT text FROM message")).all() == [("Ahoj",)]
print(len(numbers))
"""


def test_a_migration_that_is_killed_is_finished_at_the_next_start(tmp_path):
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(tmp_path), str(KILLS), str(seed)],
        capture_output=True,
        text=True,
        timeout=240 + KILLS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30
