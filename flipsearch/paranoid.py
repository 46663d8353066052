"""Prove exported schemes a second time in plain Python, with the standard library only.

    python paranoid.py FILE.json...

Anyone can check an exported scheme with this one file. It needs no installation, imports nothing
of the rest of the program, and so needs no trust in it. It computes the target tensor itself by
multiplying symbolic matrices, or reads the tensor that the file defines. It adds up every term in
Python's integers and fractions. It is slow and short on purpose. `flipsearch verify --paranoid`
runs it after the fast verifier.

It proves that sum_r u_r (x) v_r (x) w_r equals the tensor of the product that the file names, over
the ring that the file names. W holds the output transposed. The free entries of structured
operands are numbered along the upper triangle, row by row. The name of a tensor ends with a
digest of its dimensions and entries, which is checked.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from fractions import Fraction
from typing import Any

Polynomial = dict[int, int]  # coordinate -> coefficient: one entry of a symbolic matrix
Tensor = dict[tuple[int, int, int], int]


class NotAScheme(Exception):  # noqa: N818 - it is the verdict, not a fault of this program
    """The document does not prove its claim; the message says where."""


def operand(letter: str, rows: int, columns: int) -> list[list[Polynomial]]:
    """Return a symbolic matrix for an operand letter g, u, l, s, k or w (docs/formats.md)."""
    if letter == "g":
        return [[{i * columns + j: 1} for j in range(columns)] for i in range(rows)]
    if rows != columns:
        raise NotAScheme(f"a structured operand must be square, not {rows}x{columns}")
    matrix: list[list[Polynomial]] = [[{} for _ in range(columns)] for _ in range(rows)]
    number = 0
    for i in range(rows):
        for j in range(i + 1 if letter == "k" else i, columns):
            if letter == "l":
                matrix[j][i] = {number: 1}
            else:
                matrix[i][j] = {number: 1}
                if letter == "s":
                    matrix[j][i] = {number: 1}
                elif letter in "kw" and i != j:
                    matrix[j][i] = {number: -1}
                elif letter not in "ukw":
                    raise NotAScheme(f"unknown operand letter {letter!r}")
            number += 1
    return matrix


def target(name: str) -> tuple[tuple[int, int, int], Tensor]:
    """Return the three dimensions and the tensor of a format name such as 4x5x6 or gt:4x4x4c."""
    pattern = r"(?:([gulskw])([gulskwt]):)?(\d{1,3})x(\d{1,3})x(\d{1,3})([abc]?)"
    match = re.fullmatch(pattern, name)
    if match is None:
        raise NotAScheme(f"unknown format {name!r}")
    left, right = match[1] or "g", match[2] or "g"
    n, m, p = int(match[3]), int(match[4]), int(match[5])
    largest = 16 if match[1] or match[6] else 32
    if min(n, m, p) < 1 or max(n, m, p) > largest:
        raise NotAScheme(f"sides are 1 to {largest}")
    a = operand(left, n, m)
    if right == "t":
        if n != p:
            raise NotAScheme("a matrix times its transpose is square")
        b = [[a[k][j] for k in range(p)] for j in range(m)]
    else:
        b = operand(right, m, p)
    packed = right == "t" or left + right == "uu"
    places: dict[tuple[int, int], int] = {}
    if packed:
        for i in range(n):
            for k in range(i, p):
                places[i, k] = len(places)
    else:
        for k in range(p):
            for i in range(n):
                places[i, k] = len(places)
    outputs = len(places)
    if match[6] in ("a", "c"):
        places.pop((0, 0))
    if match[6] in ("b", "c"):
        places.pop((n - 1, p - 1), None)  # 1x1x1 has one corner only
    tensor: Tensor = {}
    for (i, k), c in places.items():
        for j in range(m):
            for x, s in a[i][j].items():
                for y, t in b[j][k].items():
                    tensor[x, y, c] = tensor.get((x, y, c), 0) + s * t
    dimensions = (_parameters(a), _parameters(a) if right == "t" else _parameters(b), outputs)
    return dimensions, tensor


def given_tensor(name: str, text: Any) -> tuple[tuple[int, int, int], Tensor]:
    """Return the dimensions and entries of a tensor file; it counts from 1 in ``a b c value``."""
    if not isinstance(text, str):
        raise NotAScheme(f"the document does not define {name}")
    sizes: list[int] = []
    tensor: Tensor = {}
    for line in text.splitlines():
        row, _, comment = line.partition("#")
        key, _, value = comment.partition(":")
        if key.strip() == "dimensions":
            sizes = [int(size) for size in value.split()]
        if row.strip():
            a, b, c, entry = (int(number) for number in row.split())
            place = a - 1, b - 1, c - 1
            tensor[place] = tensor.get(place, 0) + entry
    tensor = {place: entry for place, entry in sorted(tensor.items()) if entry}
    inside = all(0 <= x < size for place in tensor for x, size in zip(place, sizes, strict=False))
    if len(sizes) != 3 or not inside:
        raise NotAScheme(f"the definition of {name} has no dimensions, or entries outside them")
    dimensions = sizes[0], sizes[1], sizes[2]
    entries = tuple((*place, entry) for place, entry in tensor.items())
    text = f"flipsearch tensor 1\n{(dimensions, entries)!r}"
    if name.rpartition(":")[2] != hashlib.sha256(text.encode()).hexdigest()[:12]:
        raise NotAScheme(f"the document defines another tensor than {name}")
    return dimensions, tensor


def _parameters(matrix: list[list[Polynomial]]) -> int:
    return len({x for row in matrix for entry in row for x in entry})


def check(document: Any) -> None:
    """Prove the scheme of a parsed JSON document; raises `NotAScheme`, which names the fault."""
    if not isinstance(document, dict):
        raise NotAScheme("the document is no object")
    name = document.get("format")
    if name is None:
        sizes = document.get("n")
        if not isinstance(sizes, list) or len(sizes) != 3:
            raise NotAScheme("the document names no format and no sizes")
        name = "x".join(str(side) for side in sizes)
    ring = document.get("ring") or ("F2" if document.get("z2") is True else "Q")
    if ring not in ("F2", "F3", "ZT", "Z", "Q"):
        raise NotAScheme(f"unknown ring {ring!r}")
    if str(name).startswith("tensor:"):
        dimensions, tensor = given_tensor(str(name), document.get("tensor"))
    else:
        dimensions, tensor = target(str(name))
    factors = [
        _factor(document.get(key), size, str(ring), key)
        for key, size in zip("uvw", dimensions, strict=True)
    ]
    if not len(factors[0]) == len(factors[1]) == len(factors[2]):
        raise NotAScheme("the factors have different numbers of rows")
    if "m" in document and document["m"] != len(factors[0]):
        raise NotAScheme(f"the document says rank {document['m']}, not {len(factors[0])}")
    _compare(_sum(factors), tensor, {"F2": 2, "F3": 3}.get(str(ring), 0))


def _factor(rows: Any, size: int, ring: str, key: str) -> list[dict[int, Fraction | int]]:
    """Return the nonzero entries of each row, checked to lie in the ring."""
    if not isinstance(rows, list):
        raise NotAScheme(f"factor {key!r} is missing")
    result = []
    for row in rows:
        if not isinstance(row, list) or len(row) != size:
            raise NotAScheme(f"a row of {key!r} does not have {size} entries")
        entries: dict[int, Fraction | int] = {}
        for place, entry in enumerate(row):
            value = Fraction(entry) if type(entry) is int else _rational(entry)
            fits = (
                value.denominator == 1
                and (ring == "Z" or abs(value) <= 1)
                and (ring != "F2" or value >= 0)
            )
            if ring != "Q" and not fits:
                raise NotAScheme(f"entry {entry!r} of {key!r} is not in {ring}")
            if value:
                entries[place] = int(value) if value.denominator == 1 else value
        result.append(entries)
    return result


def _rational(entry: Any) -> Fraction:
    if isinstance(entry, str) and re.fullmatch(r"[+-]?\d+(/[1-9]\d*)?", entry):
        return Fraction(entry)
    raise NotAScheme(f"entry {entry!r} is no integer and no fraction")


def _sum(factors: list[list[dict[int, Fraction | int]]]) -> dict[tuple[int, int, int], Any]:
    total: dict[tuple[int, int, int], Any] = {}
    for u, v, w in zip(*factors, strict=True):
        for a, x in u.items():
            for b, y in v.items():
                xy = x * y
                for c, z in w.items():
                    place = (a, b, c)
                    total[place] = total.get(place, 0) + xy * z
    return total


def _compare(total: dict[tuple[int, int, int], Any], tensor: Tensor, modulus: int) -> None:
    for place in sorted(total.keys() | tensor.keys()):
        found, expected = total.get(place, 0), tensor.get(place, 0)
        difference = found - expected
        if difference % modulus if modulus else difference:
            a, b, c = (coordinate + 1 for coordinate in place)
            raise NotAScheme(
                f"the Brent equation of coordinates {a}, {b}, {c} gives {found} instead of "
                f"{expected}" + (f" modulo {modulus}" if modulus else "")
            )


def check_text(text: str) -> None:
    """Prove the scheme of a JSON text; raises `NotAScheme` as `check` does, or if it is none."""
    try:
        check(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise NotAScheme(f"it cannot be read ({error})") from None


def main(paths: list[str]) -> int:
    """Check files, print a line each, and return 0 if all are proved."""
    if not paths:
        print("usage: python paranoid.py FILE.json...", file=sys.stderr)
        return 2
    failed = 0
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                check_text(file.read())
            print(f"{path}: proved")
        except (OSError, UnicodeDecodeError, NotAScheme) as error:
            failed += 1
            print(f"{path}: NOT PROVED: {error}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
