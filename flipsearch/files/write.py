"""Write schemes in every format that is read, whole or not at all.

Rational terms carry their denominator into the entries of W. A format that cannot hold a scheme (a
structured product in a format that has sizes only, thirds in a binary fraction) refuses it.

Invariant: reading a written file gives the same scheme. Some text formats have no place for the
ring, which is then found from the coefficients again. A scheme over F2 or F3 whose coefficients
also satisfy the equations over the integers comes back as the stronger integer scheme, unless the
reader is told the ring. Files appear under their name only when complete.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flipsearch.algebra.atomic import write_whole
from flipsearch.errors import FormatError, NotFoundError, UsageError
from flipsearch.files.limits import LARGEST_PIECE
from flipsearch.files.linear import joined, parts_to
from flipsearch.files.native import to_text
from flipsearch.files.numbers import Row, fractions_of
from flipsearch.files.reduced import json_text, reduced_text
from flipsearch.files.write_arrays import npy_bytes, npz_bytes
from flipsearch.formats import MatrixProduct
from flipsearch.formats.sparse import SparseTensor, tensor_text
from flipsearch.programs import Reduction
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme

SUFFIXES = {
    "json": ".json",
    "txt": ".txt",
    "npz": ".npz",
    "exp": ".exp",
    "m": ".m",
    "mpl": ".mpl",
    "npy": ".npy",
    "scheme": ".scheme.txt",
    "reduced": "_reduced.json",
    "sms": ".sms",
    "slp": ".slp",
}
BINARY = ("npz", "npy")
THREEFOLD = ("sms", "slp")


def to_bytes(
    scheme: Scheme,
    to: str = "json",
    meta: Mapping[str, str] | None = None,
    reduction: Reduction | None = None,
) -> bytes:
    """Return a scheme, which is not verified here, as the content of a file.

    Parameters
    ----------
    to : str
        One of `SUFFIXES`: ``json`` (FMM's, with format, ring and hash added), ``txt``
        (ternary_flip_graph), ``npz`` (AlphaTensor), ``exp``, ``m`` (nested braces), ``mpl``
        (Maple), ``npy`` (flip-cpd), ``scheme`` (our readable form), ``reduced`` (FMM's JSON with
        shared sums), ``sms`` and ``slp`` (plinopt's three matrices or programs: `parts_of`).
    meta : mapping, optional
        Provenance, for the formats that have a place for it (``json``, ``reduced``, ``scheme``).
    reduction : Reduction, optional
        The programs that a ``reduced`` or ``slp`` file holds:
        `flipsearch.catalogue.Record.reduction`, or what `flipsearch.kernels.additions` finds.

    Raises
    ------
    FormatError
        That format cannot hold this scheme, or no file of it that large is read.
    UsageError
        There is no such format.
    """
    if to not in SUFFIXES:
        raise UsageError(f"unknown file format {to!r}: choose one of {', '.join(SUFFIXES)}")
    data = _content(scheme, to, meta or {}, reduction)
    if len(data) > LARGEST_PIECE:
        raise FormatError(
            f"a .{to} file of this scheme has {len(data) >> 20} MiB, more than is read: use sms"
        )
    return data


def _content(
    scheme: Scheme, to: str, meta: Mapping[str, str], reduction: Reduction | None
) -> bytes:
    """Return the content of a file of any size."""
    if to == "reduced":
        return _reduced(scheme, meta, reduction)
    if to == "scheme":
        return to_text(scheme, meta).encode()
    if to == "json":
        return _json(scheme, meta).encode()
    if to == "npy":
        return npy_bytes(scheme)
    if to in THREEFOLD:
        return joined(parts_of(scheme, to, reduction))
    if to == "txt" and isinstance(scheme.format, SparseTensor):
        sizes = "sizes of A, B and C, and the rank; then the rows of U, V and W"
        return f"# {scheme.format}: {sizes}\n{_numbers(scheme, scheme.format.sizes)}".encode()
    form = _general(scheme, to)
    if to == "npz":
        return npz_bytes(scheme, form)
    if to == "txt":
        return _numbers(scheme, form.sides).encode()
    writers = {"exp": _products, "m": _braces, "mpl": _maple}
    return writers[to](scheme, form).encode()


def parts_of(scheme: Scheme, to: str, reduction: Reduction | None = None) -> dict[str, bytes]:
    """Return the files ``_L``, ``_R`` and ``_P`` of a scheme, for the formats that need three.

    A `FormatError` says that the scheme's format is no general one, or that the programs are not
    those of the scheme.
    """
    if reduction is not None and reduction.scheme != scheme:
        raise FormatError("those programs compute another scheme")
    return parts_to(to, scheme, _general(scheme, to), reduction)


def _general(scheme: Scheme, to: str) -> MatrixProduct:
    form = scheme.format
    if not isinstance(form, MatrixProduct) or not form.is_general:
        raise FormatError(f"a .{to} file holds general products only, not {form}: use json")
    return form


def write_atomically(path: Path, data: bytes, *, force: bool = False) -> None:
    """Write a file whole: its name holds all of the bytes, or still its earlier content.

    A terminal, a pipe or a device is written to, never replaced. A folder raises a `UsageError`,
    and so does a file that exists unless `force` is set. A missing folder raises a
    `NotFoundError`. An OSError names the file asked for.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file in it")
    special = path.exists() and not path.is_file()
    if path.exists() and not force and not special:
        raise UsageError(f"{path} exists already: add --force to replace it")
    folder = path.parent
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist"
        raise NotFoundError(f"{folder} {what}: make that folder first, or choose another path")
    try:
        if special:
            waiting = os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # for ever, if nobody reads it
            os.set_blocking(waiting, True)
            with os.fdopen(waiting, "wb") as file:
                file.write(data)
        else:
            write_whole(path, data, replace=force)
    except FileExistsError:
        raise UsageError(f"{path} exists already: add --force to replace it") from None
    except OSError as error:
        if special and error.errno == errno.ENXIO:
            raise UsageError(f"{path} is a pipe or a socket that nobody reads") from None
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def file_name(scheme: Scheme, to: str = "json") -> str:
    """Return a telling name: ``4x4x4_m49_ZT_5eb9174c.json``."""
    form = str(scheme.format).replace(":", "-")
    return f"{form}_m{scheme.rank}_{scheme.ring}_{scheme.content_hash[:8]}{SUFFIXES[to]}"


def _json(scheme: Scheme, meta: Mapping[str, str]) -> str:
    factors = (
        [[x if isinstance(x, int) else str(x) for x in row] for row in rows]
        for rows in fractions_of(scheme)
    )
    return json_text(_head(scheme, meta), dict(zip("uvw", factors, strict=True)))


def _head(scheme: Scheme, meta: Mapping[str, str]) -> dict[str, Any]:
    """Return the keys of our JSON files about a scheme, apart from its factors."""
    form = scheme.format
    head: dict[str, Any] = {}
    if isinstance(form, MatrixProduct):
        head["n"] = list(form.sides)
    head |= {
        "m": scheme.rank,
        "z2": scheme.ring is Ring.F2,
        "format": str(form),
        "ring": str(scheme.ring),
        "hash": scheme.content_hash,
    }
    if isinstance(form, SparseTensor):
        head["tensor"] = tensor_text(form)
    if meta:
        head["provenance"] = dict(meta)
    return head


def _reduced(scheme: Scheme, meta: Mapping[str, str], reduction: Reduction | None) -> bytes:
    if reduction is None or reduction.scheme != scheme:
        raise FormatError(
            "no programs with shared sums are stored for this scheme: `reduce --keep "
            f"{scheme.content_hash[:12]}` finds them; without --keep `reduce` finds fewer "
            "additions, and stores them with another scheme, which it names"
        )
    reduction.check()
    return reduced_text(reduction, _head(reduction.scheme, meta)).encode()


def _numbers(scheme: Scheme, sizes: tuple[int, int, int]) -> str:
    factors = fractions_of(scheme)
    paired = bool((scheme.denominators != 1).any())
    lines = [" ".join(map(str, (*sizes, scheme.rank)))]
    for rows in factors:
        entries = (entry for row in rows for entry in row)
        if paired:
            lines.append(" ".join(f"{x.numerator} {x.denominator}" for x in entries))
        else:
            lines.append(" ".join(map(str, entries)))
    return "\n".join(lines) + "\n"


def _products(scheme: Scheme, form: MatrixProduct) -> str:
    separator = "_" if max(form.sides) > 9 else ""
    columns = (form.m, form.p, form.n)
    lines = []
    for term in zip(*fractions_of(scheme), strict=True):
        factors = []
        for letter, width, row in zip("abc", columns, term, strict=True):
            text = ""
            for k, entry in enumerate(row):
                if entry:
                    name = f"{letter}{k // width + 1}{separator}{k % width + 1}"
                    size = "" if abs(entry) == 1 else f"{abs(entry)}*"
                    text += ("-" if entry < 0 else "+" if text else "") + size + name
            factors.append(f"({text or '0*' + letter + '1' + separator + '1'})")
        lines.append("*".join(factors))
    return "\n".join(lines) + "\n"


def _matrices(scheme: Scheme, form: MatrixProduct) -> list[list[list[Row]]]:
    """Return each product as three lists of rows: n x m, m x p, p x n."""
    columns = (form.m, form.p, form.n)
    return [
        [
            [list(row[k : k + width]) for k in range(0, len(row), width)]
            for row, width in zip(term, columns, strict=True)
        ]
        for term in zip(*fractions_of(scheme), strict=True)
    ]


def _braces(scheme: Scheme, form: MatrixProduct) -> str:
    products = [
        "{" + ", ".join(_nested(matrix, "{", "}") for matrix in product) + "}"
        for product in _matrices(scheme, form)
    ]
    return "{\n  " + ",\n  ".join(products) + "\n}\n"


def _nested(matrix: list[Row], left: str, right: str) -> str:
    return left + ", ".join(left + ", ".join(map(str, row)) + right for row in matrix) + right


def _maple(scheme: Scheme, form: MatrixProduct) -> str:
    sizes = ((form.n, form.m), (form.m, form.p), (form.p, form.n))
    lines = []
    for letter, (rows, columns) in zip("ABC", sizes, strict=True):
        names = [[f"{letter}_{i + 1}_{j + 1}" for j in range(columns)] for i in range(rows)]
        body = "[" + ",".join("[" + ",".join(row) + "]" for row in names) + "]"
        lines.append(f"{letter}:=Matrix({rows}, {columns}, {body}):")
    triads = []
    for product in _matrices(scheme, form):
        matrices = (
            f"Matrix({rows}, {columns}, {_nested(matrix, '[', ']').replace(' ', '')})"
            for matrix, (rows, columns) in zip(product, sizes, strict=True)
        )
        triads.append("Triad([" + ", ".join(matrices) + "])")
    lines.append("Tensor:=TriadSet([" + ", ".join(triads) + "]):")
    return "\n".join(lines) + "\n"
