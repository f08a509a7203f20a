"""Shell protocol v2 in numbers: one byte kind, four bytes length (little endian), payload."""

from __future__ import annotations

import struct

STDOUT, STDERR, EXIT, CLOSE_STDIN = 1, 2, 3, 4
HEADER = struct.Struct("<BI")
