import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from test_same_outcome import assert_same

from flipsearch.algebra.words import THREE, U
from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.transform import cyclic
from flipsearch.verify import is_valid
from flipsearch.walk import engine
from flipsearch.walk.plain.index import END, Layout, allocate, layout
from flipsearch.walk.quotient import kernel as quotient_kernel
from flipsearch.walk.quotient import reference as quotient_reference
from flipsearch.walk.quotient.kernel import _build, _read, _set
from flipsearch.walk.quotient.moves import ahead, behind, reverse, tidy
from flipsearch.walk.quotient.moves import exceeds as inlined
from flipsearch.walk.quotient.reference import matrix_rank
from flipsearch.walk.quotient.task import QuotientTask, mirror, naive_orbits, write_out
from flipsearch.walk.task import Policy, unpack

CROWDED = {"table": U(16), "shift": U(60)}
"""Room for sixteen classes a slot, where most keys are not at the position of their hash."""
INDEXES = {
    name: layout(2, words, blocks)._replace(**CROWDED)
    for name, words, blocks in [("bitmaps", 1, 1), ("mirrored", 2, 2), ("lists", 1, 8)]
}
REVERSE = [int(f"{x:04b}"[::-1], 2) for x in range(16)]
"""Mirror images of the factors of 2 x 2 matrices."""


def compiled_change(at: Layout) -> Callable[..., None]:
    """Compile `_set`, which is only ever inlined, for an index."""

    @njit
    def change(wide, narrow, place, value, image):  # type: ignore[no-untyped-def]
        _set(at, wide, narrow, place, value, image)

    return change  # type: ignore[no-any-return]


CHANGE = {name: compiled_change(at) for name, at in INDEXES.items()}


PARTS = {
    2: ((0,), (1,)),
    3: ((0, 2), (1,)),
    4: ((0, 3), (1, 2)),
    5: ((0, 4), (1, 3), (2,)),
}


def scheme_of(orbits: np.ndarray, cubes: np.ndarray, n: int, mirrored: bool) -> Scheme:
    return unpack(parse_format(f"{n}x{n}x{n}"), Ring.F2, write_out(orbits, cubes, n, mirrored))


def task(n: int, mirrored: bool, seed: int, steps: int, **policy: int) -> QuotientTask:
    orbits, cubes = naive_orbits(n, PARTS[n], mirrored)
    return QuotientTask(
        parse_format(f"{n}x{n}x{n}"),
        Ring.F2,
        orbits,
        seed,
        steps,
        Policy(**policy, merge=False),
        cubes=cubes,
        mirrored=mirrored,
    )


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_naive_orbits_are_a_scheme(n: int, mirrored: bool) -> None:
    orbits, cubes = naive_orbits(n, PARTS[n], mirrored)
    scheme = scheme_of(orbits, cubes, n, mirrored)
    assert is_valid(scheme)
    assert cyclic(scheme) == scheme
    extra = sum(len(part) ** 3 - len(part) for part in PARTS[n])
    assert scheme.rank == n**3 - n + extra + len(PARTS[n])


@pytest.mark.parametrize(
    ("n", "parts"),
    [(4, ((0, 1, 2), (3,))), (5, ((0, 1, 2, 3, 4),)), (3, ()), (6, ((0, 1), (2, 3), (4, 5)))],
)
def test_other_partitions(n: int, parts: tuple[tuple[int, ...], ...]) -> None:
    orbits, cubes = naive_orbits(n, parts)
    assert is_valid(scheme_of(orbits, cubes, n, False))


def test_ill_chosen_parts() -> None:
    with pytest.raises(UsageError, match="disjoint"):
        naive_orbits(3, ((0, 1), (1, 2)))
    with pytest.raises(UsageError, match="not fixed"):
        naive_orbits(3, ((0, 1),), mirrored=True)
    with pytest.raises(UsageError, match="2 to 8"):
        naive_orbits(9, ())


@njit
def exceeds(word, bound):  # type: ignore[no-untyped-def]
    """Compile `exceeds`, which is only ever inlined."""
    return inlined(word, bound)


def space_rank(word: int, n: int) -> int:
    """Return the rank over F2 of an n x n matrix, by its row space: 2^rank vectors."""
    space = {0}
    for i in range(n):
        space |= {word >> n * i & (1 << n) - 1 ^ other for other in space}
    return len(space).bit_length() - 1


@given(data=st.data(), n=st.integers(2, 8), largest=st.integers(0, 4))
@settings(max_examples=300, deadline=None)
def test_largest_matrix_rank(data: st.DataObject, n: int, largest: int) -> None:
    # a sum of products of a column and a row, so that low ranks are not rare
    sides = st.integers(0, 2**n - 1)
    word = 0
    for column, row in data.draw(st.lists(st.tuples(sides, sides), max_size=5)):
        for i in range(n):
            word ^= (column >> i & 1) * row << n * i
    first = sum(1 << n * i for i in range(n))
    found = exceeds(U(word), (U(n), U(first), U(largest)))
    assert matrix_rank(word, n) == space_rank(word, n)
    assert found == (0 < largest < matrix_rank(word, n))


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_walk_keeps_to_its_largest_rank(mirrored: bool) -> None:
    orbits, cubes = naive_orbits(4, PARTS[4], mirrored)
    ranks = {}
    for largest in (0, 1, 2):
        outcome = engine.walk(
            QuotientTask(
                parse_format("4x4x4"),
                Ring.F2,
                orbits,
                1,
                50_000,
                Policy(500, 12, merge=False),
                cubes=cubes,
                mirrored=mirrored,
                largest_rank=largest,
            )
        )
        ranks[largest] = max(matrix_rank(int(x), 4) for x in outcome.final_orbits.flat)
        assert is_valid(scheme_of(outcome.final_orbits, outcome.final_cubes, 4, mirrored))
        assert outcome.flips <= outcome.steps
    assert ranks[0] > 2
    assert ranks[1] == 1
    assert ranks[2] == 2


def test_mirror_is_reversal() -> None:
    words = np.array([1, 0b1011, (1 << 36) - 2], dtype=np.uint64)
    image = mirror(words, 6)
    assert image[0] == 1 << 35
    assert np.array_equal(mirror(image, 6), words)
    for word, expected in zip(words, image, strict=True):
        assert reverse(word, U(36)) == expected


@given(
    n=st.sampled_from([2, 3]),
    mirrored=st.booleans(),
    seed=st.integers(0, 2**64 - 1),
    steps=st.integers(0, 3000),
    plus_after=st.sampled_from([0, 50, 400]),
)
@settings(max_examples=40, deadline=None)
def test_every_state_is_a_symmetric_scheme(
    n: int, mirrored: bool, seed: int, steps: int, plus_after: int
) -> None:
    walked = task(n, mirrored, seed, steps, plus_after=plus_after, band=15)
    outcome = engine.walk(walked)
    for orbits, cubes, rank in (
        (outcome.best_orbits, outcome.best_cubes, outcome.rank),
        (outcome.final_orbits, outcome.final_cubes, len(outcome.final)),
    ):
        scheme = scheme_of(orbits, cubes, n, mirrored)
        assert is_valid(scheme)
        assert cyclic(scheme) == scheme
        assert scheme.rank == rank
    assert outcome.rank <= walked.rank
    assert outcome.steps <= steps
    assert outcome.flips <= outcome.steps
    again = engine.walk(walked)
    assert np.array_equal(again.final, outcome.final)
    assert again.history == outcome.history


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("n", [2, 3, 4])
@given(
    seed=st.integers(0, 2**64 - 1),
    plus_after=st.sampled_from([0, 20, 150]),
    band=st.sampled_from([4, 13]),
    stop_rank=st.sampled_from([0, 24]),
    plus_below=st.sampled_from([0, 40]),
    largest_rank=st.sampled_from([0, 0, 1, 2]),
)
@settings(max_examples=6, deadline=None)
def test_the_plain_engine_walks_alike(
    n: int,
    mirrored: bool,
    seed: int,
    plus_after: int,
    band: int,
    stop_rank: int,
    plus_below: int,
    largest_rank: int,
) -> None:
    one = task(n, mirrored, seed, 500, plus_after=plus_after, band=band, stop_rank=stop_rank)
    one = dataclasses.replace(one, plus_below=plus_below, largest_rank=largest_rank)
    ours, plain = engine.walk(one), engine.reference(one)
    assert_same(ours, plain)
    for name in ("best_orbits", "best_cubes", "final_orbits", "final_cubes"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(plain, name))


def test_a_walk_without_flips_is_stuck_in_both_engines() -> None:
    found = task(2, False, 5, 4_000, plus_after=300, band=6, stop_rank=7)
    low = engine.walk(found)
    still = dataclasses.replace(
        found, start=low.best_orbits[:1], cubes=low.best_cubes, policy=Policy(merge=False)
    )
    ours = quotient_kernel.walk(still)
    assert ours.reason == "stuck"
    assert_same(ours, quotient_reference.walk(still))


def test_a_walk_reaches_23() -> None:
    outcome = engine.walk(task(3, False, 0, 400_000, plus_after=5_000, band=6, stop_rank=23))
    assert outcome.reason == "reached"
    assert outcome.rank == 23
    assert outcome.history[-1] == (outcome.steps, 23)


def test_a_walk_goes_on_from_where_another_stopped() -> None:
    first = engine.walk(task(4, False, 5, 20_000, plus_after=2_000, band=9))
    second = engine.walk(
        QuotientTask(
            parse_format("4x4x4"),
            Ring.F2,
            first.final_orbits,
            6,
            20_000,
            Policy(2_000, 9, merge=False),
            cubes=first.final_cubes,
        )
    )
    assert is_valid(scheme_of(second.final_orbits, second.final_cubes, 4, False))


def test_refused_formats() -> None:
    orbits, cubes = naive_orbits(2, ())
    for name in ("2x2x3", "ss:2x2x2"):
        wrong = QuotientTask(
            parse_format(name), Ring.F2, orbits, 0, 1, Policy(merge=False), cubes=cubes
        )
        with pytest.raises(UsageError, match="n x n x n"):
            engine.walk(wrong)


def tidied(
    triples: list[list[int]], cubes: list[int], mirrored: bool
) -> tuple[list[list[int]], list[int]]:
    """Plain counterpart of `tidy`: sorted orbits left, sorted cubes left."""
    kept: list[list[int]] = []
    fixed = list(cubes)
    for triple in triples:
        image = [REVERSE[x] for x in triple]
        if 0 in triple:
            continue
        if mirrored and any(triple == image[k:] + image[:k] for k in range(3)):
            continue
        if len(set(triple)) == 1:
            fixed += [triple[0]] + ([image[0]] if mirrored else [])
        else:
            kept.append(triple)
    return sorted(kept), sorted(x for x in set(fixed) if fixed.count(x) % 2)


@given(
    # few vectors, palindromes among them, so that all that may happen does
    triples=st.lists(
        st.lists(st.sampled_from([0, 1, 6, 8, 9]), min_size=3, max_size=3), max_size=8
    ),
    cubes=st.lists(st.integers(1, 8), max_size=5),
    mirrored=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_tidy_against_plain_python(
    triples: list[list[int]], cubes: list[int], mirrored: bool
) -> None:
    vectors = np.zeros(64, dtype=np.uint64)
    vectors[: 3 * len(triples)] = [x for row in triples for x in row]
    fixed = np.zeros(64, dtype=np.uint64)
    fixed[: len(cubes)] = cubes
    numbers = np.array([3 * len(triples), len(cubes)], dtype=np.uint64)
    tidy(vectors, fixed, numbers, U(4), mirrored)
    found = (
        sorted(vectors[: int(numbers[0])].reshape(-1, 3).tolist()),
        sorted(int(x) for x in fixed[: int(numbers[1])]),
    )
    assert found == tidied(triples, cubes, mirrored)


def test_places_of_an_orbit() -> None:
    assert [int(ahead(U(k))) for k in range(6)] == [1, 2, 0, 4, 5, 3]
    assert [int(behind(U(k))) for k in range(6)] == [2, 0, 1, 5, 3, 4]
    assert int(THREE) == 3


@given(
    values=st.lists(st.integers(1, 15), min_size=6, max_size=60),
    changes=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 15)), max_size=40),
    name=st.sampled_from(sorted(INDEXES)),
)
@settings(max_examples=150, deadline=None)
@pytest.mark.slow
def test_index_against_plain_python(
    values: list[int], changes: list[tuple[int, int]], name: str
) -> None:
    at, mirrored = INDEXES[name], name == "mirrored"
    wide, narrow = allocate(at)
    count = U(len(values))
    _build(at, np.array(values, dtype=np.uint64), count, U(4), wide, narrow)
    for place, value in changes:
        # a flip always changes the vector, with mirror images perhaps to its own
        if values[place] != value:
            values[place] = value
            CHANGE[name](wide, narrow, U(place), U(value), U(REVERSE[value]))
    stored = np.zeros(64, dtype=np.uint64)
    _read(at, stored, count, wide)
    assert stored[: len(values)].tolist() == values
    keys = [min(x, REVERSE[x]) if mirrored else x for x in values]
    flippable = [place for place, key in enumerate(keys) if keys.count(key) > 1]
    mask = int(wide[int(at.flippable)])
    assert [place for place in range(64) if mask >> place & 1] == flippable
    for place, key in enumerate(keys):
        assert rows_of(at, wide, narrow, int(narrow[place])) == [
            k for k, other in enumerate(keys) if other == key
        ]


def rows_of(at: Layout, wide: np.ndarray, narrow: np.ndarray, class_: int) -> list[int]:
    """Return the rows of a class of slot 0, all below 64."""
    if not at.lists:
        rows = int(wide[int(at.bitmaps) + class_ * int(at.blocks)])
        return [k for k in range(64) if rows >> k & 1]
    found, row = [], int(narrow[int(at.heads) + class_])
    while row != END:
        found.append(row)
        row = int(narrow[int(at.links) + row])
    assert int(narrow[int(at.counts) + class_]) == len(found)
    return found
