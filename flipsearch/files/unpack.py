"""Read compressed files and archives within bounds: gzip, bzip2, xz, zip and tar.

Nothing is written to disk and no member's name is used as a path. The standard library's tar
reader takes extended headers of any size into memory. Before September 2024 it searched them in
quadratic time (CVE-2024-6232), and before July 2025 it looped on negative sizes (CVE-2025-8194).
The few lines here do none of this.

Invariant: at most `LARGEST_PIECE` bytes of a member are held at a time. A stream that unpacks to
more than `LARGEST_RATIO` times its packed size is cut off with a `FormatError`.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

from flipsearch.errors import FormatError
from flipsearch.files.limits import LARGEST_MEMBERS, LARGEST_PIECE, LARGEST_RATIO

_CHUNK = 1 << 16
_XZ_MEMORY = 64 << 20
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Methods that `zipfile` unpacks in bounded steps: a few bytes of bzip2 may fill the memory."""


def compression(head: bytes) -> str | None:
    """Return ``gzip``, ``bzip2`` or ``xz`` by the first bytes, or None."""
    for magic, name in ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz")):
        if head.startswith(magic):
            return name
    return None


def is_zip(head: bytes) -> bool:
    """Return whether the first bytes are those of a zip file."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def is_tar(head: bytes) -> bool:
    """Return whether the first block is a tar header, by its checksum."""
    return len(head) >= 512 and _tar_sum(head[:512]) is not None


class Inflated(io.RawIOBase):
    """The unpacked bytes of a compressed stream, forward only, with the ratio bounded."""

    def __init__(self, packed: IO[bytes], method: str) -> None:
        self._packed = packed
        self._method = method
        self._machine = self._new()
        self._input = b""
        self._read = self._written = 0

    def _new(self) -> Any:
        if self._method == "gzip":
            return zlib.decompressobj(31)
        if self._method == "bzip2":
            return bz2.BZ2Decompressor()
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with unpacked bytes and return their number; 0 at the end."""
        filled = 0
        try:
            while data := self._more(len(buffer) - filled):
                buffer[filled : filled + len(data)] = data
                filled += len(data)
                if filled == len(buffer):
                    break
        except (zlib.error, OSError, EOFError, lzma.LZMAError, ValueError) as error:
            raise FormatError(f"its {self._method} stream is broken ({str(error)[:60]})") from None
        self._written += filled
        if self._written > LARGEST_PIECE + LARGEST_RATIO * self._read:
            raise FormatError("it unpacks to absurdly much: a decompression bomb")
        return filled

    def _more(self, size: int) -> bytes:
        while True:
            if self._machine.eof:
                rest = self._machine.unused_data or self._input
                rest = rest or self._take()
                if not rest.strip(b"\0"):
                    return b""
                self._machine, self._input = self._new(), rest
            starving = self._method == "gzip" or self._machine.needs_input
            if starving and not self._input:
                self._input = self._take()
                if not self._input:
                    raise EOFError("it ends too early")
            data: bytes = self._machine.decompress(self._input, size)
            self._input = self._machine.unconsumed_tail if self._method == "gzip" else b""
            if data:
                return data

    def _take(self) -> bytes:
        data = self._packed.read(_CHUNK)
        self._read += len(data)
        return data


def zip_names(file: IO[bytes]) -> list[str]:
    """Return the names of the members of a zip file."""
    with _opened(file) as archive:
        return archive.namelist()


def _opened(file: IO[bytes]) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:
        raise FormatError(f"its zip directory is broken ({str(error)[:60]})") from None
    if len(archive.infolist()) > LARGEST_MEMBERS:
        raise FormatError(f"it has more than {LARGEST_MEMBERS} members")
    return archive


def zip_members(file: IO[bytes]) -> Iterator[tuple[str, bytes | FormatError]]:
    """Yield (name, content) of each member of a zip file; a refused one gives its error."""
    packed = file.seek(0, io.SEEK_END)
    written = 0
    with _opened(file) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            content: bytes | FormatError
            try:
                _check_zip_member(info)
                written += info.file_size + 4096  # no more is unpacked, whatever it holds
                content = _zip_member(archive, info)
            except FormatError as error:
                content = error
            if written > LARGEST_PIECE * 4 + LARGEST_RATIO * packed:
                raise FormatError("it unpacks to absurdly much: a decompression bomb")
            yield info.filename, content


def _check_zip_member(info: zipfile.ZipInfo) -> None:
    """Refuse a member by its entry in the directory."""
    if info.flag_bits & 1:
        raise FormatError("it is encrypted")
    if info.compress_type not in _ZIP_METHODS:
        raise FormatError(f"its compression method {info.compress_type} is not supported")
    if info.file_size > LARGEST_PIECE:
        raise FormatError(f"it is larger than {LARGEST_PIECE >> 20} MiB")


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(info) as stream:
            return stream.read(info.file_size + 1)  # one more: the end is reached
    except Exception as error:  # zipfile raises nearly everything on broken members
        raise FormatError(f"its zip member is broken ({str(error)[:60]})") from None


def tar_members(stream: IO[bytes]) -> Iterator[tuple[str, bytes | FormatError]]:
    """Yield (name, content) of each regular file of an uncompressed tar stream."""
    long_name: str | None = None
    count = 0
    while True:
        header = _exactly(stream, 512)
        if not header.strip(b"\0"):
            return
        size = _tar_sum(header)
        count += 1
        if size is None or len(header) < 512:
            raise FormatError("a header of the tar file is broken")
        if count > LARGEST_MEMBERS:
            raise FormatError(f"it has more than {LARGEST_MEMBERS} members")
        kind = header[156:157]
        if kind in (b"L", b"x"):
            if size > _CHUNK:
                raise FormatError("a name in the tar file is absurdly long")
            body = _exactly(stream, size)
            long_name = _long_name(body, kind) or long_name
        elif kind in (b"0", b"\0", b"7"):
            name = long_name or _short_name(header)
            long_name = None
            if size > LARGEST_PIECE:
                _skip(stream, size)
                yield name, FormatError(f"it is larger than {LARGEST_PIECE >> 20} MiB")
            else:
                content = _exactly(stream, size)
                if len(content) < size:
                    raise FormatError("the tar file is cut short")
                yield name, content
        else:
            _skip(stream, size)
        _skip(stream, -size % 512)


def _tar_sum(header: bytes) -> int | None:
    """Return the size in a tar header whose checksum holds, or None."""
    try:
        expected = int(header[148:156].split(b"\0")[0].strip() or b"-1", 8)
        if header[124] & 0x80:
            size = int.from_bytes(header[125:136], "big")
        else:
            size = int(header[124:136].split(b"\0")[0].strip() or b"0", 8)
    except (ValueError, IndexError):
        return None
    found = sum(header[:148]) + 8 * 32 + sum(header[156:512])
    return size if found == expected and 0 <= size < 1 << 50 else None


def _short_name(header: bytes) -> str:
    name = header[:100].split(b"\0")[0]
    if header[257:262] == b"ustar" and (prefix := header[345:500].split(b"\0")[0]):
        name = prefix + b"/" + name
    return name.decode("utf-8", "replace")


def _long_name(body: bytes, kind: bytes) -> str | None:
    if kind == b"L":
        return body.split(b"\0")[0].decode("utf-8", "replace")
    for line in body.split(b"\n"):
        _, _, record = line.partition(b" ")
        if record.startswith(b"path="):
            return record[5:].decode("utf-8", "replace")
    return None


def _exactly(stream: IO[bytes], size: int) -> bytes:
    """Return up to `size` bytes, fewer only at the end of the stream."""
    parts, left = [], size
    while left:
        data = stream.read(min(left, 1 << 20))
        if not data:
            break
        parts.append(data)
        left -= len(data)
    return b"".join(parts)


def _skip(stream: IO[bytes], size: int) -> None:
    while size > 0:
        data = stream.read(min(size, 1 << 20))
        if not data:
            return
        size -= len(data)
