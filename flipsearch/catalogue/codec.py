"""Pack schemes, programs and run states as bytes and JSON, without pickle.

A scheme's factors are packed at the width of its coefficients: one bit over F2, two bit planes
(nonzero, negative) for ternary coefficients, otherwise the smallest signed integers. Denominators
follow if there are any. The bytes are deflated if that makes them shorter. The columns of the row
hold format, ring and rank. Programs are deflated JSON in their own order of the products. A run's
state is JSON in which NumPy arrays refer to raw blocks at the end.

Invariant: unpacking checks everything. Sizes are known beforehand and bound the inflating, and any
mismatch is a `FormatError`. The content hash of a scheme is compared, and programs are evaluated
exactly.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from flipsearch.catalogue.arguments import TENSOR_PREFIX
from flipsearch.catalogue.provenance import SHORT, Provenance
from flipsearch.errors import CatalogueError, FlipsearchError, FormatError, InvalidSchemeError
from flipsearch.formats import Format, parse_format
from flipsearch.formats.sparse import SparseTensor, parse_tensor, tensor_text
from flipsearch.programs import Reduction, reduction_from
from flipsearch.rings import IntArray, Ring, parse_ring
from flipsearch.scheme import Scheme

_BITS, _TRITS, _FIRST_INTEGER = 0, 1, 2
_INTEGERS = ("<i1", "<i2", "<i4", "<i8")
_RECIPE = b"\x3f"
_DEFLATED = 0x80
_RATIONAL = 0x40
_STATE_MAGIC = b"flipsearch state 1\n"
LARGEST_STATE_BYTES = 1 << 30
LARGEST_PROGRAM_BYTES = 1 << 26
_STATE_DTYPES = frozenset(
    ["|b1", "|u1", "|i1", *(f"<{kind}{size}" for kind in "ui" for size in (2, 4, 8)), "<f4", "<f8"]
)


def pack_scheme(scheme: Scheme) -> bytes:
    """Pack the factors of a scheme as bytes."""
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


def pack_recipe(how: str) -> bytes:
    """Return the text of a recipe as it is kept in the place of factors."""
    return _RECIPE + how.encode()


def recipe_in(data: bytes | None) -> str | None:
    """Return the text of the recipe that is kept in the place of factors, or None for factors."""
    if not data or data[:1] != _RECIPE:
        return None
    return data[1:].decode("ascii", "replace")


def unpack_scheme(data: bytes, format_: Format, ring: Ring, rank: int) -> Scheme:
    """Unpack the scheme whose factors `pack_scheme` packed, by the columns of its row.

    Bytes that are not the factors of such a scheme raise a `FormatError`.
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
        payload = inflate(payload, size)
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


def inflate(data: bytes, largest: int) -> bytes:
    """Inflate bytes to at most `largest` bytes.

    Data that is damaged, cut off, longer, or followed by other bytes raises a `FormatError`.
    """
    inflater = zlib.decompressobj()
    try:
        result = inflater.decompress(data, largest + 1)
    except zlib.error as error:
        raise FormatError(f"damaged ({error})") from None
    if len(result) > largest or not inflater.eof or inflater.unused_data:
        raise FormatError("damaged (wrong length), or too large")
    return result


def pack_state(state: Mapping[str, Any]) -> bytes:
    """Pack a run's state as bytes.

    The state holds JSON values in lists and mappings with string keys, nested arbitrarily, and
    NumPy arrays of booleans, integers or floats in any place. Tuples come back as lists. A value
    of another type raises a TypeError. More than `LARGEST_STATE_BYTES`, which `unpack_state` would
    refuse, raise a `CatalogueError`.
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
    """Unpack the state that `pack_state` packed; its arrays are new and writable.

    Other bytes, or too many inflated ones, raise a `FormatError`.
    """
    if not data.startswith(_STATE_MAGIC):
        raise FormatError("not a run's state")
    raw = inflate(data[len(_STATE_MAGIC) :], LARGEST_STATE_BYTES)
    try:
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
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
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


def pack_programs(reduction: Reduction) -> bytes:
    """Pack programs and denominators as bytes."""
    text = json.dumps(reduction.to_dict(), separators=(",", ":"))
    return zlib.compress(text.encode(), 6)


def unpack_programs(data: bytes, format_: Format, name: str, additions: int) -> Reduction:
    """Unpack the programs of a scheme and evaluate them again.

    `name` is the content hash that they must compute, `additions` the number of additions that
    they must have. Bytes that are no such programs raise a `FormatError`.
    """
    try:
        reduction = reduction_from(json.loads(inflate(data, LARGEST_PROGRAM_BYTES)), format_)
    except (FormatError, ValueError, RecursionError, InvalidSchemeError) as error:
        raise FormatError(f"programs cannot be used: {error}") from None
    if reduction.scheme.content_hash != name:
        raise FormatError("programs compute another scheme")
    if reduction.additions != additions:
        raise FormatError("programs need another number of additions than their row says")
    return reduction


def scheme_to_json(scheme: Scheme, provenance: Provenance | None = None) -> dict[str, Any]:
    """Return a scheme and its provenance as JSON values."""
    record: dict[str, Any] = {
        "format": str(scheme.format),
        "ring": scheme.ring.value,
        "u": scheme.u.tolist(),
        "v": scheme.v.tolist(),
        "w": scheme.w.tolist(),
    }
    if isinstance(scheme.format, SparseTensor):
        record["tensor"] = tensor_text(scheme.format)
    if (scheme.denominators != 1).any():
        record["denominators"] = scheme.denominators.tolist()
    if provenance is not None:
        record["provenance"] = provenance.to_dict()
    return record


def scheme_from_json(record: Any) -> tuple[Scheme, Provenance | None]:
    """Return the scheme and provenance of `scheme_to_json`; other values raise a `FormatError`."""
    try:
        u, v, w = (np.array(record[key]) for key in "uvw")
        denominators = np.array(record.get("denominators", [1] * len(u)))
        tensor = "tensor" in record
        format_ = parse_tensor(record["tensor"]) if tensor else parse_format(record["format"])
        scheme = Scheme(format_, parse_ring(record["ring"]), u, v, w, denominators)
        return scheme, Provenance.of_dict(record.get("provenance"))
    except FlipsearchError as error:
        raise FormatError(str(error)) from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise FormatError(f"not a scheme ({error})") from None


def format_of(name: str, definition: str | None) -> Format:
    """Return the format of a name; a tensor is parsed from its definition.

    A definition that is missing or another tensor's raises a `FormatError`, an unknown name a
    `UsageError`.
    """
    if not name.startswith(TENSOR_PREFIX):
        return parse_format(name)
    tensor = parse_tensor(definition or "")
    if tensor.name != name:
        raise FormatError(f"the definition of {name} is another tensor's")
    return tensor


def restored(data: bytes | None, format_: Format, ring: Ring, rank: int, name: str) -> Scheme:
    """Return the scheme of a row after comparing its hash, or raise a `CatalogueError`."""
    try:
        scheme = unpack_scheme(data or b"", format_, ring, rank)
        if scheme.content_hash == name:
            return scheme
        reason = "its content has another hash"
    except FormatError as error:
        reason = str(error)
    raise damaged(name, reason)


def damaged(name: str, reason: str) -> CatalogueError:
    """Return the error for a scheme whose row is damaged."""
    return CatalogueError(
        f"scheme {name[:SHORT]} is damaged in the catalogue ({reason}): run flipsearch doctor "
        "--catalogue, then import it again or restore a backup"
    )
