"""Read numpy files: U, V, W in ``.npz`` and ``.npy``, compressed rows, flip-cpd's flat array.

An ``.npz`` archive holds three matrices under any of the usual names, their compressed rows
(``u_indptr``, ``u_indices``, ``u_numerators``, ``u_denominators``), or a member ``"n,m,p"`` for
each scheme. AlphaTensor's members are one array (3, d, R) or an object array of three. A ``.npy``
file holds three stacked matrices, or numerators and denominators alternating: blocks U, V, W, each
R x d row by row, W as C, not transposed.

Invariant: a pattern matches headers, and nothing evaluates them. Object arrays go through
`flipsearch.files.pickled`. Sizes are checked before anything is allocated.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from flipsearch.errors import FormatError
from flipsearch.files import numbers, unpack
from flipsearch.files.claims import PLAIN, Claim, terms_of
from flipsearch.files.limits import LARGEST_PIECE, LARGEST_RANK, check_sides
from flipsearch.files.matrices import (
    COLUMNS,
    EITHER,
    ROWS,
    Said,
    Ways,
    claims_of,
    said_in,
    triple_in,
)
from flipsearch.files.numbers import Array, Table
from flipsearch.files.pickled import read_object_array
from flipsearch.files.shapes import formats_of_length
from flipsearch.formats import LARGEST_SIDE, MatrixProduct

MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    rb"\s*\{\s*'descr':\s*'([<>|=]?[a-zA-Z]\d{0,7})',\s*'fortran_order':\s*(True|False),"
    rb"\s*'shape':\s*\(([\d,\s]*)\),?\s*\}\s*"
)
_NUMERIC = re.compile(r"[<>|=]?(?:[iu][1248]|f[248]|b1|c8|c16|[SU]\d{1,7})")
_KEY = re.compile(r"(\d{1,3})\s*[,x]\s*(\d{1,3})\s*[,x]\s*(\d{1,3})")
_PARTS = ("indptr", "indices", "data")
_NONE = np.zeros(0)


def read_npy(data: bytes) -> Array | list[Any]:
    """Return the array of a ``.npy`` file, or the elements of an object array."""
    if data[:6] != MAGIC or len(data) < 12:
        raise FormatError("it is no .npy file")
    wide = data[6] >= 2
    start = 12 if wide else 10
    length = int.from_bytes(data[8:start], "little")
    match = _HEADER.fullmatch(data[start : start + length]) if length <= 10_000 else None
    if match is None:
        raise FormatError("the header of the .npy file is broken")
    code = match[1].decode()
    sides = [part.strip() for part in match[3].split(b",") if part.strip()]
    if len(sides) > 4 or not all(side.isdigit() and len(side) < 10 for side in sides):
        raise FormatError("the shape in the header of the .npy file is broken")
    shape = tuple(int(side) for side in sides)
    body = data[start + length :]
    if code.lstrip("<>|=") == "O":
        return read_object_array(body)
    if not _NUMERIC.fullmatch(code):
        raise FormatError(f"the .npy file holds {code} instead of numbers")
    kind = np.dtype(code)
    if len(body) != math.prod(shape) * kind.itemsize or not kind.itemsize:
        raise FormatError("the .npy file is not as long as its header says")
    order: Any = "F" if match[2] == b"True" else "C"
    return np.frombuffer(body, dtype=kind).reshape(shape, order=order)


def is_one_scheme(names: list[str]) -> bool:
    """Return whether members of these names make one scheme: U, V and W, not a scheme each."""
    return bool(names) and all(
        name.endswith(".npy") and not _KEY.fullmatch(name[:-4]) for name in names
    )


def claims_in(key: str, data: bytes, said: Said) -> Iterator[Claim]:
    """Yield the alternative claims of a ``.npy`` file; a key ``"n,m,p"`` gives its sizes."""
    array = read_npy(data)
    ways: Ways = EITHER
    if match := _KEY.fullmatch(key):
        form = MatrixProduct(*check_sides([int(side) for side in match.groups()]))
        said, ways = replace(said, format=form), (COLUMNS,)
    if isinstance(array, list):
        yield from claims_of(_exact(map(np.asarray, array)), said, ways=ways)
    elif array.ndim in (3, 4):
        axis = next((k for k, side in enumerate(array.shape) if side == 3), None)
        if axis is None:
            raise FormatError(f"an array of shape {array.shape} is no stack of three matrices")
        yield from claims_of(_exact(np.moveaxis(array, axis, 0)), said, ways=ways)
    else:
        yield from claims_of_vector(array)


def claims_in_archive(data: bytes, said: Said) -> Iterator[Claim]:
    """Yield the alternative claims of an ``.npz`` archive of one scheme.

    One sentence tells the faults of all its members.
    """
    members: dict[str, Any] = {}
    for name, content in unpack.zip_members(io.BytesIO(data)):
        if isinstance(content, FormatError):
            raise FormatError(f"member {name[:40]!r}: {content}")
        members[name.removesuffix(".npy")] = content
        if sum(map(len, members.values())) > 2 * LARGEST_PIECE:
            raise FormatError(f"it unpacks to more than {LARGEST_PIECE >> 19} MiB")
    values = {key: _value(content) for key, content in members.items() if content[:6] == MAGIC}
    facts = {key: item for key, item in values.items() if not isinstance(item, np.ndarray)}
    facts |= {key: item.tolist() for key, item in values.items() if _is_fact(item)}
    for text in [item for item in facts.values() if isinstance(item, str)]:
        try:
            more = json.loads(text)
        except (ValueError, RecursionError):
            continue
        facts |= more if isinstance(more, dict) else {}
    if said.format is None:
        said = said_in(facts)
    factors = triple_in({k: x for k, x in values.items() if not _is_fact(x)})
    ways: Ways = EITHER if factors else (ROWS,)
    tables = _exact(map(np.asarray, factors)) if factors else _compressed(values, said)
    if tables is None:
        shown = ", ".join(sorted(values)[:6])
        raise FormatError(f"its arrays {shown[:120]} are no U, V and W under any usual name")
    yield from claims_of(tables, replace(said, named=True), ways=ways)


def _exact(arrays: Iterable[Array]) -> list[Table]:
    return [numbers.exact(array, name) for array, name in zip(arrays, "UVW", strict=False)]


def _value(content: bytes) -> Any:
    """Return the array of a member, or its text."""
    try:
        array = read_npy(content)
    except FormatError:
        return None
    if isinstance(array, list) or array.dtype.kind not in "SU" or array.size != 1:
        return array
    text = array.reshape(-1)[0]
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)


def _is_fact(item: Any) -> bool:
    """Return whether an array holds sizes or the like, not entries."""
    if not isinstance(item, np.ndarray):
        return False
    return item.ndim < 2 and item.size < 4 and item.dtype.kind in "iu"


def _compressed(values: Mapping[str, Any], said: Said) -> list[Table] | None:
    """Return U, V and W of compressed sparse rows, R rows each; None if there are none."""
    plain = {key.lower(): x for key, x in values.items() if isinstance(x, np.ndarray)}
    if not all(f"{letter}_{part}" in plain for letter in "uvw" for part in _PARTS[:2]):
        return None
    factors = []
    for slot, letter in enumerate("uvw"):
        starts, columns, data = (plain.get(f"{letter}_{part}", _NONE) for part in _PARTS[:3])
        above = plain.get(f"{letter}_numerators", data)
        below = plain.get(f"{letter}_denominators", np.ones_like(columns))
        if any(x.ndim != 1 or x.dtype.kind not in "iuf" for x in (starts, columns, above, below)):
            raise FormatError(f"the arrays {letter}_indptr, {letter}_indices, ... are not flat")
        starts = starts.astype(np.int64)
        counts = starts[1:] - starts[:-1]
        if len(counts) > LARGEST_RANK or (counts < 0).any() or counts.sum() != len(columns):
            raise FormatError(f"{letter}_indptr does not count the entries of its rows")
        if (below == 0).any() or len(below) != len(above):
            raise FormatError("a denominator is 0 or missing")
        width = int(columns.max(initial=0)) + 1
        if width > LARGEST_SIDE**2:
            raise FormatError(f"a row of {width} entries belongs to a side above {LARGEST_SIDE}")
        if said.format is not None:
            width = said.format.dimensions[slot]
        ratios = zip(above.tolist(), below.tolist(), strict=True)
        exact = [x if y == 1 else numbers.fraction(x) / Fraction(y) for x, y in ratios]
        rows = np.repeat(np.arange(len(counts)), counts)
        shape = len(counts), width
        factors.append(numbers.scattered(shape, rows, columns, exact, letter.upper()))
    return factors


def claims_of_vector(array: Array) -> Iterator[Claim]:
    """Yield the alternative claims of a flip-cpd ``.npy`` file, one a format that fits."""
    if array.dtype.kind not in "iu":
        raise FormatError("the .npy file holds no flat array of integers and no three matrices")
    if array.ndim > 2 or (array.ndim == 2 and 1 not in array.shape) or array.size % 2:
        raise FormatError(f"an array of shape {array.shape} is no list of integer pairs")
    flat = numbers.exact(array.reshape(-1), "the array").above
    above, below = flat[::2], flat[1::2]
    if (below == 0).any():
        raise FormatError("a denominator is 0")
    for form, rank in formats_of_length(len(above)):
        factors = numbers.split(above, below, rank, form.dimensions)
        yield terms_of(form, factors, order=PLAIN, said=False)
