"""Read how a scheme is built: the indices that its products touch, and its symmetric products.

A product touches an index if a variable of that row or column occurs in one of its three factors.
Sides that are tied to each other, as all are of ``ss:5x5x5``, have their indices in common. A
symmetry is a renumbering of the indices, with signs where they are few enough to try, and perhaps
a transposition or a turn of the three factors, which maps the format and the set of products to
themselves. The products then fall into orbits.

Invariant: candidates are compared by the values of all products at one random point modulo a
prime; those that give the orbits are confirmed exactly.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, permutations, product
from math import factorial, prod
from typing import Any

import numpy as np

from flipsearch.formats import MatrixProduct
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.dimensions import matrix_format, tied_dimensions
from flipsearch.transform.terms import normal_terms

PRIME = 1_048_573
"""Products of two residues, and sums of hundreds of them, are exact in float64."""
MOST_TRIED = 100_000
"""Largest number of renumberings that are tried; signs, then free sides, are left out first."""
BATCH = 2_000
SIDES = "nmp"
Turn = tuple[int, int, int]
TURNS: tuple[Turn, ...] = ((0, 1, 2), (1, 2, 0), (2, 0, 1), (1, 0, 2), (0, 2, 1), (2, 1, 0))
"""Orders of the three factors; the last three transpose."""

Maps = tuple[list[tuple[IntArray, IntArray]], Turn]
"""For each slot the coordinates and signs of the images, and the turn of the slots."""
Sets = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Symmetry:
    """A renumbering of the indices of each class of tied sides, with signs, and a turn."""

    images: tuple[tuple[int, ...], ...]
    signs: tuple[tuple[int, ...], ...]
    turn: Turn

    def __str__(self) -> str:
        words = []
        for images, signs in zip(self.images, self.signs, strict=True):
            cycles = "".join(f"({' '.join(str(i + 1) for i in c)})" for c in _cycles(images))
            minus = " ".join(str(i + 1) for i, sign in enumerate(signs) if sign < 0)
            words.append((cycles or "()") + (f" -[{minus}]" if minus else ""))
        turned = {(0, 1, 2): "", (1, 0, 2): " transposed"}.get(self.turn, f" turned {self.turn}")
        return " ".join(words) + turned


@dataclass(frozen=True)
class Anatomy:
    """The indices that the products of a scheme touch, and the symmetries that permute them.

    Parameters
    ----------
    classes : tuple of str
        The sides that have their indices in common, such as ``nmp``, or ``nm`` and ``p``.
    touched : tuple
        For each product the indices that it touches, from 0, by class.
    symmetries : int
        The order of the symmetry group found, the identity included.
    generators : tuple of Symmetry
        Symmetries that give the orbits.
    orbits : tuple of tuple of int
        The numbers of the products in each orbit, from 0.
    """

    classes: tuple[str, ...]
    touched: tuple[Sets, ...]
    symmetries: int
    generators: tuple[Symmetry, ...]
    orbits: tuple[tuple[int, ...], ...]

    @cached_property
    def by_set(self) -> dict[Sets, int]:
        """The number of products by the set of indices that they touch."""
        counts = Counter(self.touched)
        return dict(sorted(counts.items(), key=lambda item: (_sizes(item[0]), item[0])))

    @cached_property
    def by_number(self) -> dict[tuple[int, ...], tuple[int, int]]:
        """By the number of indices touched in each class: (products, different sets)."""
        counts, sets = Counter(map(_sizes, self.touched)), Counter(map(_sizes, self.by_set))
        return {sizes: (count, sets[sizes]) for sizes, count in sorted(counts.items())}

    @cached_property
    def orbit_types(self) -> dict[tuple[int, tuple[int, ...]], int]:
        """The number of orbits by their size and the number of indices that a product touches."""
        kinds = Counter((len(orbit), _sizes(self.touched[orbit[0]])) for orbit in self.orbits)
        return dict(sorted(kinds.items(), key=lambda item: (item[0][1], item[0][0])))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values, indices from 1."""
        return {
            "classes": list(self.classes),
            "by_number": [
                {"indices": list(sizes), "products": count, "sets": sets}
                for sizes, (count, sets) in self.by_number.items()
            ],
            "by_set": [
                {"indices": [[i + 1 for i in part] for part in sets], "products": count}
                for sets, count in self.by_set.items()
            ],
            "symmetries": self.symmetries,
            "generators": [str(each) for each in self.generators],
            "orbits": [
                {"orbits": count, "products": size, "indices": list(sizes)}
                for (size, sizes), count in self.orbit_types.items()
            ],
        }

    def tables(self) -> Iterator[tuple[list[str], list[list[str]]]]:
        """Yield head and rows of the tables by numbers, by sets and by orbits."""
        yield (
            ["indices touched", "products", "sets"],
            [
                [_written_sizes(self.classes, sizes), str(count), str(sets)]
                for sizes, (count, sets) in self.by_number.items()
            ],
        )
        yield (
            ["set", "products"],
            [[_written(self.classes, sets), str(count)] for sets, count in self.by_set.items()],
        )
        yield (
            ["orbits", "products each", "indices touched"],
            [
                [str(count), str(size), _written_sizes(self.classes, sizes)]
                for (size, sizes), count in self.orbit_types.items()
            ],
        )

    @property
    def title(self) -> str:
        """The order and generators of the symmetry group."""
        generators = ", ".join(map(str, self.generators)) or "none"
        return f"{self.symmetries} symmetries found; those that give the orbits: {generators}"

    def _repr_html_(self) -> str:
        """Return the tables for a notebook."""
        found = []
        for head, rows in self.tables():
            lines = [f"<tr>{''.join(f'<th>{html.escape(word)}</th>' for word in head)}</tr>"]
            lines += [
                f"<tr>{''.join(f'<td>{html.escape(word)}</td>' for word in row)}</tr>"
                for row in rows
            ]
            found.append(f"<table>{''.join(lines)}</table>")
        return f"<p>{html.escape(self.title)}</p>{''.join(found)}"


def anatomy(scheme: Scheme) -> Anatomy:
    """Read a scheme: the indices that its products touch, its symmetries and their orbits.

    Parameters
    ----------
    scheme : Scheme
        Of a matrix product, over any ring.

    Raises
    ------
    UsageError
        The format is another bilinear map, which has no rows and columns.

    Examples
    --------
    >>> from flipsearch.scheme import naive_scheme
    >>> anatomy(naive_scheme("ss:2x2x2", "ZT")).by_number
    {(1,): (2, 2), (2,): (6, 1)}
    """
    form = matrix_format(scheme)
    classes = list(dict.fromkeys(tied_dimensions(form, d) for d in range(3)))
    names = tuple("".join(SIDES[d] for d in tied) for tied in classes)
    touched = tuple(_touched(form, classes, *rows) for rows in zip(*scheme.factors, strict=True))
    symmetries, generators, orbits = _symmetries(scheme, form, classes)
    return Anatomy(names, touched, symmetries, generators, orbits)


def _axes(form: MatrixProduct) -> list[tuple[list[tuple[int, int]], tuple[int, int]]]:
    """Return the entry of each coordinate of the three slots, and the sides that index it."""
    right = [form.right.position(k) for k in range(form.dimensions[1])]
    return [
        ([form.left.position(k) for k in range(form.dimensions[0])], (0, 1)),
        ([(j, i) for i, j in right] if form.is_gram else right, (1, 2)),
        ([form.output_position(k) for k in range(form.dimensions[2])], (0, 2)),
    ]


def _touched(form: MatrixProduct, classes: list[tuple[int, ...]], *factors: IntArray) -> Sets:
    found: list[set[int]] = [set() for _ in classes]
    number = {d: k for k, tied in enumerate(classes) for d in tied}
    for factor, (entries, sides) in zip(factors, _axes(form), strict=True):
        for coordinate in np.flatnonzero(factor):
            for index, side in zip(entries[coordinate], sides, strict=True):
                found[number[side]].add(index)
    return tuple(tuple(sorted(part)) for part in found)


def _renumberings(
    form: MatrixProduct, classes: list[tuple[int, ...]], ring: Ring
) -> Iterator[Symmetry]:
    """Yield renumberings of all classes, the identity first, of as many kinds as may be tried."""
    lengths = [form.sides[tied[0]] for tied in classes]
    turns: tuple[Turn, ...] = TURNS[:1]
    if len(set(form.sides)) == 1:
        turns = TURNS if form.is_general else (TURNS[0], TURNS[3])
    together = len(set(lengths)) == 1 and prod(map(factorial, lengths)) > MOST_TRIED // len(turns)
    free = lengths[:1] if together else lengths
    total = len(turns) * prod(map(factorial, free))
    signed = ring is not Ring.F2 and total << sum(lengths) - 1 <= MOST_TRIED
    if total > MOST_TRIED:
        turns, free = turns[:1], []
    for turn in turns:
        for images in product(*(permutations(range(length)) for length in free)):
            everywhere = images * len(lengths) if together else images
            for flat in product((1, -1) if signed else (1,), repeat=sum(lengths) - 1):
                rest = iter((1, *flat))  # all signs changed at once change nothing
                signs = tuple(tuple(islice(rest, length)) for length in lengths)
                own = everywhere or tuple(tuple(range(length)) for length in lengths)
                yield Symmetry(own, signs, turn)


def _maps(
    form: MatrixProduct, classes: list[tuple[int, ...]], symmetry: Symmetry
) -> list[tuple[IntArray, IntArray]] | None:
    """Return for each slot the coordinates and signs of the images, or None for no symmetry.

    Coordinate c of slot s goes to coordinate ``places[c]`` of the slot that `turn` puts there.
    """
    number = {d: k for k, tied in enumerate(classes) for d in tied}
    lookups = (form.left.entry, form.right_entry, form.output_index)
    transposed = symmetry.turn in TURNS[3:]
    maps = []
    for slot, (entries, sides) in enumerate(_axes(form)):
        target = symmetry.turn[slot]
        places, signs = np.zeros(len(entries), np.int64), np.zeros(len(entries), np.int64)
        for coordinate, entry in enumerate(entries):
            pair, sign = [], 1
            for index, side in zip(entry, sides, strict=True):
                own = number[side]
                pair.append(symmetry.images[own][index])
                sign *= symmetry.signs[own][index]
            # W holds the output transposed: slots turn as matrices of sides nm, mp, pn
            if (slot == 2) != (target == 2):
                pair.reverse()
            if transposed:
                pair.reverse()
            found = lookups[target](*pair)
            if found is None:
                return None
            place, own_sign = found if isinstance(found, tuple) else (found, 1)
            places[coordinate], signs[coordinate] = place, sign * own_sign
        maps.append((places, signs))
    return maps


def _symmetries(
    scheme: Scheme, form: MatrixProduct, classes: list[tuple[int, ...]]
) -> tuple[int, tuple[Symmetry, ...], tuple[tuple[int, ...], ...]]:
    """Return the order of the group, symmetries that give the orbits, and the orbits."""
    generator = np.random.default_rng(0)
    point = [generator.integers(1, PRIME, d) for d in form.dimensions]
    factors = [(factor % PRIME).astype(float) for factor in scheme.factors]
    weights = np.array([pow(int(d), -1, PRIME) for d in scheme.denominators], dtype=float)

    def values(maps: list[Maps]) -> IntArray:
        """Return the values of the images of all products at the point, a row a symmetry."""
        total = weights
        for slot, factor in enumerate(factors):
            places = np.stack([point[turn[slot]][each[slot][0]] for each, turn in maps])
            signs = np.stack([each[slot][1] for each, _ in maps])
            total = total * ((places * signs % PRIME).astype(float) @ factor.T % PRIME) % PRIME
        found: IntArray = total.astype(np.int64)
        return found

    candidates = _renumberings(form, classes, scheme.ring)
    own: IntArray | None = None
    group, generators = 0, list[Symmetry]()
    orbit_of = np.arange(scheme.rank)
    while batch := list(islice(candidates, BATCH)):
        tried = [(each, maps) for each in batch if (maps := _maps(form, classes, each))]
        if not tried:
            continue
        found = values([(maps, each.turn) for each, maps in tried])
        if own is None:
            own = found[0]  # the first candidate is the identity
            order, ordered = np.argsort(own), np.sort(own)
        same = (np.sort(found, axis=1) == ordered).all(axis=1)
        group += int(same.sum())
        for number in np.flatnonzero(same):
            image = np.empty_like(order)
            image[np.argsort(found[number])] = order
            joined = orbit_of[image]
            if (joined != orbit_of).any() and _confirmed(scheme, *tried[number]):
                generators.append(tried[number][0])
                for one, two in zip(orbit_of[image].tolist(), orbit_of.tolist(), strict=True):
                    ends = sorted((orbit_of[one], orbit_of[two]))
                    orbit_of[orbit_of == ends[1]] = ends[0]
    orbits = {int(first): np.flatnonzero(orbit_of == first) for first in orbit_of}
    return group, tuple(generators), tuple(tuple(each.tolist()) for each in orbits.values())


def _confirmed(scheme: Scheme, symmetry: Symmetry, maps: list[tuple[IntArray, IntArray]]) -> bool:
    """Whether a symmetry maps the products of a scheme to themselves, exactly."""
    images: list[IntArray] = [scheme.u, scheme.v, scheme.w]
    for slot, (places, signs) in enumerate(maps):
        image = np.zeros_like(scheme.factors[symmetry.turn[slot]])
        image[:, places] = scheme.factors[slot] * signs
        images[symmetry.turn[slot]] = image
    u, v, w = images
    moved = Scheme(scheme.format, scheme.ring, u, v, w, scheme.denominators)
    return Counter(normal_terms(moved)) == Counter(normal_terms(scheme))


def _sizes(sets: Sets) -> tuple[int, ...]:
    return tuple(map(len, sets))


def _cycles(images: tuple[int, ...]) -> Iterator[list[int]]:
    """Yield the cycles of a permutation that are longer than 1."""
    left = set(range(len(images)))
    while left:
        cycle = [min(left)]
        while (after := images[cycle[-1]]) != cycle[0]:
            cycle.append(after)
        left -= set(cycle)
        if len(cycle) > 1:
            yield cycle


def _written(classes: tuple[str, ...], sets: Sets) -> str:
    """Return ``{1 2}``, or ``nm {1 2} p {1}`` for several classes."""
    words = ("{" + " ".join(str(i + 1) for i in part) + "}" for part in sets)
    return " ".join(
        word if len(classes) == 1 else f"{name} {word}"
        for name, word in zip(classes, words, strict=True)
    )


def _written_sizes(classes: tuple[str, ...], sizes: tuple[int, ...]) -> str:
    return " ".join(
        str(size) if len(classes) == 1 else f"{name} {size}"
        for name, size in zip(classes, sizes, strict=True)
    )
