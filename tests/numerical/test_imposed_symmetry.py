"""Groups that fix a target, and unknowns that are symmetric under them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.formats.named import named_format
from flipsearch.numerical.problem import Problem
from flipsearch.numerical.symmetry import Images, composed, group, subgroups
from flipsearch.numerical.unknowns import drawn_types, unknowns_of

CASES = [
    *(("3x3x3", "", 1), ("3x3x3", "C3", 3), ("3x3x3", "C3xZ2", 6), ("3x3x3", "C3xZ2xR2", 12)),
    *(("2x3x2", "Z2", 2), ("2x3x4", "R2", 2), ("ss:3x3x3", "Z2", 2), ("kk:3x3x3", "Z2", 2)),
    ("poly:3x3", "Z2", 2),
]


@pytest.mark.parametrize(("name", "symmetry", "order"), CASES)
def test_a_group_is_closed_and_has_its_order(name: str, symmetry: str, order: int) -> None:
    elements = group(named_format(name), symmetry)
    assert len(elements) == order
    assert {composed(g, h) for g in elements for h in elements} == set(elements)
    assert all(order % len(each) == 0 for each in subgroups(elements))


@pytest.mark.parametrize(
    ("name", "symmetry", "message"),
    [
        ("2x3x4", "C3", "C3 does not fix 2x3x4"),
        ("2x3x4", "Z2", "Z2 does not fix 2x3x4"),
        ("uu:3x3x3", "C3", "C3 does not fix uu:3x3x3"),
        ("3x3x3", "C5", "unknown symmetry 'C5'"),
    ],
)
def test_a_group_that_does_not_fix_the_tensor_is_refused(
    name: str, symmetry: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        group(parse_format(name), symmetry)


def image(terms: list[tuple[float, ...]], element: Images) -> Counter[tuple[float, ...]]:
    """Return the images of terms, each a tuple of its entries, slot by slot."""
    moved: Counter[tuple[float, ...]] = Counter()
    for term in terms:
        entries = [0.0] * len(term)
        for point, to in enumerate(element):
            entries[abs(to) - 1] = term[point] * np.sign(to)
        moved[tuple(entries)] += 1
    return moved


@pytest.mark.parametrize(("name", "symmetry", "order"), CASES)
@pytest.mark.parametrize("seed", range(4))
def test_every_point_is_a_symmetric_scheme(
    name: str, symmetry: str, order: int, seed: int
) -> None:
    format_, rank = named_format(name), 11
    unknowns = unknowns_of(format_, rank, symmetry, seed)
    values = np.random.default_rng(seed).standard_normal(len(unknowns))
    entries = unknowns.entries(values)
    np.testing.assert_array_equal(entries[unknowns.leaders], values)
    assert unknowns.counts.sum() == (unknowns.owners >= 0).sum()
    whole = np.concatenate(Problem(format_, rank).factors(entries), axis=1)
    terms = [tuple(row) for row in whole.tolist()]
    for element in group(format_, symmetry):
        assert image(terms, element) == Counter(terms)


def test_orbits_of_a_scheme_have_its_rank() -> None:
    elements = group(parse_format("3x3x3"), "C3xZ2")
    types, random = subgroups(elements), np.random.default_rng(1)
    for rank in range(1, 40):
        drawn = drawn_types(types, len(elements), rank, random)
        assert sum(len(elements) // len(each) for each in drawn) == rank
