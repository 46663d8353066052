"""Every structured construction is offered at the rank that its page proves."""

import pytest

from flipsearch.constructors import construct, offers
from flipsearch.constructors.structured import _FORMULAS
from flipsearch.formats import parse_format
from flipsearch.rings import Ring


@pytest.mark.parametrize("operands", sorted(_FORMULAS))
def test_promises_are_kept(operands):
    least = _FORMULAS[operands].least
    name = f"{operands}:{least}x{least}x{least}"
    ((rank, by),) = offers(parse_format(name), Ring.Q)
    assert by == "structured"
    assert construct(name).rank == rank
