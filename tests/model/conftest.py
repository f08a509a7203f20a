"""A database for the model, and an ear on the log."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from tests.model.bench import make_template
from tests.model.machine import NUMBERS, TEXTS, Promise


def without_fsync(connection, _record, _proxy):
    connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(autouse=True)
def _database(tmp_path_factory, monkeypatch):
    """No power cut of the host is modelled here: its disk need not be waited for."""
    event.listen(Pool, "checkout", without_fsync)
    monkeypatch.setattr(Promise, "directory", tmp_path_factory.mktemp("bench"))
    monkeypatch.setattr(Promise, "template", make_template(tmp_path_factory.mktemp("template")))
    yield
    event.remove(Pool, "checkout", without_fsync)


class _LogReader(logging.Handler):
    """I15: no line of the log names a number or a text. The lines themselves are dropped: there are too many."""

    def emit(self, record):
        line = record.getMessage()
        assert not any(secret in line for secret in (*NUMBERS, *TEXTS)), f"I15: the log says {line}"


@pytest.fixture(autouse=True)
def _log(monkeypatch):
    logger, reader = logging.getLogger("host_controller"), _LogReader(logging.INFO)
    logger.addHandler(reader)
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "level", logging.INFO)
    yield
    logger.removeHandler(reader)
