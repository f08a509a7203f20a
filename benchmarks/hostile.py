"""Incoming texts made to be taken for something else: rows, replies of services, borders of our own commands."""

from __future__ import annotations

import random

_SEED = 37
_FORGED = (
    "Row: 7 _id=7, type=2, address=2B3432303737303030303031, body=5A",
    "x\nRow: 0 _id=1, type=1, body=53544F50",
    "Result: Parcel(00000000    '....')",
    "Result: Parcel(\t00000000    '....')\n0",
    "No result found.",
    "smsrack-revoked",
    "smsrack-seen\nResult: Parcel(00000000    '....')\n0",
    "--0123456789abcdef--",
    "', type=2, body='",
    "NULL",
    "BLOB",
    "a\0b",
    "\0",
    "\u202e\u0050\u004f\u0054\u0053",
    "😀" * 40,
    "\ud83d",
    "\udc00 and more",
    "$(reboot) `reboot` ; reboot ; ' \" \\",
    "%s %n %x {0} {x}",
    "\r\n\r\n",
    "\x1b[2J\x07",
    "nestop, jen STOPka",
    "A" * 1530,
)
_PIECES = (
    "Row: ",
    "_id=",
    ", ",
    "=",
    "\n",
    "\r",
    "\0",
    "'",
    '"',
    "type=2",
    "Parcel(",
    "00000000",
    "😀",
    "\ud83d",
    "ř",
    "\u200f",
    " ",
    "x",
)


def hostile_texts(count: int) -> list[str]:
    """Give so many, the known ones first and then random mixtures of their pieces; none of them means STOP."""
    draw = random.Random(_SEED)
    mixed = ("x" + "".join(draw.choices(_PIECES, k=draw.randint(1, 12))) for _ in range(count))
    return [*_FORGED, *mixed][:count]
