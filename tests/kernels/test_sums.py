"""Programs under annealing: the compiled sets of forms against plain ones, after every move."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.formats import parse_format
from flipsearch.kernels.additions import reduce_additions
from flipsearch.kernels.additions.annealing import Annealing
from flipsearch.kernels.additions.sums import find, follows
from flipsearch.programs import Program, Reduction, chained, transposed
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.verify import is_valid


def forms_of(sums, slot):
    """Return the forms of a slot as tuples of coefficients."""
    inputs = int(sums.inputs[slot])
    return [
        tuple((int(p) >> x & 1) - (int(m) >> x & 1) for x in range(inputs))
        for p, m in zip(sums.plus[slot], sums.minus[slot], strict=True)
    ][: int(sums.size[slot])]


def related(ring, forms, triple):
    """Whether some signs make three forms sum to zero."""
    x, y, z = (np.array(forms[k]) for k in triple)
    return any(not ring.balanced(x + p * y + q * z).any() for p in (1, -1) for q in (1, -1))


def follow(forms, inputs, triples, without):
    """Return the forms that follow from the inputs without one of them."""
    derived = set(range(inputs)) - {without}
    while True:
        more = {
            x
            for triple in triples
            if without not in triple
            for x in triple
            if len(derived & set(triple)) == 2 and x not in derived
        }
        if not more:
            return derived
        derived |= more


def check(search, ring):
    """Compare every slot with what plain code makes of its forms and rows."""
    sums = search._sums
    for slot in range(3):
        forms, inputs = forms_of(sums, slot), int(sums.inputs[slot])
        assert forms[:inputs] == [tuple(row) for row in np.eye(inputs, dtype=int).tolist()]
        assert len(set(forms)) == len(forms)
        triples = {tuple(sorted(t)) for t in sums.triples[slot, : sums.count[slot]].tolist()}
        assert len(triples) == sums.count[slot]
        assert triples == {
            triple for triple in combinations(range(len(forms)), 3) if related(ring, forms, triple)
        }
        for place, (p, m) in enumerate(zip(sums.plus[slot], sums.minus[slot], strict=True)):
            assert place >= len(forms) or find(sums, slot, p, m) == place
        nodes = sums.node[slot][sums.sign[slot] != 0].tolist()  # zero rows have sign 0
        wanted = [nodes.count(place) for place in range(len(forms))]
        assert wanted == sums.wanted[slot, : len(forms)].tolist()
        for without in (-1, *range(inputs, len(forms))):
            derived = follow(forms, inputs, triples, without)
            enough = all(not wanted[x] or x in derived for x in range(len(forms)))
            assert follows(sums, slot, without) == enough
            assert enough == (without < 0)  # no form is there in vain


@pytest.mark.parametrize("ring", [Ring.ZT, Ring.F3, Ring.F2])
@pytest.mark.parametrize("name", ["2x2x2", "2x3x2", "ug:2x2x2"])
def test_moves_keep_schemes_and_programs(name, ring):
    form = parse_format(name)
    start = reduce_additions(naive_scheme(form, ring), passes=1)
    programs = [[start.left], [start.right], [transposed(start.output)]]
    sides = form.sides if form.is_general else (0, 0, 0)
    search = Annealing(start.scheme.factors, programs, ring, sides, seed=1)
    check(search, ring)
    seen = set()
    for _ in range(60):
        search.least = 1 << 60  # so that the last state is kept
        search.run(10, 20.0, 20.0, walk=True)
        check(search, ring)
        search.least = 1 << 60
        search.run(0)
        (u, v, w), (left, right, output) = search.best()
        scheme = Scheme(form, ring, u, v, w)
        seen.add(scheme.content_hash)
        assert is_valid(scheme)
        found = Reduction(scheme, left, right, transposed(output))
        found.check()
        assert left.additions + right.additions + output.additions == search.least
    assert len(seen) > 20


@settings(max_examples=20, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 8)),
    seed=st.integers(0, 10**6),
    ring=st.sampled_from([Ring.F2, Ring.F3, Ring.ZT]),
)
def test_exchanged_forms_leave_a_program_of_the_same_matrix(shape, seed, ring):
    matrices = [
        ring.balanced(np.random.default_rng(seed + k).integers(-1, 2, shape)) for k in range(3)
    ]
    rows = [[[(int(p), x) for x, p in enumerate(row) if p] for row in m] for m in matrices]
    programs = [[chained(shape[1], [], each)] for each in rows]
    search = Annealing(matrices, programs, ring, seed=seed)
    before = search.least
    search.run(300)
    assert search.least <= before
    found, programs = search.best()
    check(search, ring)
    for matrix, same, program in zip(matrices, found, programs, strict=True):
        np.testing.assert_array_equal(same, matrix)
        np.testing.assert_array_equal(program.matrix(ring), matrix)


def test_programs_with_other_coefficients_are_begun_with_in_part():
    matrix = np.array([[1, 1], [1, -1]])
    doubled = Program(2, ((1, 0, 1, 1), (2, 0, -1, 2)), ((1, 2), (1, 3)))
    search = Annealing([matrix] * 3, [[doubled], [], []], Ring.ZT)
    check(search, Ring.ZT)
    assert search.least == 6
    assert [program.additions for program in search.best()[1]] == [2, 2, 2]
