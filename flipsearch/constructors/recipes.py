"""Recipes: schemes said by how they are made of others, a line a scheme.

Large schemes are compositions of small ones. A recipe names a move and its sources by the
beginnings of their hashes, in the sides that the move wants them in:

    merge n be531090e4a11f5c:2x4x5 naive:1x4x5
    product 351108e80c9c57a3:4x4x4 be531090e4a11f5c:2x2x2
    project p 3 055b8d56aa3c1d2e:5x5x5
    serendipity 2x2x1 0=1.4+1=2.3.7 351108e80c9c57a3:4x4x4 ...
    uneven 4.3x4.4x4.4 be531090e4a11f5c:2x2x2 351108e80c9c57a3:4x4x4 ...
    construct trilinear
    blocks 5f0c2d1e9a7b3c44:ug:3x3x6@0.0.0 be531090e4a11f5c:3x3x6@0.3.0 ...

A source may be made by a recipe itself. Blocks name the first row, inner index and column of each
source, `t` for a transposed block and `r` for one with all indices reversed. Naive products make
up the rest.

Invariant: replaying is exact and always gives the same scheme: the recipe's hash is that of its
content, and `replayed` returns nothing else. Whether it satisfies its Brent equations is proved by
whoever takes it in.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from flipsearch.errors import FlipsearchError, FormatError
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.rings import Ring, parse_ring
from flipsearch.scheme import Scheme, naive_scheme

if TYPE_CHECKING:
    from flipsearch.transform import Group
    from flipsearch.transform.dimensions import Part
    from flipsearch.transform.uneven import Sizes

Sides = tuple[int, int, int]
Fetch = Callable[[str], Scheme]
NAIVE = "naive"
NAMED = 16
"""Digits of a hash by which a recipe names a source."""
MOVES = ("merge", "product", "project", "serendipity", "uneven", "construct", "blocks")
_SOURCE = re.compile(
    rf"({NAIVE}|[0-9a-f]{{{NAMED}}}):((?:[a-z]{{2}}:)?\d+x\d+x\d+)(?:@(\d+)\.(\d+)\.(\d+)(t?)(r?))?"
)


@dataclass(frozen=True)
class Recipe:
    """The way to make a scheme, and the scheme's columns.

    Parameters
    ----------
    format : MatrixProduct
        General with its sides in order, or structured.
    ring : Ring
        The smallest ring that holds the scheme.
    hash : str
        Content hash of the scheme.
    additions, nonzeros, growth
        As `Scheme` counts them.
    calls, gamma : int, float or None
        Of block recursion with a structured format: see `flipsearch.formats.recursion`.
    denominator : int
        The product of those of 2 and 3 that divide a denominator of the scheme.
    greatest_denominator : int
        See `Scheme.greatest_denominator`.
    how : str
        The move and its sources.
    """

    format: MatrixProduct
    ring: Ring
    rank: int
    hash: str
    additions: int
    nonzeros: int
    calls: int | None
    gamma: float | None
    growth: float | None
    denominator: int
    greatest_denominator: int
    how: str

    @property
    def sources(self) -> list[tuple[str, MatrixProduct]]:
        """The beginnings of the hashes of what it is made of, with the formats, in order."""
        return sources_of(self.how)


COLUMNS = tuple(field.name for field in fields(Recipe))


def sources_of(how: str) -> list[tuple[str, MatrixProduct]]:
    """Return (name, format) of the sources in the text of a recipe."""
    found = (_SOURCE.fullmatch(word) for word in how.split())
    return [(match[1], parse_format(match[2])) for match in found if match is not None]


def summary(how: str) -> str:
    """Return a recipe in a few words: ``merge of 4x9x8 and 4x9x3``.

    Naive sources count like others. Of more than four sources the others are only counted.
    """
    move, *words = how.split()
    parts = [str(format_) for _, format_ in sources_of(how)]
    if not parts:
        return " ".join([move, *words[:1]])
    if len(parts) > 4:
        parts[3:] = [f"{len(parts) - 3} more"]
    head = ", ".join(parts[:-1])
    return f"{move} of {head} and {parts[-1]}" if head else f"{move} of {parts[0]}"


def source(name: str, sides: Sides) -> str:
    """Return a source as recipes write it."""
    return f"{name[:NAMED]}:{'x'.join(map(str, sides))}"


def replayed(how: str, format_: MatrixProduct, ring: Ring, fetch: Fetch) -> Scheme:
    """Return the scheme that a recipe makes, in canonical form over its natural ring.

    Over F2 and F3 sources are reduced first; otherwise the move is made over the smallest ring
    that holds them all. `fetch` leads from the beginning of a hash to a scheme. Raises
    `FormatError` if the text is no recipe for the format, or does not fit together.
    """
    from flipsearch.transform.symmetry import oriented  # catalogues open without compiled code

    try:
        made = _made(how.split(), format_, ring, fetch)
    except (FlipsearchError, ValueError, IndexError) as error:
        raise FormatError(f"recipe {how[:60]!r} for {format_}: {error}") from None
    if not isinstance(made.format, MatrixProduct) or made.format.sorted != format_.sorted:
        raise FormatError(f"recipe {how[:60]!r} makes {made.format}, not {format_}")
    made = oriented(made, format_)
    return made.canonical.over(made.natural_ring)


def _made(words: Sequence[str], format_: MatrixProduct, ring: Ring, fetch: Fetch) -> Scheme:
    from flipsearch.constructors.constructor import CONSTRUCTORS
    from flipsearch.transform import assemble, merge, product, project, serendipitous_product
    from flipsearch.transform.dimensions import matrix_format
    from flipsearch.transform.symmetry import oriented
    from flipsearch.transform.uneven import uneven_product

    given = [
        (wanted, naive_scheme(wanted, ring) if name == NAIVE else fetch(name))
        for name, wanted in sources_of(" ".join(words))
    ]
    over = ring
    if not ring.characteristic:
        over = max((scheme.ring for _, scheme in given), key=list(Ring).index, default=ring)
        if words[0] == "blocks" and over is Ring.ZT:
            over = Ring.Z  # the two entries of a block that are one parameter may add up to 2
    ordered = [oriented(scheme.over(over), wanted) for wanted, scheme in given]
    match words[0]:
        case "merge":
            first, *rest = ordered
            for other in rest:
                first = merge(first, other, words[1])
            return first
        case "product":
            one, two = ordered
            return product(one, two)
        case "project":
            return project(ordered[0], words[1], int(words[2]))
        case "serendipity":
            inner, groups = sides_in(words[1]), groups_in(words[2])
            blocks = {matrix_format(scheme).sides: scheme for scheme in ordered[1:]}
            return serendipitous_product(
                ordered[0], inner, groups, lambda n, m, p: blocks[n, m, p]
            )
        case "uneven":
            blocks = {matrix_format(scheme).sides: scheme for scheme in ordered[1:]}
            return uneven_product(ordered[0], sizes_in(words[1]), lambda *sides: blocks[sides])
        case "construct":
            maker = CONSTRUCTORS.get(words[1])
            rings = [ring] if ring.characteristic else [Ring.ZT, Ring.Z, Ring.Q]
            over = next(each for each in rings if maker.rank(format_, each) is not None)
            return maker.build(format_, over)
        case "blocks":
            return assemble(
                format_, over, [_part(*pair) for pair in zip(ordered, words[1:], strict=True)]
            )
    raise FormatError(f"no move {words[0]!r}: there are {', '.join(MOVES)}")


def _part(scheme: Scheme, word: str) -> Part:
    """Return a scheme at the place that its source in a recipe names."""
    from flipsearch.transform.dimensions import Part, matrix_format

    match = _SOURCE.fullmatch(word)
    if match is None or match[3] is None:
        raise FormatError(f"{word!r} names no place: write HASH:FORMAT@0.0.0")
    ranges = [
        range(int(first), int(first) + side)[:: -1 if match[7] else 1]
        for first, side in zip(match.groups()[2:5], matrix_format(scheme).sides, strict=True)
    ]
    return Part(scheme, *ranges, transposed=bool(match[6]))


def sides_in(text: str) -> Sides:
    """Return the sides of ``2x3x4``."""
    return parse_format(text).sides


def sizes_in(text: str) -> Sizes:
    """Return the sizes of blocks of ``2.2x3.3x3.4``."""
    n, m, p = (tuple(map(int, part.split("."))) for part in text.split("x"))
    return n, m, p


def groups_in(text: str) -> list[Group]:
    """Return the groups of ``0=1.4+1=2.3.7``: slot 0 of rows 1 and 4, slot 1 of 2, 3 and 7."""
    from flipsearch.transform import Group

    groups = []
    for part in text.split("+"):
        slot, _, rows = part.partition("=")
        groups.append(Group(int(slot), tuple(int(row) for row in rows.split("."))))
    return groups


def written_groups(groups: Iterable[Group]) -> str:
    """Return groups as recipes write them."""
    return "+".join(f"{group.slot}={'.'.join(map(str, group.members))}" for group in groups)


def read_recipes(text: str, name: str) -> Iterator[Recipe]:
    """Yield the recipes of a CSV table with the columns `COLUMNS`.

    Raises `FormatError`, which names the line, if the text is no such table.
    """
    reader = csv.DictReader(io.StringIO(text))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise FormatError(f"{name} is no table of recipes: its first line must be {COLUMNS}")
    for row in reader:
        try:
            if not re.fullmatch("[0-9a-f]{64}", row["hash"]):
                raise FormatError(f"{row['hash'][:20]!r} is no hash")
            yield Recipe(
                parse_format(row["format"]),
                parse_ring(row["ring"]),
                int(row["rank"]),
                row["hash"],
                int(row["additions"]),
                int(row["nonzeros"]),
                int(row["calls"]) if row["calls"] else None,
                float(row["gamma"]) if row["gamma"] else None,
                float(row["growth"]) if row["growth"] else None,
                int(row["denominator"]),
                int(row["greatest_denominator"]),
                row["how"],
            )
        except (FlipsearchError, ValueError, TypeError) as error:
            raise FormatError(f"{name}, line {reader.line_num}: {error}") from None


def written_recipes(recipes: Iterable[Recipe]) -> str:
    """Return the table that `read_recipes` reads."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for recipe in recipes:
        values = [getattr(recipe, name) for name in COLUMNS]
        writer.writerow(["" if value is None else value for value in values])
    return out.getvalue()
