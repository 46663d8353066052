"""The anatomy of schemes: known counts, known groups, and nothing that renumbering changes."""

import itertools

import numpy as np
import pytest
from scheme_samples import strassen

from flipsearch.constructors import construct
from flipsearch.equivalence.anatomy import anatomy
from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.formats.tensors import polynomial
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme


def test_naive_products_touch_their_own_indices():
    found = anatomy(naive_scheme("ss:3x3x3", Ring.ZT))
    assert found.classes == ("nmp",)
    assert found.by_number == {(1,): (3, 3), (2,): (18, 3), (3,): (6, 1)}
    assert found.by_set[(0, 1),] == 6
    # 6 renumberings, 4 choices of signs, transposition or not
    assert found.symmetries == 48
    assert found.orbit_types == {(3, (1,)): 1, (6, (2,)): 1, (12, (2,)): 1, (6, (3,)): 1}


def test_sides_that_are_not_tied_count_apart():
    found = anatomy(naive_scheme("ug:2x2x3", Ring.F2))
    assert found.classes == ("nm", "p")
    assert found.by_number == {(1, 1): (6, 6), (2, 1): (3, 3)}
    assert found.symmetries == 6  # of the three columns
    assert sorted(map(len, found.orbits)) == [3, 3, 3]


def test_strassen_is_turned_onto_itself():
    found = anatomy(strassen())
    assert sorted(map(len, found.orbits)) == [1, 6]
    assert found.classes == ("n", "m", "p")


def test_a_formula_shows_its_triples():
    """Two products for each three of the indices, in a formula for all n."""
    found = anatomy(construct("ww:5x5x5", by="structured"))
    assert found.by_number[3,] == (20, 10)


@pytest.mark.parametrize("name", ["kk:3x3x3", "ss:3x3x3", "ww:3x3x3"])
def test_renumbering_changes_no_count(name):
    format_ = parse_format(name)
    scheme = construct(name) if name != "kk:3x3x3" else naive_scheme(name, Ring.Z)
    images = (2, 0, 1)
    moved = []
    for factor, layout in ((scheme.u, format_.left), (scheme.v, format_.right)):
        image = np.zeros_like(factor)
        for parameter in range(layout.parameters):
            i, j = layout.position(parameter)
            place, sign = layout.entry(images[i], images[j])
            image[:, place] = factor[:, parameter] * sign
        moved.append(image)
    w = np.zeros_like(scheme.w)
    for i, k in itertools.product(range(3), repeat=2):
        place = format_.output_index(images[i], images[k])
        w[:, place] = scheme.w[:, format_.output_index(i, k)]
    other = Scheme(format_, scheme.ring, *moved, w, scheme.denominators)
    one, two = anatomy(scheme), anatomy(other)
    assert one.by_number == two.by_number
    assert one.symmetries == two.symmetries
    assert one.orbit_types == two.orbit_types


def test_tables_and_json_hold_the_same():
    found = anatomy(naive_scheme("kk:3x3x3", Ring.ZT))
    facts = found.to_dict()
    assert sum(each["products"] for each in facts["by_set"]) == 12
    assert sum(each["products"] for each in facts["by_number"]) == 12
    assert sum(each["orbits"] * each["products"] for each in facts["orbits"]) == 12
    assert len(list(found.tables())) == 3
    assert "<table>" in found._repr_html_()


def test_other_maps_have_no_anatomy():
    with pytest.raises(UsageError, match="no sides"):
        anatomy(naive_scheme(polynomial(2, 2), Ring.ZT))
