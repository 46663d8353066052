"""Read many files on several cores, in order, with flat memory.

The main process cuts the input into pieces and hands batches of them to worker processes. Each of
these parses and verifies its batch, and sends factors of one byte an entry. At most a few batches
are under way at any time, and the main process widens one scheme at a time to int64.

Invariant: the results are those of `read_piece` for each piece, in the order of the input, for any
number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy.typing as npt

from flipsearch.algebra.cores import available_cores
from flipsearch.algebra.processes import computed
from flipsearch.errors import is_on_the_command_line, on_the_command_line
from flipsearch.files.pieces import Piece, pieces_of
from flipsearch.files.read import Read, read_piece
from flipsearch.formats import Format, MatrixProduct, parse_format
from flipsearch.normal import narrow
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.verify import is_proved, seal_key, seal_of

_BATCH_BYTES = 1 << 20
_BATCH_PIECES = 64
_WORTH_IT = 4 << 20
Factors = list[npt.NDArray[Any]]
Only = tuple[Ring | None, Format | None]
Packed = tuple[Read, Format | str, str, Factors, bytes]


@dataclass
class Progress:
    """The progress of an import; its numbers only grow."""

    pieces: int = 0
    bytes: int = 0
    accepted: int = 0
    rejected: int = 0


def read_many(
    paths: Iterable[str | Path],
    *,
    ring: Ring | None = None,
    format_: Format | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Iterator[Read]:
    """Read files, folders and archives in their order on several cores; see `read_schemes`.

    `workers` is the number of processes: 1 stays in this one, the default is one a core. Small
    inputs (4 MB) are read in this process in any case, since starting others takes longer.
    `progress` is called after each batch.
    """
    count = workers if workers is not None else available_cores()
    done = Progress()
    batches = _batches(pieces_of(*paths))
    first: list[list[Piece]] = []
    if count > 1:
        size = 0
        for batch in batches:
            first.append(batch)
            size += sum(len(piece.data) for piece in batch)
            if size > _WORTH_IT:
                break
        if size <= _WORTH_IT:
            count = 1
    source = chain(first, batches)
    only = (ring, format_)
    results: Iterator[tuple[list[Piece], Iterator[Read]]]
    if count <= 1:
        results = ((batch, (read_piece(piece, *only) for piece in batch)) for batch in source)
    else:
        reading = partial(_read_batch, only, seal_key(), is_on_the_command_line())
        packed = computed(reading, source, count, "the reading")
        results = ((batch, map(_unpacked, each)) for batch, each in packed)
    for batch, reads in results:
        for read in reads:
            good = read.scheme is not None
            done.accepted += good
            done.rejected += not good
            yield read
        done.pieces += len(batch)
        done.bytes += sum(len(piece.data) for piece in batch)
        if progress is not None:
            progress(done)


def _batches(pieces: Iterator[Piece]) -> Iterator[list[Piece]]:
    """Group pieces up to a megabyte or 64 of them."""
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece.data)
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_PIECES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read_batch(only: Only, key: bytes, options: bool, batch: list[Piece]) -> list[Packed]:
    """Read pieces as the parent process would, under its key and in its words."""
    seal_key(key)
    with on_the_command_line() if options else nullcontext():
        return [_packed(read_piece(piece, *only)) for piece in batch]


def _packed(read: Read) -> Packed:
    """Return a read as little data as it needs between processes."""
    if read.scheme is None:
        return read, "", "", [], b""
    scheme = read.scheme
    arrays = [narrow(array) for array in (*scheme.factors, scheme.denominators)]
    form = scheme.format
    name = str(form) if isinstance(form, MatrixProduct) else form  # a tensor's gives no entries
    return replace(read, scheme=None), name, scheme.ring.value, arrays, seal_of(scheme)


def _unpacked(packed: Packed) -> Read:
    read, name, ring, arrays, seal = packed
    if not name:
        return read
    form = parse_format(name) if isinstance(name, str) else name
    scheme = Scheme(form, Ring(ring), *arrays)
    is_proved(scheme, seal)
    return replace(read, scheme=scheme)
