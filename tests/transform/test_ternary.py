"""A change of basis makes schemes over Z ternary, and never changes what they compute."""

import numpy as np
import pytest

from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.transform import random_sandwich
from flipsearch.transform.ternary import cost, ternary_sandwich
from flipsearch.verify import is_valid

SIDES = parse_format("2x3x2")


def blurred(seed: int) -> Scheme:
    """Return a sandwich of the naive scheme that is not ternary."""
    generator = np.random.default_rng(seed)
    scheme = naive_scheme(SIDES, Ring.ZT)
    while scheme.ring is Ring.ZT:
        scheme = random_sandwich(scheme, generator, 4)
    return scheme


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_blurred_scheme_becomes_ternary_again(seed: int) -> None:
    scheme = blurred(seed)
    assert scheme.ring is Ring.Z
    found = ternary_sandwich(scheme, seed, tries=5)
    assert found is not None
    assert found.ring is Ring.ZT
    assert found.rank == scheme.rank
    assert is_valid(found)
    again = ternary_sandwich(scheme, seed, tries=5)
    assert again is not None
    assert again.content_hash == found.content_hash


def test_too_few_steps_find_nothing() -> None:
    assert ternary_sandwich(blurred(1), steps=1, tries=1) is None


def test_only_integral_schemes_of_general_formats() -> None:
    ternary = naive_scheme(SIDES, Ring.ZT)
    assert ternary_sandwich(ternary) is ternary
    with pytest.raises(UsageError, match="not over Z"):
        ternary_sandwich(naive_scheme(SIDES, Ring.F2))
    with pytest.raises(UsageError, match="structured"):
        ternary_sandwich(naive_scheme(parse_format("ug:2x2x2"), Ring.Z))


def test_the_cost_grows_with_the_size() -> None:
    costs = [cost(x) for x in (0, -1, 2, -3)]
    assert costs == sorted(set(costs))
    assert [cost(-x) for x in (0, -1, 2, -3)] == costs
