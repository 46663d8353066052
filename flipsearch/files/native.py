"""The readable text form of a scheme: what lies in ``schemes/`` and what people read and mail.

A header of ``key: value`` lines, an empty line, then one product a line::

    format: 2x2x2
    ring: ZT
    rank: 7
    hash: 1f0c...

    (a11 + a22) * (b11 + b22) * (c11 + c22)
    1/2 * (a11 - a12) * (b21 + 2 b22) * (c21)

Names are those of `Format.variable`: ``c21`` is the entry C[2, 1] of the output to which the
product is added. A factor 1/d in front is the term's denominator. Any other header key is kept
as provenance (found-by, seed, run, date, lifted-from, ...); lines that start with ``#`` are
comments.

Invariant: parse, print, parse is the identity on schemes; print is the identity on printed text.
The hash in the header is checked on reading: a file changed by accident is refused.
Validity is not checked here: that is `flipsearch.verify`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from flipsearch.errors import FormatError, UsageError
from flipsearch.files.limits import LARGEST_RANK, check_rank, lines_of
from flipsearch.files.terms import Form, Reader, factors_of, numbered, variable
from flipsearch.formats import Format
from flipsearch.formats.named import named_format
from flipsearch.formats.sparse import SparseTensor, parse_tensor, tensor_text
from flipsearch.formats.written import written
from flipsearch.rings import IntArray, parse_ring
from flipsearch.scheme import Scheme

RESERVED = ("format", "ring", "rank", "hash", "tensor")
_KEY = re.compile(r"[a-z][a-z0-9-]{0,39}")
_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]*)[ \t]*:[ \t]*(.*)")


def to_text(scheme: Scheme, meta: Mapping[str, str] | None = None) -> str:
    """Return a scheme in the readable form, its terms in their order.

    `meta` is provenance: lower-case keys with hyphens and one-line values, of which empty ones are
    left out. A key that is reserved or ill-formed, or a value of several lines, raises a
    `FormatError`.
    """
    lines = [
        f"format: {scheme.format}",
        f"ring: {scheme.ring}",
        f"rank: {scheme.rank}",
        f"hash: {scheme.content_hash}",
    ]
    if isinstance(scheme.format, SparseTensor):
        lines.append(f"tensor: {'; '.join(tensor_text(scheme.format).splitlines())}")
    for key, value in (meta or {}).items():
        text = str(value).strip()
        if not _KEY.fullmatch(key) or key in RESERVED:
            raise FormatError(f"{key!r} is no provenance key: use lower-case words and hyphens")
        if not text.isprintable():
            raise FormatError(f"the value of {key!r} must be one line of printable text")
        if text:
            lines.append(f"{key}: {text}")
    lines.append("")
    named = list(_entries(scheme.format))
    du, dv, _ = scheme.format.dimensions
    names = (named[:du], named[du : du + dv], named[du + dv :])
    for *rows, denominator in zip(*scheme.factors, scheme.denominators.tolist(), strict=True):
        factors = (
            "(" + written({name[k]: int(row[k]) for k in np.flatnonzero(row)}) + ")"
            for name, row in zip(names, rows, strict=True)
        )
        scale = "" if denominator == 1 else f"1/{denominator} * "
        lines.append(scale + " * ".join(factors))
    return "\n".join(lines) + "\n"


def from_text(text: str) -> tuple[Scheme, dict[str, str]]:
    """Return the scheme and the provenance of a text in the readable form.

    Other text, parts that do not fit together, or another scheme's hash raise a `FormatError`.
    """
    header, products = _split(text)
    try:
        format_ = _format(header.pop("format"), header.pop("tensor", ""))
        ring = parse_ring(header.pop("ring"))
    except KeyError as missing:
        raise FormatError(f"the header has no {missing.args[0]!r} line") from None
    except UsageError as error:
        raise FormatError(str(error)) from None
    rank = header.pop("rank", str(len(products)))
    if rank != str(len(products)):
        raise FormatError(f"the header says rank {rank[:20]} but {len(products)} products follow")
    check_rank(format_, len(products))
    u, v, w = (np.zeros((len(products), d), dtype=np.int64) for d in format_.dimensions)
    denominators = np.ones(len(products), dtype=np.int64)
    for row, (number, line) in enumerate(products):
        with numbered(number):
            denominators[row] = _read_product(line, format_, [u, v, w], row)
    scheme = Scheme(format_, ring, u, v, w, denominators)
    expected = header.pop("hash", None)
    if expected is not None and expected != scheme.content_hash:
        raise FormatError(
            f"the products hash to {scheme.content_hash[:12]} but the header says "
            f"{expected[:12]}: the file was changed, or cut short"
        )
    return scheme, header


def read_native(path: str | Path) -> tuple[Scheme, dict[str, str]]:
    """Read a file in the readable form; see `from_text`. A `FormatError` names the file."""
    try:
        return from_text(Path(path).read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise FormatError(f"{path}: not UTF-8 text") from None
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def is_native(text: str) -> bool:
    """Return whether a text starts as the readable form does: with a ``format:`` line."""
    for line in text[:2000].splitlines():
        if line.strip() and not line.startswith("#"):
            return line.startswith("format:")
    return False


def _format(name: str, definition: str) -> Format:
    """Return the format of a name, a tensor's from its definition, lines joined by semicolons."""
    if not definition:
        return named_format(name)
    tensor = parse_tensor(definition.replace(";", "\n"))
    if tensor.name != name:
        raise FormatError(f"the definition is that of {tensor.name}, not of {name[:80]}")
    return tensor


def _split(text: str) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """Return the header and the numbered product lines."""
    header: dict[str, str] = {}
    products: list[tuple[int, str]] = []
    for number, line in enumerate(lines_of(text), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if not products and (match := _HEADER.fullmatch(stripped)):
            key = match[1].lower()
            if key in header:
                raise FormatError(f"line {number}: {key!r} stands twice in the header")
            header[key] = match[2]
        else:
            products.append((number, stripped))
            if len(products) > LARGEST_RANK:
                raise FormatError("it lists absurdly many products")
    return header, products


def _read_product(line: str, format_: Format, factors: list[IntArray], row: int) -> int:
    """Fill row `row` of the factors from one line and return its denominator."""
    entries = _entries(format_)

    def entry(name: str) -> Form:
        if name not in entries:
            raise FormatError(f"{name[:20]!r} is no entry of {name[0].upper()} in {format_.name}")
        return entries[name]

    form = Reader(line, entry).whole()
    if form.scale.numerator != 1:
        raise FormatError("the factor in front of a product is 1/d")
    found = factors_of(Form(1, form.factors), "ABC")
    for matrix, factor in zip(factors, found, strict=True):
        for index, coefficient in factor.items():
            if coefficient.denominator != 1:
                raise FormatError("fractions stand in front of a product, as 1/d")
            matrix[row, index] = int(coefficient)
    return form.scale.denominator


@lru_cache(maxsize=64)
def _entries(format_: Format) -> dict[str, Form]:
    """Return each entry, a variable (letter of the slot, index), by its name, in their order."""
    return {
        format_.variable(slot, index): variable(("ABC"[slot], index))
        for slot, dimension in enumerate(format_.dimensions)
        for index in range(dimension)
    }
