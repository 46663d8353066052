from __future__ import annotations

import numpy as np
import pytest
from scheme_samples import changed_basis, samples, strassen

from flipsearch.equivalence import canonical, class_key, orbit
from flipsearch.formats import parse_format
from flipsearch.invariants import invariants
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme, naive_scheme
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
    for scheme in (strassen(Ring.ZT), naive_scheme(parse_format("4x4x4"), Ring.F2)):
        assert class_key(scheme) is None
        assert canonical(scheme) is None
        found = orbit(scheme)
        assert found.size is None
        assert found.invariants.types
    assert class_key(naive_scheme(parse_format("ug:2x2x2"), Ring.F2)) is None


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
    if max(map(int, str(base.format).split("x"))) < 2:
        return
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
    todo = [SPLIT]
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
                    todo.append(Scheme(SPLIT.format, Ring.F2, *factors))
    seen: set[str | None] = set()
    edges = set()
    while todo:
        scheme = todo.pop()
        key = class_key(scheme)
        if key in seen:
            continue
        seen.add(key)
        for factors in flips_of(scheme):
            if any((~m.any(axis=1)).any() for m in factors):
                edges.add(frozenset((key, seven)))
                continue
            other = Scheme(scheme.format, Ring.F2, *factors)
            edges.add(frozenset((key, class_key(other))))
            todo.append(other)
    assert len(seen) == 272
    assert sum(seven in edge for edge in edges) == 8
    assert len(edges) == 1176 + 8
    assert sum(len(edge) == 1 for edge in edges) == 40
