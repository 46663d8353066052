import logging

import numpy as np
import pytest

from flipsearch.algebra.compiling import Compilations, compilations
from flipsearch.algebra.jit import njit


@pytest.fixture
def told(monkeypatch):
    texts = []
    monkeypatch.setattr(compilations, "watchers", [texts.append])
    return texts


def test_a_compilation_is_told_before_and_after_and_only_once(told):
    @njit(cache=False)
    def double(x):
        return x + x

    assert double(2) == 4
    assert told == ["numba code (once)", None]
    assert double(3) == 6
    assert len(told) == 2
    assert np.isclose(double(0.5), 1)  # another signature
    assert len(told) == 4


def test_what_has_a_name_is_told_as_one(told):
    @njit(cache=False)
    def inner(x):
        return x + 1

    @njit(cache=False)
    def outer(x):
        return inner(x) + 1

    with compilations.named("the sum", about=3):
        assert told == []
        assert inner(1.5) + outer(1) == 5.5
        assert told == ["the sum (once, about 3 s)"]
    assert told == ["the sum (once, about 3 s)", None]


def test_only_what_was_compiled_and_took_long_is_logged(monkeypatch, caplog):
    monkeypatch.setattr("flipsearch.algebra.compiling.LONG", 0.0)
    found = Compilations()
    with caplog.at_level(logging.INFO, "flipsearch.compile"):
        with found.named("a walk from disk", about=3):
            pass
        assert not caplog.messages
        with found.named("a walk", about=3):
            found.begin()
            found.end()
    assert caplog.messages == ["compiled a walk in 0 s; kept for next time"]
