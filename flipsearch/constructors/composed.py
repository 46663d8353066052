"""Compose programs as recipes compose schemes.

A merge runs the programs of its parts on their shares of the inputs; forms that both parts need
are computed once. A product runs one program on blocks and the other within them, in the cheaper
order. A product with inner products of several sizes runs the outer program on blocks, and then
on each of its forms the program of the inner product that the term needs. A projection runs a
program with inputs that are zero. Formulas and structured blocks compose nothing.

Invariant: the caller compares the scheme of a composed reduction with that of the recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from itertools import accumulate
from random import Random

import numpy as np

from flipsearch.constructors.recipes import NAIVE, Sides, groups_in, sides_in, sizes_in, sources_of
from flipsearch.formats import MatrixProduct
from flipsearch.normal import normal_rows
from flipsearch.programs import (
    Output,
    Program,
    Reduction,
    Step,
    plain_reduction,
    reduction_of,
    transposed,
)
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.transform.dimensions import dimension_number, injection
from flipsearch.transform.reduce import SLOT_PAIRS
from flipsearch.transform.serendipity import Group, grown
from flipsearch.transform.symmetry import ORDERS, oriented_sides
from flipsearch.transform.terms import normal_terms
from flipsearch.transform.uneven import Sizes, term_sides

COMPOSED = ("merge", "product", "project", "uneven", "serendipity")
"""The moves whose programs are composed."""
_PRIME = 2**61 - 1


class _Builder:
    """A program in the making; a sum that is there up to sign is not made again.

    Sums are compared by their values at a random point; wrong matches are improbable.
    """

    def __init__(self, inputs: int) -> None:
        random = Random(inputs)
        self.inputs = inputs
        self.steps: list[Step] = []
        self.values = [random.randrange(1, _PRIME) for _ in range(inputs)]
        self.known: dict[int, Output] = {value: (1, x) for x, value in enumerate(self.values)}

    def sum_of(self, one: Output, two: Output) -> Output:
        """Return where the sum of two multiples of variables is."""
        terms = [term for term in (one, two) if term[0]]
        if len(terms) < 2:
            return terms[0] if terms else (0, 0)
        value = sum(p * self.values[x] for p, x in terms) % _PRIME
        for sign, same in ((1, value), (-1, -value % _PRIME)):
            if same in self.known:
                p, x = self.known[same]
                return sign * p, x
        if value == 0:
            return 0, 0
        (p, x), (q, y) = terms
        self.steps.append((p, x, q, y))
        self.values.append(value)
        self.known[value] = 1, len(self.values) - 1
        return self.known[value]

    def run(self, program: Program, given: Sequence[Output]) -> list[Output]:
        """Return where the outputs of a program are, run on given inputs."""
        places = list(given)

        def times(p: int, x: int) -> Output:
            return p * places[x][0], places[x][1]

        for p, x, q, y in program.steps:
            places.append(self.sum_of(times(p, x), times(q, y)))
        return [times(p, x) if p else (0, 0) for p, x in program.outputs]

    def program(self, outputs: Sequence[Output]) -> Program:
        """Return the program of some outputs, without steps that none of them needs."""
        needed = {x for p, x in outputs if p}
        for place in range(len(self.steps) - 1, -1, -1):
            if self.inputs + place in needed:
                _, x, _, y = self.steps[place]
                needed |= {x, y}
        number = {x: x for x in range(self.inputs)}
        steps: list[Step] = []
        for place, (p, x, q, y) in enumerate(self.steps, self.inputs):
            if place in needed:
                number[place] = self.inputs + len(steps)
                steps.append((p, number[x], q, number[y]))
        ends = tuple((p, number[x]) if p else (0, 0) for p, x in outputs)
        return Program(self.inputs, tuple(steps), ends)


class _Parts:
    """Programs of U, V and W, whose rows are the terms, of a general format with given sides."""

    def __init__(self, sides: Sides, programs: Sequence[Program]) -> None:
        self.sides = sides
        self.programs = tuple(programs)

    def scheme(self, ring: Ring) -> Scheme:
        """Return the scheme that the programs compute."""
        left, right, output = self.programs
        format_ = MatrixProduct(*self.sides)
        return reduction_of(format_, left, right, transposed(output), ring=ring).scheme

    def shapes(self) -> list[tuple[int, int]]:
        """Return the shapes of the operands and of the output, transposed."""
        n, m, p = self.sides
        return [(n, m), (m, p), (p, n)]

    def oriented(self, sides: Sides) -> _Parts:
        """Return programs of the scheme with its sides in another order: see `permute`."""
        order = next(order for order in ORDERS if oriented_sides(self.sides, order) == sides)
        programs, shift = list(self.programs), order[0]
        if order in ((0, 2, 1), (1, 0, 2), (2, 1, 0)):
            turned = [
                _rerun(program, np.arange(a * b).reshape(b, a).T.ravel().tolist(), a * b)
                for program, (a, b) in zip(programs, self.shapes(), strict=True)
            ]
            programs, shift = [turned[1], turned[0], turned[2]], {2: 0, 1: 1, 0: 2}[order[0]]
        return _Parts(sides, [programs[(k + shift) % 3] for k in range(3)])


def _rerun(program: Program, places: Sequence[int], inputs: int) -> Program:
    """Return a program whose input k is input `places[k]` of so many; -1 stands for zero."""
    builder = _Builder(inputs)
    return builder.program(builder.run(program, _at(places)))


def _at(places: Sequence[int]) -> list[Output]:
    return [(1, x) if x >= 0 else (0, 0) for x in places]


def _finished(
    sides: Sides, builders: Sequence[_Builder], outputs: Sequence[Sequence[Output]]
) -> _Parts:
    """Return the programs of terms: those that agree in two factors become one, as in schemes.

    The three builders are of the programs of U, V and W; the outputs tell where the factors are.
    """
    terms, before = [list(ends) for ends in zip(*outputs, strict=True)], -1
    while len(terms) != before:
        before = len(terms)
        for first, second, free in SLOT_PAIRS:
            held: dict[tuple[int, ...], list[Output]] = {}
            for term in terms:
                (p, x), (q, y), (r, z) = (term[slot] for slot in (first, second, free))
                other = held.setdefault((abs(p), x, abs(q), y), term)
                if other is not term:
                    sign = 1 if p * q * other[first][0] * other[second][0] > 0 else -1
                    other[free] = builders[free].sum_of(other[free], (sign * r, z))
            terms = [term for term in held.values() if all(p for p, _ in term)]
    ends = list(zip(*terms, strict=True))
    return _Parts(sides, [b.program(places) for b, places in zip(builders, ends, strict=True)])


def _merged(d: int, one: _Parts, two: _Parts) -> _Parts:
    """Return programs of two schemes added up along side d."""
    n, m, p = (a + b * (e == d) for e, (a, b) in enumerate(zip(one.sides, two.sides, strict=True)))
    large = MatrixProduct(n, m, p)
    builders = [_Builder(inputs) for inputs in large.dimensions]
    outputs: list[list[Output]] = [[], [], []]
    for part, start in ((one, 0), (two, one.sides[d])):
        indices = [
            range(start, start + side) if e == d else range(side)
            for e, side in enumerate(part.sides)
        ]
        maps = injection(MatrixProduct(*part.sides), large, *indices)
        for slot, (places, _) in enumerate(maps):
            outputs[slot] += builders[slot].run(part.programs[slot], _at(places.tolist()))
    return _finished(large.sides, builders, outputs)


def _product(one: _Parts, two: _Parts) -> _Parts:
    """Return programs of the Kronecker product of two schemes."""
    n, m, p = (a * b for a, b in zip(one.sides, two.sides, strict=True))
    programs = []
    for slot, ((a, b), (c, d)) in enumerate(zip(one.shapes(), two.shapes(), strict=True)):
        places = np.arange(a * c * b * d).reshape(a, c, b, d).transpose(0, 2, 1, 3)
        grid = [_at(row) for row in places.reshape(a * b, c * d).tolist()]
        outer, inner = one.programs[slot], two.programs[slot]
        tried = []
        for blocks_first in (True, False):
            builder = _Builder(a * b * c * d)
            first, second = (outer, inner) if blocks_first else (inner, outer)
            columns = [list(column) for column in zip(*grid, strict=True)]
            made = [builder.run(first, row) for row in (columns if blocks_first else grid)]
            made = [builder.run(second, list(column)) for column in zip(*made, strict=True)]
            if not blocks_first:
                made = [list(column) for column in zip(*made, strict=True)]
            tried.append(builder.program([output for row in made for output in row]))
        programs.append(min(tried, key=lambda program: program.additions))
    return _Parts((n, m, p), programs)


def _on_blocks(
    builder: _Builder, program: Program, high: Sequence[int], wide: Sequence[int]
) -> dict[tuple[int, int], list[Output]]:
    """Run a program on a matrix of blocks; return its outputs by row and column within a block.

    Entries outside a smaller block are zero.
    """
    tops, lefts = ([0, *accumulate(sizes)] for sizes in (high, wide))

    def entry(i: int, j: int, x: int, y: int) -> Output:
        inside = x < high[i] and y < wide[j]
        return (1, (tops[i] + x) * lefts[-1] + lefts[j] + y) if inside else (0, 0)

    return {
        (x, y): builder.run(program, [entry(i, j, x, y) for i, j in np.ndindex(grid)])
        for grid in [(len(high), len(wide))]
        for x, y in np.ndindex(max(high), max(wide))
    }


def _uneven(sizes: Sizes, outer: _Parts, inner: Mapping[Sides, _Parts], ring: Ring) -> _Parts:
    """Return programs of a product with blocks of several sizes."""
    needed = enumerate(map(tuple, term_sides(outer.scheme(ring), sizes).tolist()))
    kept = [(row, sides) for row, sides in needed if all(sides)]  # others vanish modulo 2 or 3
    builders, outputs = [], []
    for slot, program in enumerate(outer.programs):
        d, e = slot, (slot + 1) % 3
        builder = _Builder(sum(sizes[d]) * sum(sizes[e]))
        forms = _on_blocks(builder, program, sizes[d], sizes[e])
        ends: list[Output] = []
        for row, sides in kept:
            given = [forms[x, y][row] for x, y in np.ndindex(sides[d], sides[e])]
            ends += builder.run(inner[sides].programs[slot], given)
        builders.append(builder)
        outputs.append(ends)
    return _finished((sum(sizes[0]), sum(sizes[1]), sum(sizes[2])), builders, outputs)


def _serendipitous(
    inner: Sides,
    groups: Sequence[Group],
    outer: _Parts,
    blocks: Mapping[Sides, _Parts],
    ring: Ring,
) -> _Parts | None:
    """Return programs of a serendipitous product; None if a term has a coefficient beyond 1."""
    scheme = outer.scheme(ring)
    terms = normal_terms(scheme.canonical)
    normal = [normal_rows(factor, scheme.ring) for factor in scheme.factors]
    rows = {tuple(tuple(form[r].tolist()) for _, form in normal): r for r in range(scheme.rank)}
    places = [rows[term.factors] for term in terms]
    signs = [[int(content[r]) for content, _ in normal] for r in places]
    if any(abs(term.scalar) != 1 for term in terms) or {abs(x) for s in signs for x in s} != {1}:
        return None
    members = [r for group in groups for r in group.members]
    singles = [Group(0, (r,)) for r in range(len(terms)) if r not in members]
    sides = [side * size for side, size in zip(outer.sides, inner, strict=True)]
    builders, outputs = [], []
    for slot, program in enumerate(outer.programs):
        d, e = slot, (slot + 1) % 3
        builder = _Builder(sides[d] * sides[e])
        forms = _on_blocks(
            builder, program, [inner[d]] * outer.sides[d], [inner[e]] * outer.sides[e]
        )
        ends: list[Output] = []
        for group in (*groups, *singles):
            wide = grown(inner, group.slot, len(group.members))
            given = []
            for x, y in np.ndindex(wide[d], wide[e]):
                k = 0
                if slot != group.slot:  # the members lie along the side that has grown
                    k = max(x // inner[d], y // inner[e])
                member = group.members[k]
                p, place = forms[x % inner[d], y % inner[e]][places[member]]
                scaled = slot == (group.slot + 1) % 3
                scalar = int(terms[member].scalar) if scaled else 1
                given.append((p * signs[member][slot] * scalar, place))
            ends += builder.run(blocks[wide].programs[slot], given)
        builders.append(builder)
        outputs.append(ends)
    return _finished((sides[0], sides[1], sides[2]), builders, outputs)


def _projected(parts: _Parts, d: int, index: int) -> _Parts:
    """Return programs of the terms that are left when an index of side d is deleted."""
    n, m, p = (side - (e == d) for e, side in enumerate(parts.sides))
    kept = [[i for i in range(side) if e != d or i != index] for e, side in enumerate(parts.sides)]
    small, large = MatrixProduct(n, m, p), MatrixProduct(*parts.sides)
    builders = [_Builder(inputs) for inputs in small.dimensions]
    made = []
    for slot, (places, _) in enumerate(injection(small, large, *kept)):
        back = {int(place): k for k, place in enumerate(places)}
        given = [back.get(x, -1) for x in range(large.dimensions[slot])]
        made.append(builders[slot].run(parts.programs[slot], _at(given)))
    return _finished(small.sides, builders, made)


def composed(
    how: str, format_: MatrixProduct, ring: Ring, fetch: Callable[[str], Reduction]
) -> Reduction | None:
    """Return programs as a recipe composes the scheme, or None for moves that compose nothing.

    The arguments are as for `flipsearch.constructors.recipes.replayed`, but `fetch` leads to
    programs of schemes. Raises `FormatError` or `InvalidSchemeError` if the programs do not fit
    together, or a coefficient is too large.
    """
    words = how.split()
    if words[0] not in COMPOSED:
        return None
    sources: list[_Parts] = []
    for name, wanted in sources_of(how):
        found = plain_reduction(naive_scheme(wanted, ring)) if name == NAIVE else fetch(name)
        if (found.scheme.denominators != 1).any():
            return None
        assert isinstance(found.scheme.format, MatrixProduct)
        programs = found.left, found.right, transposed(found.output)
        sources.append(_Parts(found.scheme.format.sides, programs).oriented(wanted.sides))
    first, *others = sources
    inner = {part.sides: part for part in others}
    made: _Parts | None
    match words[0]:
        case "merge":
            made = reduce(partial(_merged, dimension_number(words[1])), sources)
        case "product":
            made = _product(*sources)
        case "project":
            made = _projected(first, dimension_number(words[1]), int(words[2]))
        case "uneven":
            made = _uneven(sizes_in(words[1]), first, inner, ring)
        case _:
            made = _serendipitous(sides_in(words[1]), groups_in(words[2]), first, inner, ring)
    if made is None:
        return None
    left, right, output = made.oriented(format_.sides).programs
    return reduction_of(format_, left, right, transposed(output), ring=ring)
