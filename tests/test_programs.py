"""Programs that nobody vouches for: evaluated exactly, or refused before they cost anything."""

import tracemalloc

import pytest

from flipsearch.errors import InvalidSchemeError
from flipsearch.programs import Program, matrix_of, transposed


def test_large_coefficients_on_the_way_may_cancel() -> None:
    steps = ((2**61, 0, 2**61, 0), (1, 1, -1, 1))
    assert Program(1, steps, ((1, 2), (1, 0))).matrix().tolist() == [[0], [1]]
    with pytest.raises(InvalidSchemeError, match=r"2\^62"):
        matrix_of(Program(1, steps, ((1, 1),)))


def test_coefficients_that_grow_without_end_cost_nothing() -> None:
    steps = tuple((2**61, x, 2**61, x) for x in range(4000))
    program = Program(1, steps, ((1, 4000),))
    tracemalloc.start()
    try:
        with pytest.raises(InvalidSchemeError, match=r"2\^62"):
            matrix_of(program)
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def test_absurd_sizes_are_refused() -> None:
    for program in (
        Program(1, tuple((1, x, 1, x) for x in range(200_001)), ()),
        Program(1000, tuple((1, 0, 1, 1) for _ in range(100_001)), ()),
        Program(20_000, (), ((1, 0),)),
    ):
        with pytest.raises(InvalidSchemeError, match="absurdly many"):
            matrix_of(program)


def test_backwards_it_computes_the_transpose() -> None:
    program = Program(3, ((1, 0, -1, 1), (2, 3, 1, 2)), ((1, 4), (-1, 3), (0, 0), (3, 2)))
    assert (transposed(program).matrix() == program.matrix().T).all()
