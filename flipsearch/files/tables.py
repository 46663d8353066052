"""Read tables of numbers as text: schemes after a header, coefficient rows, bit masks.

- ``n m p rank``, then the entries of U, of V and of W, row after row, W holding C transposed
  (ternary_flip_graph). In the fractional variant every entry is a pair, numerator and denominator.
  Files of several schemes, a count first, are cut by `flipsearch.files.stream`. For a tensor the
  lengths of A, B and C stand first; a comment names it, or the caller does.
- Three blocks of rows with a blank or commented line between them, a column a product: entry k of
  A (B, C) in row k of its block (fast-matmul); or a row a product.
- Three integers a line, bit k for entry k of A, B and C, over F2.

Only the numbers of lines and entries tell these apart. They therefore have to fit exactly.

Invariant: the parse is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np

from flipsearch.errors import FormatError, UsageError
from flipsearch.files import numbers
from flipsearch.files.claims import PLAIN, Claim, terms_of
from flipsearch.files.limits import LARGEST_RANK, check_rank, check_sides, lines_of
from flipsearch.files.matrices import Said, claims_of
from flipsearch.files.terms import constant
from flipsearch.formats import LARGEST_SIDE, MatrixProduct
from flipsearch.formats.named import named_format
from flipsearch.formats.sparse import SparseTensor
from flipsearch.rings import Ring

_WELL_FORMED = re.compile(r"[\s\d-]*", re.ASCII)
_ILL_FORMED = re.compile(r"\d{19}|-(?!\d)|[\d-]-", re.ASCII)
_ROW = re.compile(r"[\s,;]*(?:[-+]?[\d.][\d.eE/*+-]*(?:[\s,;]+|$))+", re.ASCII)
_HEADER = re.compile(r"\s*(?:\d{1,18}\s+){3}\d{1,18}(?:\s|$)", re.ASCII)
_TENSOR = re.compile(r"# (tensor:\S+:[0-9a-f]{12}): ")
_MASK = re.compile(r"\d{1,78}", re.ASCII)
_MOST_LINES = 3 * LARGEST_SIDE**2 + 3 * LARGEST_RANK


def is_table(text: str) -> bool:
    """Return whether the first line of a text that is no comment holds numbers only."""
    for line in text[:20_000].splitlines():
        if line.strip() and not _is_comment(line):
            return _ROW.fullmatch(line[:2000]) is not None
    return False


def claims_in(text: str, known: Said) -> Iterator[Claim]:
    """Yield the claims of a table."""
    short = sum(map(text.count, "\r\n")) <= _MOST_LINES  # otherwise an entry a line, perhaps
    lines = lines_of(text) if short else []
    blocks = [list(block) for blank, block in groupby(lines, _is_gap) if not blank]
    if len(blocks) == 3 and all(map(_is_even, blocks)):
        tables = [
            numbers.exact([_entries(line) for line in block], name)
            for block, name in zip(blocks, "UVW", strict=True)
        ]
        yield from claims_of(tables, known, PLAIN)
        return
    tensor = _tensor_of(text, known)
    rows = [_split(line) for line in lines if not _is_gap(line)]
    if tensor is not None:
        yield _claim_after_header("\n".join(" ".join(row) for row in rows), tensor)
    elif len(rows) > 3 and len(rows[0]) in (3, 4) and all(len(row) == 3 for row in rows[1:]):
        yield from claims_of_masks(*_masks_in(rows, known))
    elif _HEADER.match(text):
        yield _claim_after_header(text)
    else:
        raise FormatError(
            "its numbers are no table known here: n m p rank and the factors, three blocks of "
            "rows with blank lines between them, or three masks a line"
        )


def _tensor_of(text: str, known: Said) -> SparseTensor | None:
    """Return the tensor that the caller or the first line names, or None.

    If no family makes the tensor of the first line any more, a `UsageError` is raised.
    """
    if isinstance(known.format, SparseTensor):
        return known.format
    match = _TENSOR.match(text)
    if match is None:
        return None
    try:
        found = named_format(match[1])
    except UsageError as error:
        raise UsageError(f"{error}; name its file: --format FILE.tns") from None
    assert isinstance(found, SparseTensor)
    return found


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(("#", "%", "//"))


def _is_gap(line: str) -> bool:
    return not line.strip() or _is_comment(line)


def _is_even(block: list[str]) -> bool:
    """Return whether all lines of a block have as many numbers as its first one."""
    return len(set(map(len, map(_split, block)))) == 1


def _split(line: str) -> list[str]:
    return line.partition("#")[0].replace(",", " ").replace(";", " ").split()


def _entries(line: str) -> list[Any]:
    return list(map(constant, _split(line)))


def _claim_after_header(text: str, tensor: SparseTensor | None = None) -> Claim:
    """Return the claim of a text of ``n m p rank``, then exactly as many numbers as fit."""
    if _WELL_FORMED.fullmatch(text) is None or _ILL_FORMED.search(text):
        raise FormatError("it holds something that is no integer of at most 18 digits")
    values = np.fromstring(text, dtype=np.int64, sep=" ")
    header, body = values[:4].tolist(), values[4:]
    form = tensor or MatrixProduct(*check_sides(header[:3]))
    if tensor is not None and tuple(header[:3]) != tensor.dimensions:
        raise FormatError(f"it is for lengths {header[:3]}, not {list(tensor.dimensions)}")
    rank = header[3]
    check_rank(form, rank)
    total = rank * sum(form.dimensions)
    if len(body) < total:
        raise FormatError(f"{form} at rank {rank} needs {total} coefficients; {len(body)} follow")
    if len(body) not in (total, 2 * total):
        raise FormatError(f"{len(body) - total} integers are left over after the scheme")
    below = np.ones(total, dtype=np.int64)
    if len(body) == 2 * total:
        body, below = body[::2], body[1::2]
    factors = numbers.split(body, below, rank, form.dimensions)
    alone = len(text.lstrip().partition("\n")[0].split()) == 4
    return terms_of(form, factors, said=alone)


def _masks_in(rows: list[list[str]], known: Said) -> tuple[list[list[int]], Said]:
    """Return the masks of a text, and the sizes and the rank if its first line has them."""
    if any(not _MASK.fullmatch(part) for row in rows for part in row):
        raise FormatError("it holds something that is no bit mask")
    masks = [[int(part) for part in row] for row in rows]
    if len(masks[0]) == 4:
        *sides, rank = masks.pop(0)
        known = Said(MatrixProduct(*check_sides(sides)), rank)
    return masks, known


def claims_of_masks(masks: Any, said: Said) -> Iterator[Claim]:
    """Yield the claims of products of three bit masks, over F2, or raise a `FormatError`.

    The highest bit of all masks of a factor tells how many entries it has, as each entry of a
    matrix product occurs in some product.
    """
    if not isinstance(masks, list) or not 0 < len(masks) <= LARGEST_RANK:
        raise FormatError("its bit masks are no list of products")
    for row in masks:
        if not isinstance(row, list) or len(row) != 3:
            raise FormatError("a product is no triple of bit masks")
        if any(type(mask) is not int or not 0 <= mask < 1 << LARGEST_SIDE**2 for mask in row):
            raise FormatError("a bit mask is no integer, or too large")
    tables = []
    for slot, column in enumerate(zip(*masks, strict=True)):
        width = max(mask.bit_length() for mask in column)
        if said.format is not None:
            width = max(width, said.format.dimensions[slot])
        packed = b"".join(mask.to_bytes(-(-max(1, width) // 8), "little") for mask in column)
        bits = np.frombuffer(packed, dtype=np.uint8).reshape(len(masks), -1)
        entries = np.unpackbits(bits, axis=1, bitorder="little")[:, :width]
        tables.append(numbers.Table(entries.astype(np.int8)))
    yield from claims_of(tables, Said(said.format, said.rank, Ring.F2, said.meta, named=True))
