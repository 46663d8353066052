"""JSON schemes: FMM's dense form, its addition-reduced form, matmulcatalog's sparse form, ours.

All are one object with ``n`` (three sizes), ``m`` (the rank) and three factors whose rows are
products, W holding C transposed:

- dense: ``u``, ``v``, ``w`` as rows of integers, fractions as text such as ``"1/2"``;
- reduced: ``u_fresh`` ... name shared sums by indices from the dimension on, and rows are lists
  of ``{"index", "value"}``; ``w`` then has one row an *output*, over the products and the fresh
  sums of products;
- sparse: ``u_sparse`` ... map a row number to ``{"i": indices, "c": coefficients}``.

Ours is the dense form with the keys ``format``, ``ring``, ``hash`` and ``provenance`` added (and
``tensor`` for formats that are sparse tensors), so that structured formats and finite fields
survive the way out and back; other readers ignore them.

Invariant: whatever the object holds, the answer is a `Claim` or a `FormatError`.
"""

from __future__ import annotations

import json
from typing import Any

from flipsearch.errors import FormatError, UsageError
from flipsearch.files import numbers, reduced
from flipsearch.files.claims import Claim, terms_of
from flipsearch.files.limits import check_rank, check_sides
from flipsearch.formats import Format, MatrixProduct, parse_format
from flipsearch.formats.tensors import parse_tensor
from flipsearch.rings import Ring, parse_ring

_KEPT = ("source", "source_paper_url", "year", "authors", "lineage", "found-by")
_CHARACTERISTIC_ZERO = (Ring.ZT, Ring.Z, Ring.Q)


def load_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    FormatError
        It is no JSON, nests too deeply, or holds NaN or infinities.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except FormatError:
        raise
    except RecursionError:
        raise FormatError("it nests too deeply") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise FormatError(f"it is no JSON ({str(error)[:80]})") from None


def _refuse_constant(name: str) -> Any:
    raise FormatError(f"it holds {name}, which is no coefficient")


def claim_of(value: Any) -> Claim:
    """Return what one JSON object claims.

    Raises
    ------
    FormatError
        The object is not of one of the three forms.
    """
    if not isinstance(value, dict):
        raise FormatError(f"expected a JSON object but found {type(value).__name__}")
    if value.get("commutative") is True:
        raise FormatError(
            "it is a commutative algorithm, which is no bilinear scheme and cannot recurse"
        )
    format_ = _format(value)
    ring = _ring(value)
    said: dict[str, Any] = {"ring": ring, "meta": _meta(value)}
    rank = value.get("m", value.get("rank"))
    if rank is not None and (isinstance(rank, bool) or not isinstance(rank, int)):
        raise FormatError("the rank 'm' is no integer")
    if "u_sparse" in value:
        factors = _sparse(value, format_, rank)
    elif reduced.is_reduced(value):
        said["programs"] = reduced.programs_in(value, format_, rank)
        factors = tuple(reduced.factors_of(said["programs"]))
    elif all(name in value for name in "uvw"):
        for name in "uvw":
            _check_rows(value[name], name, format_, rank)
        factors = tuple(
            numbers.matrix(value[name], columns, name.upper())
            for name, columns in zip("uvw", format_.dimensions, strict=True)
        )
    else:
        raise FormatError("it has no factors 'u', 'v', 'w'")
    return terms_of(format_, *factors, **said)


def _check_rows(rows: Any, name: str, format_: Format, rank: int | None) -> None:
    """Refuse a factor of a wrong or absurd number of rows before it is converted."""
    if not isinstance(rows, list):
        raise FormatError(f"{name.upper()} is not a list of rows")
    if rank is not None and len(rows) != rank:
        raise FormatError(f"it says rank {rank} but {name.upper()} has {len(rows)} rows")
    check_rank(format_, len(rows))


def _format(value: dict[str, Any]) -> Format:
    named = value.get("format")
    if named is not None:
        if not isinstance(named, str):
            raise FormatError("'format' is no text")
        if named.startswith("tensor:"):
            return _tensor(value.get("tensor"), named)
        try:
            form = parse_format(named)
        except UsageError as error:
            raise FormatError(str(error)[:200]) from None
        if "n" in value and check_sides(value["n"]) != form.sides:
            raise FormatError(f"its sizes 'n' are not those of {form}")
        return form
    if "n" not in value:
        raise FormatError("it has no sizes 'n'")
    return MatrixProduct(*check_sides(value["n"]))


def _tensor(definition: Any, name: str) -> Format:
    """Return a format that is a sparse tensor, from the definition that stands in the file."""
    if not isinstance(definition, str):
        raise FormatError("its format is a tensor, and 'tensor' does not define it")
    form = parse_tensor(definition)
    if form.name != name:
        raise FormatError(f"'tensor' defines {form.name} instead of {name[:80]}")
    return form


def _ring(value: dict[str, Any]) -> Ring | None:
    named = value.get("ring")
    if named is None:
        return Ring.F2 if value.get("z2") is True else None
    try:
        return parse_ring(str(named)[:20])
    except UsageError as error:
        raise FormatError(str(error)) from None


def _meta(value: dict[str, Any]) -> dict[str, str]:
    kept: dict[str, str] = {}
    provenance = value.get("provenance")
    items = list(provenance.items()) if isinstance(provenance, dict) else []
    for key, item in [(key, value.get(key)) for key in _KEPT] + items[:50]:
        if isinstance(item, str | int) and not isinstance(item, bool) and str(item):
            kept[str(key)[:40]] = str(item)[:500]
    return kept


def _sparse(value: dict[str, Any], format_: Format, rank: int | None) -> tuple[Any, ...]:
    """Return the factors of matmulcatalog's sparse form."""
    if rank is None:
        raise FormatError("a sparse scheme needs its rank 'm'")
    check_rank(format_, rank)
    factors = []
    for name, columns in zip("uvw", format_.dimensions, strict=True):
        rows = value.get(f"{name}_sparse")
        if not isinstance(rows, dict) or len(rows) > rank:
            raise FormatError(f"'{name}_sparse' is no object of at most {rank} rows")
        dense: list[list[Any]] = [[0] * columns for _ in range(rank)]
        for key, row in rows.items():
            index = int(key) if key.isascii() and key.isdigit() and len(key) < 6 else rank
            if index >= rank:
                raise FormatError(f"row {key[:20]!r} of '{name}_sparse' is out of range")
            at, coefficients = (row.get("i"), row.get("c")) if isinstance(row, dict) else (0, 0)
            if not isinstance(at, list) or not isinstance(coefficients, list):
                raise FormatError(f"row {key} of '{name}_sparse' has no lists 'i' and 'c'")
            if len(at) != len(coefficients):
                raise FormatError(f"row {key} of '{name}_sparse' has lists of two lengths")
            for place, coefficient in zip(at, coefficients, strict=True):
                dense[index][_index(place, columns)] = coefficient
        factors.append(numbers.matrix(dense, columns, name.upper()))
    return tuple(factors)


def _index(place: Any, size: int) -> int:
    if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place < size:
        raise FormatError(f"index {str(place)[:20]} is out of range (0 to {size - 1})")
    return place
