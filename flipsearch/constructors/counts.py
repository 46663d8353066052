"""Read and write the additions of composed programs, a line a scheme: its hash and the number.

A catalogue lists them without composing anything; the programs themselves are composed when they
are fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from flipsearch.errors import FormatError

_LINE = re.compile(r"([0-9a-f]{64}),([0-9]{1,9})")
_HEAD = "hash,additions"


def read_composed(text: str) -> Iterator[tuple[str, int]]:
    """Yield (hash, additions); raises `FormatError`, which names the line, if it is no table."""
    head, *lines = text.splitlines() or [""]
    if head != _HEAD:
        raise FormatError(f"line 1: a table of composed programs begins with {_HEAD}")
    for number, line in enumerate(lines, 2):
        match = _LINE.fullmatch(line)
        if match is None:
            raise FormatError(f"line {number}: not a hash and a number of additions")
        yield match[1], int(match[2])


def written_composed(counts: Mapping[str, int]) -> str:
    """Return the table that `read_composed` reads."""
    return "\n".join([_HEAD, *(f"{name},{count}" for name, count in counts.items())]) + "\n"
