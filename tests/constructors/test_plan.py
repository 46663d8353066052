"""Plans: the closure agrees with a slow plain one, and schemes made have the ranks promised."""

import functools
from itertools import permutations, product

import pytest
from scheme_samples import strassen

from flipsearch.constructors.closure import Leaf, all_sides, partitions
from flipsearch.constructors.making import Maker, with_sources
from flipsearch.constructors.plan import Plan
from flipsearch.constructors.recipes import replayed
from flipsearch.formats import TABULATED_SIDE, parse_format
from flipsearch.rings import Ring
from flipsearch.transform import merge
from flipsearch.transform.uneven import term_sides

BASE = strassen()


@functools.cache
def plain(n, m, p):
    """The least rank from Strassen's scheme, Hopcroft and Kerr's, gluing and all products."""
    n, m, p = sorted((n, m, p))
    if n == 1:
        return m * p
    best = n * m * p
    if n == 2 and p % m == 0:
        best = (3 * m * p + p + 1) // 2
    for first in range(1, n):
        best = min(best, plain(first, m, p) + plain(n - first, m, p))
    for first in range(1, m):
        best = min(best, plain(n, first, p) + plain(n, m - first, p))
    for first in range(1, p):
        best = min(best, plain(n, m, first) + plain(n, m, p - first))
    for a in range(1, n + 1):
        for b in range(1, m + 1):
            for c in range(1, p + 1):
                if 1 < a * b * c < n * m * p and not (n % a or m % b or p % c):
                    best = min(best, plain(a, b, c) * plain(n // a, m // b, p // c))
    for order in permutations((n, m, p)):
        halves = [{(side // 2, -(-side // 2)), (-(-side // 2), side // 2)} for side in order]
        for sizes in product(*halves):
            best = min(best, sum(plain(*sides) for sides in term_sides(BASE, sizes).tolist()))
    return best


@functools.cache
def plan(ring=Ring.ZT):
    return Plan(ring, [BASE])


def test_the_closure_is_the_plain_one():
    for sides in all_sides(2, 7):
        assert plan().rank(*sides) == plain(*sides), sides
    assert plan().rank(16, 16, 16) == 7**4


def test_schemes_are_made_as_promised():
    maker = Maker({Ring.ZT: plan()}, lambda name: BASE)
    for sides in [(2, 2, 3), (3, 3, 3), (2, 4, 5), (4, 4, 4), (5, 5, 5), (5, 6, 7)]:
        scheme = maker.fetch(maker.name(Ring.ZT, sides))
        assert scheme.rank == plan().rank(*sides)
        assert sorted(scheme.format.sides) == list(sides)


def test_a_ring_takes_over_what_a_smaller_one_has():
    maker = Maker({Ring.ZT: plan(), Ring.F2: plan(Ring.F2)}, lambda name: BASE)
    assert maker.name(Ring.F2, (2, 2, 3)) == maker.name(Ring.ZT, (2, 2, 3))


def test_gains_count_the_formats_that_a_primitive_lowers():
    ((sides, rank, count),) = plan().gains({(2, 2, 3): 10, (2, 3, 3): 99}, 3)
    assert (sides, rank) == ((2, 2, 3), 10)
    assert count > 1


def test_partitions_are_disjoint():
    scheme = merge(BASE, BASE, "p")
    for groups in partitions(scheme):
        members = [row for group in groups for row in group.members]
        assert len(set(members)) == len(members)
    assert partitions(scheme)


@pytest.mark.parametrize("sides", [(2, 3, 4), (5, 7, 16)])
def test_every_rank_has_a_move(sides):
    words, sources = plan().move(sides)
    assert words.split()[0] in ("merge", "product", "project", "uneven")
    assert all(max(each) <= TABULATED_SIDE for each in sources)


def test_a_formula_over_two_fields_makes_two_schemes():
    plans = {ring: Plan(ring, []) for ring in (Ring.Q, Ring.F2)}
    maker = Maker(plans, lambda name: BASE)
    rational, binary = (maker.fetch(maker.name(ring, (2, 7, 9))) for ring in plans)
    assert (rational.rank, rational.ring) == (99, Ring.Z)
    assert (binary.rank, binary.ring) == (99, Ring.F2)


@pytest.fixture
def few_formats(monkeypatch):
    monkeypatch.setattr("flipsearch.constructors.making.all_sides", lambda: all_sides(2, 4))


def test_a_recipe_at_hand_stays_where_its_rank_is_lower(few_formats):
    name = BASE.content_hash[:16]
    how = f"merge p {name}:2x2x2 {name}:2x2x2"
    made = replayed(how, parse_format("2x2x4"), Ring.F3, lambda name: BASE)
    lucky = Leaf((2, 2, 4), made.rank, made.content_hash, how, Ring.F3)
    for leaves, rank in (((), 16), ((lucky,), 14)):
        maker = Maker({Ring.F3: Plan(Ring.F3, [])}, lambda name: BASE, leaves)
        found = {recipe.format.name: recipe for recipe in maker.all()}
        assert found["2x2x4"].rank == rank
        assert found["2x4x4"].rank == 2 * rank
    assert found["2x2x4"].hash == lucky.name


def test_recipes_come_after_those_of_their_sources(few_formats):
    recipes = Maker({Ring.ZT: plan()}, lambda name: BASE).all()
    turned = with_sources(recipes, [recipe.hash for recipe in reversed(recipes)])
    for listed in (recipes, turned):
        assert {recipe.hash for recipe in listed} == {recipe.hash for recipe in recipes}
        place = {recipe.hash[:16]: k for k, recipe in enumerate(listed)}
        for k, recipe in enumerate(listed):
            assert all(place.get(name, -1) < k for name, _ in recipe.sources)
