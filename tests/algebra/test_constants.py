"""Constants of named tuples prune branches; the cache knows functions by what they enclose."""

from typing import Any, NamedTuple

from flipsearch.algebra.jit import _digest, njit


class Sizes(NamedTuple):
    wide: bool
    words: int


@njit
def _untyped(x: Any) -> Any:
    return x.no_such_attribute


def make(at: Sizes) -> Any:
    @njit(cache=False)
    def run(x: int) -> int:
        if at.words == 2:
            return x + at.words
        return _untyped(x)  # numba has no type for it

    return run


def make_not(at: Sizes) -> Any:
    @njit(cache=False)
    def run(x: int) -> int:
        if not at.wide:
            return _untyped(x)
        return x

    return run


def test_a_branch_that_a_constant_field_rules_out_needs_no_types() -> None:
    assert make(Sizes(True, 2))(3) == 5
    assert make_not(Sizes(True, 2))(3) == 3


def test_the_digest_of_a_function_tells_what_it_encloses_apart() -> None:
    def enclosing(at: Sizes) -> Any:
        inner = make(at)

        def run() -> int:
            return inner(1)  # type: ignore[no-any-return]

        return run

    assert _digest(enclosing(Sizes(True, 2))) == _digest(enclosing(Sizes(True, 2)))
    assert _digest(enclosing(Sizes(True, 2))) != _digest(enclosing(Sizes(True, 3)))
