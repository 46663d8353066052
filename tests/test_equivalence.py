from __future__ import annotations

import numpy as np
import pytest
from scheme_samples import changed_basis, samples, strassen

from flipsearch.equivalence import Classes, canonical, class_key, equivalent, orbit
from flipsearch.formats import parse_format
from flipsearch.invariants import invariants
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.transform import sandwich
from flipsearch.verify import verify

SPLIT = naive_scheme(parse_format("2x2x2"), Ring.F2)


def transposed(scheme: Scheme) -> Scheme:
    """The product of the transposes: (U, V, W) -> (V^T, U^T, W^T), sides p x m x n."""
    form = parse_format("x".join(reversed(str(scheme.format).split("x"))))
    n, m, p = (int(side) for side in str(scheme.format).split("x"))
    u = scheme.v.reshape(-1, m, p).transpose(0, 2, 1).reshape(scheme.rank, -1)
    v = scheme.u.reshape(-1, n, m).transpose(0, 2, 1).reshape(scheme.rank, -1)
    w = scheme.w.reshape(-1, p, n).transpose(0, 2, 1).reshape(scheme.rank, -1)
    return Scheme(form, scheme.ring, u, v, w)


def cyclic(scheme: Scheme) -> Scheme:
    n, m, p = str(scheme.format).split("x")
    return Scheme(parse_format(f"{m}x{p}x{n}"), scheme.ring, scheme.v, scheme.w, scheme.u)


@pytest.mark.parametrize("name", ["2x2x2", "2x2x3", "1x2x3", "3x2x2", "2x3x3"])
def test_symmetries_do_not_change_the_class(name: str) -> None:
    base = naive_scheme(parse_format(name), Ring.F2)
    scheme = changed_basis(changed_basis(base, 1), 2)
    assert scheme != base
    key = class_key(base)
    assert key is not None
    for other in (scheme, cyclic(scheme), transposed(scheme), cyclic(transposed(scheme))):
        verify(other)
        assert class_key(other) == key
        assert invariants(other).unordered == invariants(base).unordered


def test_the_canonical_form_is_a_scheme_of_the_class() -> None:
    scheme = changed_basis(strassen(Ring.F2), 3)
    form = canonical(scheme)
    assert form is not None
    verify(form)
    assert class_key(form) == class_key(scheme)
    assert canonical(strassen(Ring.F2)) == form


def test_different_classes_have_different_keys() -> None:
    eight = np.concatenate([strassen(Ring.F2).u, strassen(Ring.F2).u[:1]])
    u = eight.copy()
    u[0] ^= np.array([1, 0, 0, 0])
    u[7] = np.array([1, 0, 0, 0])
    v, w = (np.concatenate([m, m[:1]]) for m in strassen(Ring.F2).factors[1:])
    split = Scheme(SPLIT.format, Ring.F2, u, v, w)
    verify(split)
    assert class_key(split) != class_key(SPLIT)


def test_strassen_over_f2_has_36_symmetries_and_36_images() -> None:
    """All schemes of rank 7 are one orbit (de Groote 1978); over F2 there are 216/6 of them."""
    found = orbit(strassen(Ring.F2))
    assert (found.automorphisms, found.size) == (36, 36)
    seen = {strassen(Ring.F2).content_hash}
    scheme = strassen(Ring.F2)
    for seed in range(600):
        scheme = changed_basis(scheme, seed)
        seen.add(scheme.content_hash)
    assert len(seen) == 36


def test_orbit_of_the_naive_scheme() -> None:
    """One for each choice of three frames: 3^3 for 2x2x2, as GL(2, 2) has 6 and frames have 2."""
    found = orbit(SPLIT)
    assert (found.automorphisms, found.size) == (48, 27)
    assert found.to_dict()["type"] == "8XYZ"


def test_where_it_is_not_feasible_it_says_so() -> None:
    for scheme in (
        naive_scheme(parse_format("4x4x4"), Ring.F2),
        naive_scheme(parse_format("3x3x3"), Ring.F3),
        naive_scheme(parse_format("ug:2x2x2"), Ring.F2),
        naive_scheme(parse_format("4x4x4"), Ring.ZT),
        strassen(Ring.ZT).over(Ring.Q),
    ):
        assert class_key(scheme) is None
        assert canonical(scheme) is None
        found = orbit(scheme)
        assert (found.key, found.automorphisms, found.size) == (None, None, None)
        assert found.to_dict()["note"]
        assert found.invariants.types


@pytest.mark.parametrize("name", ["2x2x2", "1x2x3"])
def test_symmetries_do_not_change_the_class_over_f3(name: str) -> None:
    base = naive_scheme(parse_format(name), Ring.F3)
    scheme = changed_basis(changed_basis(base, 5), 6)
    assert scheme != base
    form = canonical(base)
    assert form is not None
    verify(form)
    assert class_key(base) is not None
    for other in (scheme, cyclic(scheme), transposed(scheme)):
        verify(other)
        assert class_key(other) == class_key(base)
        assert canonical(other) == form


def test_one_side_may_be_three_over_f3() -> None:
    base = naive_scheme(parse_format("2x3x2"), Ring.F3)
    found = orbit(cyclic(changed_basis(base, 5)))
    assert (found.key, found.automorphisms) == (class_key(base), 4 * 4 * 24 * 2)


def test_orbits_over_f3_have_the_size_of_the_group_over_the_symmetries() -> None:
    """PGL(2, 3) has 24 elements, so 24^3 sandwiches and 6 orders act on 2x2x2 schemes.

    The naive scheme is fixed by 4 monomial matrices up to sign a side and all six orders.
    """
    found = orbit(strassen(Ring.F3))
    assert (found.automorphisms, found.size) == (36, 24**3 * 6 // 36)
    naive = orbit(naive_scheme(parse_format("2x2x2"), Ring.F3))
    assert (naive.automorphisms, naive.size) == (4**3 * 6, 6**3)
    assert class_key(strassen(Ring.F3)) not in (naive.key, class_key(strassen(Ring.F2)))


def test_equivalence_over_the_integers_is_decided() -> None:
    base = strassen(Ring.ZT).over(Ring.Z)
    scheme = changed_basis(changed_basis(changed_basis(base, 1), 2), 3)
    assert np.abs(scheme.u).max() > 1  # beyond what signs and permutations reach
    for other in (scheme, cyclic(scheme), transposed(scheme)):
        verify(other)
        assert equivalent(base, other) is True
        assert equivalent(other, base) is True
    assert orbit(scheme).automorphisms == 36
    assert orbit(scheme).key is None
    naive = naive_scheme(SPLIT.format, Ring.Z)
    assert equivalent(naive, changed_basis(naive, 4)) is True
    assert equivalent(naive, base) is False
    assert equivalent(base, base.over(Ring.F2)) is False


def test_symmetries_may_have_larger_entries_than_the_schemes() -> None:
    """A scheme without symmetries of its own, sheared one way and the other."""
    base = strassen(Ring.ZT).over(Ring.Z)
    u, v, w = (np.concatenate([matrix, matrix[2:3]]) for matrix in base.factors)
    v[7] = [1, 0, 1, -1]
    v[2] -= v[7]
    scheme, identity = Scheme(base.format, Ring.Z, u, v, w), [[1, 0], [0, 1]]
    assert orbit(scheme).automorphisms == 1
    one, two = (
        sandwich(scheme, [[1, x], [0, 1]], identity, identity) for x in (3 << 18, -3 << 18)
    )
    assert max(np.abs(one.u).max(), np.abs(two.u).max()) <= 1 << 20 < 6 << 18
    assert equivalent(one, two) is True


def test_equivalence_over_q_alone_is_none_over_the_integers() -> None:
    """diag(2, 1) is a symmetry over Q, but its image is not integrally equivalent."""
    doubled = strassen(Ring.ZT).over(Ring.Z)
    u, w = (matrix.reshape(-1, 2, 2).copy() for matrix in (doubled.u, doubled.w))
    u[:, 0, :] *= 2  # P = diag(2, 1): u -> P u, and w -> w P^-1 times 2 to stay whole
    w[:, :, 1] *= 2
    u, w = u.reshape(7, 4), w.reshape(7, 4)
    scheme = Scheme(doubled.format, Ring.Q, u, doubled.v, w, np.full(7, 2))
    verify(scheme)
    assert (scheme.canonical.denominators != 1).any()
    assert equivalent(scheme, strassen(Ring.ZT)) is None


def test_classes_count_what_is_new() -> None:
    classes = Classes()
    assert classes.meet(strassen(Ring.ZT)) == "new"
    assert classes.meet(changed_basis(strassen(Ring.ZT).over(Ring.Z), 9)) == "equivalent"
    assert classes.meet(naive_scheme(SPLIT.format, Ring.ZT)) == "new"
    assert classes.meet(strassen(Ring.F3)) == "new"
    assert classes.meet(changed_basis(strassen(Ring.F3), 9)) == "equivalent"
    large = naive_scheme(parse_format("4x4x4"), Ring.Z)
    assert classes.meet(large) == "new"
    assert classes.meet(changed_basis(large, 9)) == "undecided"


def test_invariants_of_strassen() -> None:
    found = invariants(strassen())
    assert found.type_polynomial == "X^2Y^2Z^2 + 6XYZ"
    assert found.shared == ((), (), ())
    assert found.flips == 0
    naive = invariants(SPLIT)
    assert naive.shared == ((2,) * 4,) * 3
    assert naive.flips == 24


@pytest.mark.parametrize("scheme", [s for s in samples() if ":" not in str(s.format)], ids=repr)
def test_invariants_do_not_depend_on_the_basis(scheme: Scheme) -> None:
    base = scheme.over(Ring.Z) if scheme.ring is Ring.ZT else scheme
    assert invariants(changed_basis(base, 11)) == invariants(base)


def flips_of(scheme: Scheme) -> list[list[IntArray]]:
    """Every flip over F2: u v w + u v' w' = u (v + v') w + u v' (w + w')."""
    found = []
    for x in range(3):
        factor = scheme.factors[x]
        for i, j in np.argwhere((factor[:, None] == factor[None]).all(axis=2)):
            for y, z in (((x + 1) % 3, (x + 2) % 3), ((x + 2) % 3, (x + 1) % 3)):
                if i != j:
                    factors = [m.copy() for m in scheme.factors]
                    factors[y][i] ^= factors[y][j]
                    factors[z][j] ^= factors[z][i]
                    found.append(factors)
    return found


@pytest.mark.slow
def test_the_flip_graph_of_2x2x2_at_rank_8_has_the_published_size() -> None:
    """272 classes of rank 8 and 1,176 edges among them, 40 of them loops.

    The published edge list (jakobmoosbauer/flips, 222flipgraph_rank8) has 1,183 edges: these, and
    7 of the 8 reductions to Strassen's class.
    """
    seven = class_key(strassen(Ring.F2))
    todo = [(SPLIT, class_key(SPLIT))]
    for slot in range(3):
        for row in range(7):
            for number in range(1, 16):
                vector = np.array([(number >> k) & 1 for k in range(4)])
                factors = [
                    np.concatenate([m, m[row : row + 1]]) for m in strassen(Ring.F2).factors
                ]
                factors[slot][row] ^= vector
                factors[slot][7] = vector
                if factors[slot][row].any():
                    scheme = Scheme(SPLIT.format, Ring.F2, *factors)
                    todo.append((scheme, class_key(scheme)))
    seen: set[str | None] = set()
    edges = set()
    while todo:
        scheme, key = todo.pop()
        if key in seen:
            continue
        seen.add(key)
        for factors in flips_of(scheme):
            if any((~m.any(axis=1)).any() for m in factors):
                edges.add(frozenset((key, seven)))
                continue
            other = Scheme(scheme.format, Ring.F2, *factors)
            name = class_key(other)
            edges.add(frozenset((key, name)))
            todo.append((other, name))
    assert len(seen) == 272
    assert sum(seven in edge for edge in edges) == 8
    assert len(edges) == 1176 + 8
    assert sum(len(edge) == 1 for edge in edges) == 40
