"""From paths to pieces: every scheme's own bytes, out of files, folders, archives, collections.

Invariant: pieces come in a fixed order (names sorted), hold at most `LARGEST_PIECE` bytes each,
and are produced while reading, so that memory stays flat whatever the size of the input. Types
are told by content. What cannot be opened becomes a piece that carries its error.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from flipsearch.errors import FormatError, NotFoundError
from flipsearch.files import stream, unpack
from flipsearch.files.arrays import MAGIC
from flipsearch.files.limits import LARGEST_NESTING, LARGEST_PIECE

_HEAD = 1 << 16


@dataclass(frozen=True)
class Piece:
    """The bytes of one scheme (or of one small file), and where they come from.

    Parameters
    ----------
    source : str
        Path, with ``!member`` for archives and ``#k`` for the k-th element of a collection.
    data : bytes
        The content.
    error : str
        Why there is none, otherwise empty.
    """

    source: str
    data: bytes
    error: str = ""


def pieces_of(path: str | Path) -> Iterator[Piece]:
    """Yield the pieces of a file, folder or archive.

    Raises
    ------
    NotFoundError
        There is nothing at that path.
    """
    top = Path(path)
    if top.is_dir():
        for inner in sorted(top.rglob("*")):
            hidden = any(part.startswith(".") for part in inner.relative_to(top).parts)
            if inner.is_file() and not hidden:
                yield from _file(inner)
    elif top.is_file():
        yield from _file(top)
    elif top.exists():
        yield Piece(_printable(str(top)), b"", "it is no regular file")
    else:
        raise NotFoundError(f"there is no file or folder {str(path)!r}")


def _file(path: Path) -> Iterator[Piece]:
    label = _printable(str(path))
    try:
        with path.open("rb") as file:
            yield from pieces_in(label, file)
    except OSError as error:
        yield Piece(label, b"", error.strerror or str(error))


def _printable(name: str) -> str:
    """Return a name fit to be shown and stored: any bytes may stand in a file's name."""
    return "".join(c if c.isprintable() else "?" for c in name)


def pieces_in(source: str, file: IO[bytes]) -> Iterator[Piece]:
    """Yield the pieces of an open binary file; nothing but `OSError` is raised."""
    yield from _guarded(source, file, 0)


def _guarded(source: str, file: IO[bytes], nesting: int) -> Iterator[Piece]:
    """Yield the pieces of an open file; what goes wrong becomes the last piece."""
    try:
        yield from _contents(source, file, nesting)
    except FormatError as error:
        yield Piece(source, b"", str(error))


def _contents(source: str, file: IO[bytes], nesting: int) -> Iterator[Piece]:
    head = _read(file, _HEAD)
    packed = unpack.compression(head)
    if packed or unpack.is_zip(head) or unpack.is_tar(head):
        if nesting >= LARGEST_NESTING:
            raise FormatError("archives nest too deeply")
        if packed:
            joined = _joined(head, file)
            inner = io.BufferedReader(unpack.Inflated(joined, packed))
            yield from _contents(source, inner, nesting + 1)
        elif unpack.is_zip(head):
            yield from _members(source, unpack.zip_members(_seekable(file)), nesting)
        else:
            yield from _members(source, unpack.tar_members(_joined(head, file)), nesting)
        return
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] == b"[" or (start[:1] == b"{" and start[1:].lstrip()[:1] in (b'"', b"}")):
        yield from _json(source, file, head)
        return
    first = start.split(b"\n", 1)
    if len(first) == 2 and first[0].strip().isdigit():
        for number, data in enumerate(stream.numeric_groups(file, head), 1):
            yield Piece(f"{source}#{number}", data)
        return
    rest = file.read(LARGEST_PIECE + 1)
    if len(head) + len(rest) > LARGEST_PIECE:
        raise FormatError(f"it is larger than {LARGEST_PIECE >> 20} MiB")
    yield Piece(source, head + rest)


def _json(source: str, file: IO[bytes], head: bytes) -> Iterator[Piece]:
    """Yield one piece an object; a file of a single object keeps its plain name."""
    held: bytes | None = None
    count = 0
    for data in stream.json_objects(file, head):
        if held is not None:
            count += 1
            yield Piece(f"{source}#{count}", held)
        held = data
    if held is None:
        raise FormatError("it is JSON without any object")
    yield Piece(f"{source}#{count + 1}" if count else source, held)


def _members(
    source: str, members: Iterator[tuple[str, bytes | FormatError]], nesting: int
) -> Iterator[Piece]:
    for name, content in members:
        label = f"{source}!{_printable(name[:200])}"
        if isinstance(content, FormatError):
            yield Piece(label, b"", str(content))
        elif content[:6] == MAGIC:
            yield Piece(label.removesuffix(".npy"), content)
        else:
            yield from _guarded(label, io.BytesIO(content), nesting + 1)


def _seekable(file: IO[bytes]) -> IO[bytes]:
    if file.seekable():
        file.seek(0)
        return file
    raise FormatError("a zip file inside a compressed file is not read: unpack it first")


def _joined(head: bytes, rest: IO[bytes]) -> IO[bytes]:
    """Return a stream of `head`, then `rest`."""
    if rest.seekable():
        rest.seek(0)
        return rest
    joined: IO[bytes] = io.BufferedReader(_Joined(head, rest))  # type: ignore[type-var]
    return joined


class _Joined(io.RawIOBase):
    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        data = data or self._rest.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _read(file: IO[bytes], size: int) -> bytes:
    """Return the first `size` bytes, fewer only if the file is shorter."""
    data = b""
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data
