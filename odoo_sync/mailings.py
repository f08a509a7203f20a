"""The batch that a mailing of an Odoo is here. Pure."""

from __future__ import annotations


def batch_of(connection: str, mailing_id: int) -> str:
    """Give the name of the batch; `connection` is ours for the Odoo."""
    return f"odoo {connection} mailing {mailing_id}"


def mailing_of(connection: str, batch: str) -> int | None:
    """Give the mailing that a batch is of; None for any other batch."""
    start = batch_of(connection, 0).removesuffix("0")
    number = batch.removeprefix(start)
    return int(number) if batch.startswith(start) and number.isascii() and number.isdigit() else None
