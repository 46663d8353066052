"""Cut collections, many schemes in one text file, into pieces while they are read.

A JSON collection is an array of objects, an object with such an array under ``schemes``, or one
object after the other (JSON lines). A numeric collection is a count, then four lines a scheme.

Invariant: the largest single element bounds the memory, not the file. Cutting needs only the
braces outside strings; a piece is parsed later.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from flipsearch.errors import FormatError
from flipsearch.files.limits import LARGEST_COLLECTION, LARGEST_PIECE

_CHUNK = 1 << 20
_STRUCTURE = re.compile(rb'["{}]')
_STRING_END = re.compile(rb'["\\]')
_WRAPPER = re.compile(
    rb'\s*\{\s*(?:"[\w -]{1,40}"\s*:\s*(?:"[^"\\]{0,500}"|[-\w.]{1,30})\s*,\s*)*'
    rb'"(?:schemes|results|collection)"\s*:\s*\['
)


def json_objects(file: io.BufferedReader) -> Iterator[bytes]:
    """Yield the text of each top-level object of a JSON file, or of its collection's array."""
    wrapper = _WRAPPER.match(file.peek(4096)[:4096])
    if wrapper:
        file.read(wrapper.end())
    buffer = bytearray()
    depth = position = 0
    start = -1
    in_string = False
    while True:
        while True:
            match = (_STRING_END if in_string else _STRUCTURE).search(buffer, position)
            if match is None:
                position = max(position, len(buffer))  # beyond it after a backslash at the end
                break
            position = match.end()
            sign = match[0]
            if in_string:
                if sign == b"\\":
                    position += 1
                else:
                    in_string = False
            elif sign == b'"':
                in_string = True
            elif sign == b"{":
                if depth == 0:
                    start = match.start()
                depth += 1
            else:
                depth -= 1
                if depth < 0:
                    if wrapper:
                        return
                    raise FormatError("its braces do not match")
                if depth == 0:
                    yield bytes(buffer[start:position])
                    start = -1
        cut = min(start if start >= 0 else position, len(buffer))
        del buffer[:cut]
        position -= cut
        start = 0 if start >= 0 else -1
        if len(buffer) > LARGEST_PIECE:
            raise FormatError(f"an element is larger than {LARGEST_PIECE >> 20} MiB")
        data = file.read(_CHUNK)
        if not data:
            break
        buffer += data
    if depth or in_string:
        raise FormatError("it ends within an object")


def numeric_groups(file: io.BufferedReader) -> Iterator[bytes]:
    """Yield four lines at a time of a numeric collection, the count left out."""
    lines = (line for line in iter(lambda: _line(file), b"") if line.strip())
    first = next(lines, b"0").strip()
    if not first.isdigit() or len(first) > 9:
        raise FormatError("the first line is no count of schemes")
    count = int(first)
    if count > LARGEST_COLLECTION:
        raise FormatError(
            f"it counts {count} schemes: the most in one file is {LARGEST_COLLECTION}"
        )
    for _ in range(count):
        group = [line for line in (next(lines, b"") for _ in range(4)) if line]
        if len(group) < 4:
            raise FormatError(f"it ends before the last of {count} schemes")
        yield b"".join(group)
    if next(lines, None) is not None:
        raise FormatError(f"something follows the {count} schemes it says it has")


def _line(file: io.BufferedReader) -> bytes:
    """Return the next line; empty at the end."""
    line = file.readline(LARGEST_PIECE + 1)
    if len(line) > LARGEST_PIECE:
        raise FormatError(f"a line is larger than {LARGEST_PIECE >> 20} MiB")
    return line
