"""Read JSON schemes: rows or columns of coefficients, sparse rows, bit masks, programs.

An object holds three factors under any of the usual names, W usually as C transposed, and mostly
``n`` (three sizes) and ``m`` (the rank). Entries are integers, fractions such as ``"1/2"`` or
floats. Other shapes are

- sparse: ``u_sparse`` ... map a row number to ``{"i": indices, "c": coefficients}``;
- reduced: ``u_fresh`` ... name shared sums, see `flipsearch.files.reduced`;
- masks: three integers a product, bit k for entry k, over F2.

Our own objects have rows, and the further keys ``format``, ``ring``, ``hash`` and ``provenance``
(``tensor`` for formats that are sparse tensors). These keys carry structured formats and finite
fields; other readers ignore them.

Invariant: every object gives a `Claim` or a `FormatError`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from flipsearch.errors import FormatError
from flipsearch.files import numbers, reduced
from flipsearch.files.claims import Claim, terms_of
from flipsearch.files.limits import check_rank
from flipsearch.files.matrices import Said, claims_of, said_in, triple_in
from flipsearch.files.tables import claims_of_masks
from flipsearch.formats import Format

_KEPT = ("source", "source_paper_url", "year", "authors", "lineage", "found-by")
_MOST_VALUES = 6_500_000
_MOST_LISTS = 1_000_000
_MASKS = ("scheme_bitmasks", "bitmasks", "masks", "scheme", "terms", "products")


def load_json(text: str | bytes) -> Any:
    """Return the value of a JSON text without NaN, infinities, or absurdly many values."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    check_json(text)
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except FormatError:
        raise
    except RecursionError:
        raise FormatError("it nests too deeply") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise FormatError(f"it is no JSON ({str(error)[:80]})") from None


def check_json(text: str) -> None:
    """Refuse a JSON text that holds absurdly much."""
    if max(text.count(","), text.count('"')) > _MOST_VALUES:
        raise FormatError(f"it holds more than {_MOST_VALUES} values")
    if text.count("[") + text.count("{") > _MOST_LISTS:
        raise FormatError(f"it holds more than {_MOST_LISTS} lists and objects")


def _refuse_constant(name: str) -> Any:
    raise FormatError(f"it holds {name}, which is no coefficient")


def claims_in(text: str, known: Said) -> Iterator[Claim]:
    """Yield the claims of the text of one JSON object; `known` holds its missing statements."""
    value = load_json(text)
    if not isinstance(value, dict):
        raise FormatError(f"expected a JSON object but found {type(value).__name__}")
    if value.get("commutative") is True:
        raise FormatError(
            "it is a commutative algorithm, which is no bilinear scheme and cannot recurse"
        )
    said = replace(said_in(value), meta=_meta(value), named=True)
    if said.format is None:
        said = replace(said, format=known.format)
    masks = next((value[key] for key in _MASKS if isinstance(value.get(key), list)), None)
    factors = triple_in(value)
    if "u_sparse" in value or reduced.is_reduced(value):
        if said.format is None or said.rank is None:
            raise FormatError("it has no sizes 'n', or no rank 'm', which its form needs")
        check_rank(said.format, said.rank)
        yield _by_parts(value, said, said.format, said.rank)
    elif factors is not None:
        rows = [len(factor) for factor in factors if isinstance(factor, list)]
        if said.format is not None and len(rows) == 3:
            check_rank(said.format, min(rows))
        arrays = [numbers.exact(x, name) for x, name in zip(factors, "UVW", strict=True)]
        yield from claims_of(arrays, said)
    elif masks is not None:
        yield from claims_of_masks(masks, said)
    elif said.format is not None or said.rank is not None:
        shown = f" of {said.format}" if said.format is not None else ""
        raise FormatError(
            f"it describes a scheme{shown} and holds none: it has no factors 'u', 'v', 'w'"
        )
    else:
        raise FormatError("it has no factors 'u', 'v', 'w'")


def _by_parts(value: dict[str, Any], said: Said, form: Format, rank: int) -> Claim:
    """Return the claim of a sparse or a reduced object."""
    programs = None
    if "u_sparse" in value:
        factors = [
            _sparse(value.get(f"{name}_sparse"), name, rank, width)
            for name, width in zip("uvw", form.dimensions, strict=True)
        ]
    else:
        programs = reduced.programs_in(value, form, rank)
        factors = reduced.factors_of(programs)
    return terms_of(form, factors, ring=said.ring, meta=said.meta, programs=programs)


def _meta(value: Mapping[str, Any]) -> dict[str, str]:
    kept: dict[str, str] = {}
    provenance = value.get("provenance")
    items = list(provenance.items()) if isinstance(provenance, dict) else []
    for key, item in [(key, value.get(key)) for key in _KEPT] + items[:50]:
        if isinstance(item, str | int) and not isinstance(item, bool) and str(item):
            kept[str(key)[:40]] = str(item)[:500]
    return kept


def _sparse(rows: Any, name: str, rank: int, columns: int) -> numbers.Table:
    """Return a factor of matmulcatalog's sparse form."""
    if not isinstance(rows, dict) or len(rows) > rank:
        raise FormatError(f"'{name}_sparse' is no object of at most {rank} rows")
    places: list[tuple[int, int]] = []
    values: list[Any] = []
    for key, row in rows.items():
        index = int(key) if key.isascii() and key.isdigit() and len(key) < 6 else rank
        at, coefficients = (row.get("i"), row.get("c")) if isinstance(row, dict) else (0, 0)
        if not isinstance(at, list) or not isinstance(coefficients, list):
            raise FormatError(f"row {key[:20]} of '{name}_sparse' has no lists 'i' and 'c'")
        if len(at) != len(coefficients):
            raise FormatError(f"row {key[:20]} of '{name}_sparse' has lists of two lengths")
        if index >= rank or any(type(k) is not int or not 0 <= k < columns for k in at):
            raise FormatError(
                f"row {key[:20]} or an index in it is out of range in '{name}_sparse'"
            )
        places += [(index, place) for place in at]
        values += [x if type(x) is int else numbers.fraction(x) for x in coefficients]
    at_rows, at_columns = zip(*places, strict=True) if places else ((), ())
    return numbers.scattered((rank, columns), at_rows, at_columns, values, f"'{name}_sparse'")
