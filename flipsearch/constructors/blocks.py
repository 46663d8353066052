"""Matrix products from blocks: the least rank that schemes at hand give, and how.

A *box* of a product A B holds the products a_ij b_jk with i, j and k in three ranges. It is itself
a product of two blocks, which are structured where they lie on a diagonal: a smaller format, or a
case of a more general one. A box takes the rank of such a format, or those of the two boxes into
which a cut of one range divides it. Boxes of one format at the same distance from the diagonals
agree, and many are shared. One dynamic programme finds the least rank of all such divisions.
Structured matrices times vectors enter as formats with a side 1.

Invariant: the boxes of a division hold each product of the format that an output needs once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from operator import itemgetter

from flipsearch.constructors.constructor import Constructor, constructors, offers
from flipsearch.constructors.making import recipe_of
from flipsearch.constructors.recipes import NAIVE, NAMED, Fetch, Recipe, replayed
from flipsearch.errors import UsageError
from flipsearch.formats import OPERANDS, MatrixProduct
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.dimensions import matrix_format, tied_dimensions
from flipsearch.transform.symmetry import DUALS
from flipsearch.verify import verify

Span = tuple[int, int]
"""The first index of a range, and the one behind its last."""
Box = tuple[Span, Span, Span]
"""The ranges of rows, inner indices and columns."""
Cut = tuple[int, int]
"""The number of a range, and how many of its indices come before the cut."""
CONSTRUCT = "construct"
FAR = 1 << 40
"""Stands for a rank that is not reached."""
_TRANSPOSED = str.maketrans("ul", "lu")
_GENERAL = {"g": "g", "k": "kwg"}
"""The letters of which a matrix is a case, itself first; of the others ``g`` is the only one."""


@dataclass(frozen=True)
class Block:
    """A box as a case of a format, its operands transposed or its indices reversed if need be."""

    format: MatrixProduct
    box: Box
    transposed: bool = False
    reversed: bool = False

    def source(self, name: str) -> str:
        """Return the block as recipes write it, from the scheme of a name."""
        starts = [first for first, _ in self.box]
        if self.transposed:
            starts.reverse()
        flags = "t" * self.transposed + "r" * self.reversed
        return f"{name[:NAMED]}:{self.format}@{'.'.join(map(str, starts))}{flags}"


@dataclass(frozen=True)
class Choice:
    """The least rank of a format, and the choice that gives it.

    `format` is the format itself, or its dual. `name` is the hash of a scheme at hand, ``naive``,
    ``construct`` and a constructor, or empty for blocks.
    """

    rank: int
    format: MatrixProduct
    name: str = ""


class Blocks:
    """The least ranks that schemes at hand reach over one ring by blocks.

    Parameters
    ----------
    held : mapping of MatrixProduct to (rank, name)
        The schemes at hand over the ring: ranks, and hashes by which they are fetched. General
        formats have their sides in order.
    formulas : bool
        Whether `flipsearch.constructors` count too.
    """

    def __init__(
        self, ring: Ring, held: Mapping[MatrixProduct, tuple[int, str]], *, formulas: bool = True
    ) -> None:
        self.ring = ring
        self._held = dict(held)
        self._makers: dict[str, Constructor] = constructors() if formulas else {}
        self._choices: dict[MatrixProduct, Choice] = {}
        self._costs: dict[tuple[str, Box], tuple[int, Cut | None]] = {}

    def add(self, format_: MatrixProduct, rank: int, name: str) -> None:
        """Add a scheme at hand; ranks of other formats that were asked for before stay."""
        self._held[format_] = rank, name
        self._choices[format_] = chosen = Choice(rank, format_, name)
        if self.choice(dual_format(format_)).rank > rank:
            self._choices[dual_format(format_)] = chosen

    def choice(self, format_: MatrixProduct) -> Choice:
        """Return how the least rank of a format comes about."""
        format_ = format_.sorted
        if format_ not in self._choices:
            choices = {f: self._chosen(f) for f in (format_, dual_format(format_))}
            least = min(choices.values(), key=lambda choice: (choice.rank, not choice.name))
            for same, own in choices.items():
                keeps = own.name and own.rank == least.rank
                self._choices[same] = own if keeps else least
        return self._choices[format_]

    def rank(self, format_: MatrixProduct) -> int:
        """Return the least rank of a format."""
        return self.choice(format_).rank

    def divided(self, format_: MatrixProduct) -> int:
        """Return the least rank of a format by blocks, the schemes of its own left out."""
        return self._least(format_, whole(format_))[0]

    def blocks(self, format_: MatrixProduct) -> list[Block]:
        """Return the blocks that give `divided`."""
        return list(self._blocks(format_, whole(format_)))

    def _chosen(self, format_: MatrixProduct) -> Choice:
        choices = []
        if format_ in self._held:
            rank, name = self._held[format_]
            choices.append(Choice(rank, format_, name))
        choices.append(Choice(format_.naive_rank, format_, NAIVE))
        for rank, name in offers(format_, self.ring, self._makers)[:1]:
            choices.append(Choice(rank, format_, f"{CONSTRUCT} {name}"))
        choices.append(Choice(self.divided(format_), format_))
        return min(choices, key=lambda choice: choice.rank)

    def _cost(self, format_: MatrixProduct, box: Box) -> tuple[int, Cut | None]:
        """Return the least rank of a box within a format, and the cut if one gives it."""
        key = format_.operands, shifted(format_, box)
        if key not in self._costs:
            self._costs[key] = self._least(format_, box)
        return self._costs[key]

    def _least(self, format_: MatrixProduct, box: Box) -> tuple[int, Cut | None]:
        """Return the least rank of the readings of a box and of its cuts; the best cut."""
        if is_nothing(format_, box):
            return 0, None
        best, cut = self._read(format_, box)[0], None
        if box != whole(format_) and is_exact(format_, box):
            return best, None  # its cuts are those of the smaller format
        for d, (low, high) in enumerate(box):
            for at in range(1, high - low):
                one, two = halves(box, (d, at))
                total = self._cost(format_, one)[0]
                if total < best:
                    total += self._cost(format_, two)[0]
                if total < best:
                    best, cut = total, (d, at)
        return best, cut

    def _read(self, format_: MatrixProduct, box: Box) -> tuple[int, Block | None]:
        """Return the best reading of a box, of a whole format without itself, and its rank."""
        own = (format_, dual_format(format_)) if box == whole(format_) else ()
        readings = (block for block in readings_of(format_, box) if block.format not in own)
        ranked = ((self.rank(block.format), block) for block in readings)
        return min(ranked, key=itemgetter(0), default=(FAR, None))

    def _blocks(self, format_: MatrixProduct, box: Box) -> Iterator[Block]:
        is_whole = box == whole(format_)
        rank, cut = self._least(format_, box) if is_whole else self._cost(format_, box)
        if cut is not None:
            for half in halves(box, cut):
                yield from self._blocks(format_, half)
        elif rank and (block := self._read(format_, box)[1]):
            yield block


class BlockMaker:
    """Makes the schemes of `Blocks`, which learn their ranks, and writes down their recipes.

    `fetch` leads from the beginning of a hash to a scheme at hand.
    """

    def __init__(self, blocks: Blocks, fetch: Fetch) -> None:
        self.blocks, self._at_hand = blocks, fetch
        self.recipes: dict[str, Recipe] = {}
        self._made: dict[str, Scheme] = {}

    def fetch(self, name: str) -> Scheme:
        """Return a scheme made here or at hand."""
        made = self._made.get(name[:NAMED])
        return self._at_hand(name) if made is None else made

    def assembled(self, format_: MatrixProduct) -> tuple[Scheme, str]:
        """Return the scheme that blocks give, proved, and its recipe.

        Schemes of the format itself are left out. Raises `UsageError` if the format has a corner
        suffix, or the blocks do not add up to a scheme over the ring.
        """
        if format_.corner:
            raise UsageError(f"{format_}: blocks compute every corner, leave the suffix out")
        blocks = self.blocks.blocks(format_)
        sources = [block.source(self.name(block.format)) for block in blocks]
        how = " ".join(["blocks", *(each for each in sources if not each.startswith(NAIVE))])
        return self._replayed(how, format_), how

    def name(self, format_: MatrixProduct) -> str:
        """Return the hash of a scheme of least rank (or of its dual), or ``naive``; make it."""
        choice = self.blocks.choice(format_)
        how, made = choice.name, choice.format
        if how and not how.startswith(CONSTRUCT):
            return how
        return self._kept(*((self._replayed(how, made), how) if how else self.assembled(made)))

    def own_name(self, format_: MatrixProduct) -> str:
        """Return the hash of a scheme of least rank of the format itself, made if need be."""
        name = self.name(format_)
        if name != NAIVE and self.blocks.choice(format_).format == format_:
            return name
        how = "" if name == NAIVE else Block(format_, whole(format_)).source(name)
        how = f"blocks {how}".rstrip()
        return self._kept(self._replayed(how, format_), how)

    def _kept(self, scheme: Scheme, how: str) -> str:
        """Keep a scheme that was made and its recipe; return its hash."""
        name = scheme.content_hash
        self._made[name[:NAMED]] = scheme
        self.recipes[name[:NAMED]] = recipe_of(scheme, how)
        self.blocks.add(matrix_format(scheme), scheme.rank, name)
        return name

    def _replayed(self, how: str, format_: MatrixProduct) -> Scheme:
        ring = self.blocks.ring
        scheme = replayed(how, format_, ring, self.fetch)
        if not ring.characteristic and ring is not Ring.Q:
            scheme.over(ring)  # raises where sums of coefficients have left the ring
        verify(scheme)
        return scheme


def dual_format(format_: MatrixProduct) -> MatrixProduct:
    """Return the format with the same tensor up to the order of factors, or the format itself."""
    partner = DUALS.get(format_.operands)
    if partner is None or format_.corner:
        return format_
    n, m, p = format_.sides
    sides = {"ug": (n, p, n), "gt": (n, n, m)}.get(format_.operands, (n, n, n))
    return MatrixProduct(*sides, partner)


def whole(format_: MatrixProduct) -> Box:
    """Return the box that holds all products of a format."""
    n, m, p = format_.sides
    return (0, n), (0, m), (0, p)


def halves(box: Box, cut: Cut) -> tuple[Box, Box]:
    """Return the two boxes into which a cut divides a box."""
    d, at = cut
    low, high = box[d]
    one, two = (low, low + at), (low + at, high)
    before, after = box[:d], box[d + 1 :]
    return (*before, one, *after), (*before, two, *after)  # type: ignore[return-value]


def shifted(format_: MatrixProduct, box: Box) -> Box:
    """Return the box moved towards index 0 as far as the ties of its sides allow."""
    (a, b), (c, d), (e, f) = box
    starts = a, c, e
    x, y, z = (min([starts[d] for d in tied]) for tied in _ties(format_.operands))
    return (a - x, b - x), (c - y, d - y), (e - z, f - z)


@cache
def _ties(operands: str) -> list[tuple[int, ...]]:
    """Return the sides that change together with each side."""
    return [tied_dimensions(MatrixProduct(2, 2, 2, operands), d) for d in range(3)]


def block_letter(letter: str, rows: Span, columns: Span) -> str:
    """Return what a block of a structured matrix is a case of, or nothing where it vanishes."""
    if rows == columns:
        return "" if letter == "k" and rows[1] - rows[0] == 1 else letter
    below, above = columns[1] <= rows[0], rows[1] <= columns[0]
    return "" if (letter, below, above) in (("u", True, False), ("l", False, True)) else "g"


def letters(format_: MatrixProduct, box: Box) -> tuple[str, str]:
    """Return the letters of the two blocks of a box."""
    rows, inner, columns = box
    left = block_letter(format_.operands[0], rows, inner)
    if format_.is_gram:
        return left, block_letter(format_.operands[0], columns, inner).translate(_TRANSPOSED)
    return left, block_letter(format_.operands[1], inner, columns)


def is_nothing(format_: MatrixProduct, box: Box) -> bool:
    """Whether no output needs a product of the box."""
    below = format_.is_packed_output and box[2][1] <= box[0][0]
    return below or not all(letters(format_, box))


def is_exact(format_: MatrixProduct, box: Box) -> bool:
    """Whether the first reading of a box is the box itself: no two ranges overlap in part."""
    rows, inner, columns = box
    structured = format_.operands[0] != "g"
    pairs = [
        (rows, inner, structured),
        (inner, columns, structured if format_.is_gram else format_.operands[1] != "g"),
        (rows, columns, format_.is_packed_output),
    ]
    return all(
        one == two or one[1] <= two[0] or two[1] <= one[0] for one, two, tied in pairs if tied
    )


def readings_of(format_: MatrixProduct, box: Box) -> Iterator[Block]:
    """Yield the formats of which a box is a case, with the way in which it lies in them."""
    left, right = letters(format_, box)
    n, m, p = (high - low for low, high in box)
    if format_.is_gram and box[0] == box[2]:
        for letter in dict.fromkeys(_GENERAL.get(left, f"{left}g")):
            if f"{letter}t" in OPERANDS:
                yield Block(MatrixProduct(n, m, n, f"{letter}t"), box)
    for x, y in product(*(_GENERAL.get(letter, f"{letter}g") for letter in (left, right))):
        for transposed, turned in product((False, True), repeat=2):
            operands = (y + x).translate(_TRANSPOSED) if transposed else x + y
            operands = operands.translate(_TRANSPOSED) if turned else operands
            sides = (p, m, n) if transposed else (n, m, p)
            upper = operands == "uu" and not (format_.is_packed_output and box[0] == box[2])
            if operands in OPERANDS and not upper:
                yield Block(MatrixProduct(*sides, operands), box, transposed, turned)
                break
