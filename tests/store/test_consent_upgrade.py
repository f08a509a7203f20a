"""A database of before there were lifted opt-outs: they hold as they did, and what came in is not new again."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, select

from host_controller.consent.opt_outs import Origin, add_opt_out, opted_out
from host_controller.inbox.conversations import list_conversations, reply
from host_controller.store import inbound_queries
from host_controller.store.engines import open_postgresql, open_sqlite
from host_controller.store.models import OptOutRecord
from host_controller.store.store import Store

THEN = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
ANNA, PETR, EVA = "+420777123456", "+420603111222", "+420605333444"
_BY_TYPE = {"INT": 1, "BOOL": False, "TIME": THEN, "FLOAT": 1.0, "DOUBLE": 1.0, "JSON": {}}


def old_row(table, **values):
    """A row of a table as it was, with something in every column that needs it."""
    for column in table.columns:
        if not column.nullable and not column.primary_key and column.server_default is None:
            kind = str(column.type).upper()
            filler = next((value for name, value in _BY_TYPE.items() if name in kind), "x")
            values.setdefault(column.name, filler)
    return table.insert().values(**values)


@pytest.fixture(params=["sqlite", "postgresql"])
def upgraded(request, fresh_database):
    database = fresh_database(request.param, is_empty=True)
    engine = open_sqlite(database, 10) if isinstance(database, Path) else open_postgresql(database, 10)
    config = Config()
    config.set_main_option("script_location", "host_controller.store:migrations")
    config.set_main_option("path_separator", "os")
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        meta = MetaData()
        meta.reflect(connection)
        tables = meta.tables
        connection.execute(old_row(tables["phone"], id=1))
        for n, number in enumerate((ANNA, PETR), start=1):
            connection.execute(old_row(tables["inbound"], id=n, phone_id=1, row_id=n, sender=number, stop="certain"))
            connection.execute(old_row(tables["opt_out"], id=n, msisdn=number, source="inbound", inbound_id=n))
        connection.execute(old_row(tables["opt_out"], id=7, msisdn=EVA, source="operator"))
    engine.dispose()
    with closing(Store(database)) as opened:
        yield opened


def test_who_had_opted_out_still_has(upgraded):
    with upgraded.reading() as session:
        assert opted_out(session, [(number, None) for number in (ANNA, PETR, EVA)]) == {
            (ANNA, None), (PETR, None), (EVA, None),
        }  # fmt: skip
        views = inbound_queries.list_opt_outs(session)
    assert [(view.number, view.source, view.inbound_id, view.created_at) for view in views] == [
        (EVA, "operator", None, THEN),
        (PETR, "inbound", 2, THEN),
        (ANNA, "inbound", 1, THEN),
    ]
    assert upgraded.write(lambda session: add_opt_out(session, "+420731555666", Origin("operator", "x"), now=THEN))
    with upgraded.reading() as session:
        assert sorted(session.scalars(select(OptOutRecord.id))) == [1, 2, 7, 8]


def test_what_came_in_before_is_there_and_was_read(upgraded):
    with upgraded.reading() as session:
        found = list_conversations(session)
        assert [(one.peer, one.unread) for one in found] == [(PETR, 0), (ANNA, 0)]
        assert reply(session, ANNA, "x").number == ANNA
