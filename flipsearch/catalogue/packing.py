"""Schemes and run states as compact bytes, without pickle.

A scheme's factors are packed at the width its coefficients need: one bit over F2, two bit planes
(nonzero, negative) for ternary coefficients, the smallest signed integers otherwise, with the
denominators behind them when there are any; then deflated where that helps. Everything else
(format, ring, rank) stands in the columns of its row.

A run's state is JSON in which NumPy arrays stand by reference to raw blocks behind it.

Invariant: unpacking trusts nothing. Sizes are known beforehand from the row, inflating is bounded
by them, and any mismatch is a `FormatError`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from flipsearch.errors import CatalogueError, FormatError
from flipsearch.formats import Format
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme

_BITS, _TRITS, _FIRST_INTEGER = 0, 1, 2
_INTEGERS = ("<i1", "<i2", "<i4", "<i8")
_DEFLATED = 0x80
_RATIONAL = 0x40
_STATE_MAGIC = b"flipsearch state 1\n"
LARGEST_STATE_BYTES = 1 << 30
_STATE_DTYPES = frozenset(
    f"{order}{kind}{size}"
    for order, kind, size in [("|", "b", 1), ("|", "u", 1), ("|", "i", 1)]
    + [("<", kind, size) for kind in "ui" for size in (2, 4, 8)]
    + [("<", "f", size) for size in (4, 8)]
)


def pack_scheme(scheme: Scheme) -> bytes:
    """Return the factors of a scheme as bytes.

    Parameters
    ----------
    scheme : Scheme
        Any scheme; `flipsearch.catalogue` passes canonical ones.
    """
    entries = np.concatenate([matrix.ravel() for matrix in scheme.factors])
    rational = bool((scheme.denominators != 1).any())
    if rational:
        entries = np.concatenate([entries, scheme.denominators])
    smallest, largest = (int(entries.min()), int(entries.max())) if entries.size else (0, 0)
    if smallest >= 0 and largest <= 1:
        kind, payload = _BITS, np.packbits(entries.astype(bool)).tobytes()
    elif smallest >= -1 and largest <= 1:
        planes = np.concatenate([np.packbits(entries != 0), np.packbits(entries < 0)])
        kind, payload = _TRITS, planes.tobytes()
    else:
        index = next(
            k
            for k, name in enumerate(_INTEGERS)
            if np.iinfo(name).min <= smallest and largest <= np.iinfo(name).max
        )
        kind, payload = _FIRST_INTEGER + index, entries.astype(_INTEGERS[index]).tobytes()
    if rational:
        kind |= _RATIONAL
    deflated = zlib.compress(payload, 6)
    if len(deflated) < len(payload):
        kind, payload = kind | _DEFLATED, deflated
    return bytes([kind]) + payload


def unpack_scheme(data: bytes, format_: Format, ring: Ring, rank: int) -> Scheme:
    """Return the scheme whose factors `pack_scheme` packed.

    Parameters
    ----------
    data : bytes
        What `pack_scheme` returned.
    format_, ring, rank
        Of the scheme, from the columns of its row.

    Raises
    ------
    FormatError
        The bytes are not the factors of such a scheme.
    """
    if not data or rank < 0:
        raise FormatError("no factors")
    kind = data[0] & ~(_DEFLATED | _RATIONAL)
    dimensions = format_.dimensions
    count = rank * (sum(dimensions) + bool(data[0] & _RATIONAL))
    plane = (count + 7) // 8
    if kind == _BITS:
        size = plane
    elif kind == _TRITS:
        size = 2 * plane
    elif kind < _FIRST_INTEGER + len(_INTEGERS):
        size = count * np.dtype(_INTEGERS[kind - _FIRST_INTEGER]).itemsize
    else:
        raise FormatError(f"unknown packing {kind}")
    payload = data[1:]
    if data[0] & _DEFLATED:
        payload = _inflate(payload, size)
    if len(payload) != size:
        raise FormatError(f"{len(payload)} bytes of factors instead of {size}")
    entries = _entries(payload, kind, count, plane)
    matrices, start = [], 0
    for dimension in dimensions:
        matrices.append(entries[start : start + rank * dimension].reshape(rank, dimension))
        start += rank * dimension
    denominators = entries[start:] if data[0] & _RATIONAL else np.ones(rank, np.int64)
    u, v, w = matrices
    return Scheme(format_, ring, u, v, w, denominators)


def _entries(payload: bytes, kind: int, count: int, plane: int) -> IntArray:
    if kind >= _FIRST_INTEGER:
        return np.frombuffer(payload, _INTEGERS[kind - _FIRST_INTEGER]).astype(np.int64)
    octets = np.frombuffer(payload, np.uint8)
    entries = np.unpackbits(octets[:plane], count=count).astype(np.int64)
    if kind == _TRITS:
        negative = np.unpackbits(octets[plane:], count=count).astype(bool)
        entries[negative] *= -1
    return entries


def _inflate(payload: bytes, size: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        result = inflater.decompress(payload, size + 1)
    except zlib.error as error:
        raise FormatError(f"damaged factors ({error})") from None
    if len(result) > size or not inflater.eof or inflater.unused_data:
        raise FormatError("damaged factors (wrong length)")
    return result


def pack_state(state: Mapping[str, Any]) -> bytes:
    """Return a run's state as bytes.

    Parameters
    ----------
    state : mapping
        JSON values, arbitrarily nested in lists and string-keyed mappings, and NumPy arrays of
        booleans, integers or floats anywhere among them. Tuples come back as lists.

    Raises
    ------
    TypeError
        Something else is in it.
    CatalogueError
        It takes more than `LARGEST_STATE_BYTES`: `unpack_state` would refuse it.
    """
    blocks: list[bytes] = []

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            array = np.ascontiguousarray(value)
            dtype = array.dtype.newbyteorder("<").str
            if dtype not in _STATE_DTYPES:
                raise TypeError(f"a run's state cannot hold arrays of {value.dtype}")
            blocks.append(array.astype(dtype, copy=False).tobytes())
            return {"array": [dtype, list(value.shape)]}
        if isinstance(value, np.generic):
            return plain(value.item())
        if isinstance(value, Mapping):
            if not all(isinstance(key, str) for key in value):
                raise TypeError("a run's state has keys that are not strings")
            return {"map": {key: plain(item) for key, item in value.items()}}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise TypeError(f"a run's state cannot hold a {type(value).__name__}")

    text = json.dumps(plain(state)).encode()
    raw = b"".join([b"%d\n" % len(text), text, *blocks])
    if len(raw) > LARGEST_STATE_BYTES:
        raise CatalogueError(f"a run's state of {len(raw) >> 20} MB is too large to be kept")
    return _STATE_MAGIC + zlib.compress(raw, 1)


def unpack_state(data: bytes) -> dict[str, Any]:
    """Return the state that `pack_state` packed; its arrays are new and writable.

    Raises
    ------
    FormatError
        The bytes are not a state, or beyond `LARGEST_STATE_BYTES` when inflated.
    """
    if not data.startswith(_STATE_MAGIC):
        raise FormatError("not a run's state")
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(data[len(_STATE_MAGIC) :], LARGEST_STATE_BYTES + 1)
        whole = inflater.eof and not inflater.unused_data
        if not whole or len(raw) > LARGEST_STATE_BYTES:
            raise FormatError("a run's state is damaged or too large")
        head, _, rest = raw.partition(b"\n")
        length = int(head)
        tree = json.loads(rest[:length])
        offset = length

        def rich(value: Any) -> Any:
            nonlocal offset
            if isinstance(value, list):
                return [rich(item) for item in value]
            if not isinstance(value, dict):
                return value
            if "map" in value:
                return {key: rich(item) for key, item in value["map"].items()}
            dtype, shape = value["array"]
            if dtype not in _STATE_DTYPES:
                raise FormatError(f"a run's state holds an array of {dtype}")
            array, offset = _array(rest, offset, dtype, shape)
            return array

        state = rich(tree)
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"a run's state is damaged ({error})") from None
    if not isinstance(state, dict) or offset != len(rest):
        raise FormatError("a run's state is damaged (wrong length)")
    return state


def _array(rest: bytes, offset: int, dtype: str, shape: list[int]) -> tuple[npt.NDArray[Any], int]:
    count = 1
    for side in shape:
        if not isinstance(side, int) or side < 0:
            raise FormatError("a run's state is damaged (array shape)")
        count *= side
    end = offset + count * np.dtype(dtype).itemsize
    if end > len(rest):
        raise FormatError("a run's state is damaged (array too long)")
    return np.frombuffer(rest[offset:end], dtype).reshape(shape).copy(), end
