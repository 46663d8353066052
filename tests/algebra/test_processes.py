"""Worker processes compute in order, and a killed one is an error that names the task."""

from __future__ import annotations

import os
from operator import neg

import pytest

from flipsearch.algebra.processes import WorkerKilledError, computed


def test_results_come_in_the_order_of_the_items() -> None:
    read: list[int] = []

    def items() -> object:
        for number in range(20):
            read.append(number)
            yield number

    results = computed(neg, items(), 2, "the test")  # type: ignore[arg-type]
    assert next(results) == (0, 0)
    assert len(read) == 4  # no more than two beyond the workers
    assert list(results) == [(number, -number) for number in range(1, 20)]


def test_a_killed_worker_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(WorkerKilledError, match=r"the test was killed.*workers 1"):
        list(computed(os._exit, [1], 1, "the test"))
