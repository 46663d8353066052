"""Turn paths into pieces: the bytes of each scheme, out of files, folders, archives, collections.

Invariant: pieces come in a fixed order (names sorted), hold at most `LARGEST_PIECE` bytes each,
and are produced while reading. Memory stays flat for any size of the input. The content tells a
type; names only bring the three files of one scheme together. A path that cannot be opened becomes
a piece that carries its error.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flipsearch.errors import FormatError, NotFoundError
from flipsearch.files import linear, stream, unpack
from flipsearch.files.arrays import MAGIC, is_one_scheme
from flipsearch.files.fmm import load_json
from flipsearch.files.kinds import is_object, kind_of
from flipsearch.files.limits import (
    LARGEST_COLLECTION,
    LARGEST_NESTING,
    LARGEST_PIECE,
    LARGEST_PIECES,
)

_HEAD = 1 << 16
_KERNEL = (Path("/proc"), Path("/sys"), Path("/dev"))
_MOST_CELLS = 10_000
_CELL = re.compile(r"\bb_?[\[ ]?\d|[{\[]\s*[{\[]|^\s*-?\d", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Piece:
    """The bytes of one scheme (or of one small file), or the error that stands for them.

    `source` is the path, with ``!member`` for archives and ``#k`` for the k-th element of a
    collection.
    """

    source: str
    data: bytes
    error: str = ""


def pieces_of(*paths: str | Path) -> Iterator[Piece]:
    """Yield the pieces of files, folders and archives; nothing at a path is a `NotFoundError`."""
    done: set[Path] = set()  # sparse matrices and programs come in threes
    for path in paths:
        top = Path(path)
        if not top.exists():
            raise NotFoundError(f"there is no file or folder {str(path)!r}")
        for count, piece in enumerate(_pieces(top, done)):
            if count == LARGEST_PIECES:
                yield _refused(top, f"it holds more than {count:,} pieces: import parts of it")
                break
            yield piece


def _pieces(top: Path, done: set[Path]) -> Iterator[Piece]:
    """Yield the pieces of one path, however many."""
    if _is_of_the_system(top):
        yield _refused(top, "it belongs to the system and is no scheme file")
    elif top.is_dir():
        for inner in sorted(top.rglob("*")):
            hidden = any(part.startswith(".") for part in inner.relative_to(top).parts)
            if inner.is_file() and not hidden:
                yield from _file(inner, done)
    elif top.is_file():
        yield from _file(top, done)
    else:
        yield _refused(top, "it is no regular file")


def _refused(path: Path, reason: str) -> Piece:
    return Piece(printable(str(path)), b"", reason)


def size_of(path: str | Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    top = Path(path)
    if not top.is_dir() or _is_of_the_system(top):
        return top.stat().st_size if top.is_file() else 0
    return sum(inner.stat().st_size for inner in top.rglob("*") if inner.is_file())


def _is_of_the_system(path: Path) -> bool:
    return any(path.resolve().is_relative_to(folder) for folder in _KERNEL)


def _file(path: Path, done: set[Path]) -> Iterator[Piece]:
    label = printable(str(path))
    try:
        if part := linear.part_of(path.name):
            whole = path.with_name(part[0])
            siblings = {letter: path.with_name(part[0].replace("*", letter)) for letter in "LRP"}
            if all(sibling.is_file() for sibling in siblings.values()):
                if whole not in done:
                    done.add(whole)
                    parts = {letter: _small(sibling) for letter, sibling in siblings.items()}
                    yield Piece(printable(str(whole)), linear.joined(parts))
                return
        with path.open("rb", buffering=0) as file:
            yield from pieces_in(label, file)
    except FormatError as error:
        yield Piece(label, b"", str(error))
    except OSError as error:
        yield Piece(label, b"", error.strerror or str(error))


def _small(path: Path) -> bytes:
    with path.open("rb") as file:
        return _whole(file, LARGEST_PIECE // 3)


def printable(name: str) -> str:
    """Return a name fit to be shown and stored: any bytes may stand in a file's name."""
    return "".join(c if c.isprintable() else "?" for c in name)


def pieces_in(source: str, file: Any) -> Iterator[Piece]:
    """Yield the pieces of an open binary file; nothing but `OSError` is raised."""
    yield from _guarded(source, file, 0)


def _guarded(source: str, file: Any, nesting: int) -> Iterator[Piece]:
    """Yield the pieces of an open file; an error becomes the last piece."""
    try:
        yield from _contents(source, io.BufferedReader(file, _HEAD), nesting)
    except FormatError as error:
        yield Piece(source, b"", str(error))


def _contents(source: str, file: io.BufferedReader[Any], nesting: int) -> Iterator[Piece]:
    head = file.peek(_HEAD)
    packed = unpack.compression(head)
    if nesting >= LARGEST_NESTING and (packed or unpack.is_zip(head) or unpack.is_tar(head)):
        raise FormatError("archives nest too deeply")
    if packed:
        inner = io.BufferedReader(unpack.Inflated(file, packed), _HEAD)
        yield from _contents(source, inner, nesting + 1)
        return
    if unpack.is_zip(head):
        if not file.seekable():
            raise FormatError("a zip file inside a compressed file is not read: unpack it first")
        if is_one_scheme(unpack.zip_names(file)):
            file.seek(0)
            yield Piece(source, _whole(file, LARGEST_PIECE))
        else:
            yield from _members(source, unpack.zip_members(file), nesting)
        return
    if unpack.is_tar(head):
        yield from _members(source, unpack.tar_members(file), nesting)
        return
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    first_of = start[1:].lstrip() if start[:1] == b"[" else start
    first, *rest = start.split(b"\n", 1)
    if is_object(first_of[:2_000].decode("ascii", "replace") or " "):
        yield from _json(source, file)
    elif rest and first.strip().isdigit():
        for number, data in enumerate(stream.numeric_groups(file), 1):
            yield Piece(f"{source}#{number}", data)
    else:
        yield Piece(source, _whole(file, LARGEST_PIECE))


def _whole(file: io.BufferedReader, limit: int) -> bytes:
    data = file.read(limit + 1)
    if len(data) > limit:
        raise FormatError(f"it is larger than {limit >> 20} MiB")
    return data


def _json(source: str, file: io.BufferedReader) -> Iterator[Piece]:
    """Yield one piece an object; a file of a single object keeps its plain name."""
    held: bytes | None = None
    count = 0
    for data in stream.json_objects(file):
        if held is not None:
            count += 1
            if count >= LARGEST_COLLECTION:
                raise FormatError(f"it holds more than {LARGEST_COLLECTION} objects")
            yield Piece(f"{source}#{count}", held)
        held = data
    if held is None:
        raise FormatError("it is JSON without any object")
    if not count and b'"nbformat"' in held:
        yield from _cells(source, held)
        return
    yield Piece(f"{source}#{count + 1}" if count else source, held)


def _cells(source: str, data: bytes) -> Iterator[Piece]:
    """Yield the cells of a notebook that may be schemes, as text."""
    cells = load_json(data).get("cells")
    count = 0
    cells = cells[:_MOST_CELLS] if isinstance(cells, list) else []
    for number, cell in enumerate(cells, 1):
        text = cell.get("source") if isinstance(cell, dict) else None
        if isinstance(text, list):
            text = "".join(map(str, text))
        if not isinstance(text, str) or not _CELL.search(text):
            continue
        content = text.encode("utf-8", "replace")
        try:
            kind_of(content)
        except FormatError:
            continue
        count += 1
        yield Piece(f"{source}#cell{number}", content)
    if not count:
        raise FormatError("it is a notebook, and none of its cells is a scheme written out")


def _members(
    source: str, members: Iterator[tuple[str, bytes | FormatError]], nesting: int
) -> Iterator[Piece]:
    waiting: dict[str, dict[str, bytes]] = {}
    for name, content in members:
        label = f"{source}!{printable(name[:200])}"
        if isinstance(content, FormatError):
            yield Piece(label, b"", str(content))
        elif part := linear.part_of(label):
            parts = waiting.setdefault(part[0], {})
            parts[part[1]] = content
            if len(parts) == 3 and sum(map(len, parts.values())) <= LARGEST_PIECE:
                yield Piece(part[0], linear.joined(waiting.pop(part[0])))
        elif content[:6] == MAGIC:
            yield Piece(label.removesuffix(".npy"), content)
        else:
            yield from _guarded(label, io.BytesIO(content), nesting + 1)
    for name, parts in waiting.items():
        for letter, content in parts.items():
            yield Piece(name.replace("*", letter), content)
