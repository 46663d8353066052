"""Emitted modules given what they cannot take, or what comes close to it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from flipsearch.errors import UsageError
from flipsearch.faults import write_fault_tolerant_kernel
from flipsearch.faults.presets import presets
from flipsearch.formats import parse_format

Emitted = Callable[[str, int], ModuleType]


def integers(shape: tuple[int, int], seed: int) -> Any:
    return np.random.default_rng(seed).integers(-50, 51, size=shape)


def test_clear_errors(emitted: Emitted) -> None:
    module = emitted("2x2x2", 1)
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 3\)"):
        module.matmul(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(TypeError, match="bool"):
        module.matmul(np.ones((2, 2), bool), np.ones((2, 2), bool))
    two = np.ones((2, 2))
    with pytest.raises(TypeError, match="executor"):
        module.matmul(two, two, executor=7)
    with pytest.raises(TypeError, match="array"):
        module.matmul(two, two, out=[[0.0, 0.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match="read-only"):
        module.matmul(two, two, out=np.broadcast_to(0.0, (2, 2)))
    for drill in ({0: "explode"}, {99: "lose"}):
        with pytest.raises(ValueError, match="drill"):
            module.matmul(two, two, drill=drill)


def test_a_leaf_that_returns_no_product_is_a_loss(emitted: Emitted) -> None:
    module = emitted("2x2x2", 1)
    a, b = integers((6, 6), 25), integers((6, 6), 26)
    with pytest.raises(module.LostProductsError, match=r"returned shape \(1, 1\)"):
        module.matmul(a, b, leaf=lambda x, y: np.ones((1, 1)), retries=0)
    with pytest.raises(module.LostProductsError, match="TypeError"):
        module.matmul(a, b, leaf=lambda x, y: x @ y * 1j, retries=0)
    assert (module.matmul(a, b, leaf=lambda x, y: (x @ y).tolist()) == a @ b).all()


def test_a_cancelled_future_is_a_loss(emitted: Emitted) -> None:
    module = emitted("2x2x2", 1)
    a, b = integers((6, 6), 27), integers((6, 6), 28)

    class Cancelling(ThreadPoolExecutor):
        calls = 0

        def submit(self, *arguments: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls == 1:
                future: Future[Any] = Future()
                future.cancel()
                return future
            return super().submit(*arguments, **options)

    with Cancelling(1) as pool:
        outcome = module.multiply(a, b, executor=pool, retries=0)
    assert (outcome.product == a @ b).all()
    assert "cancelled" in outcome.lost[0]


def test_numbers_that_cannot_be_checked(emitted: Emitted) -> None:
    module = emitted("2x2x2", 3)
    a, b = integers((6, 6), 29).astype(float), integers((6, 6), 30).astype(float)
    a[0, 0] = np.nan
    assert np.isnan(module.matmul(a, b)).any()
    for options in ({"check": True}, {"correct": 1}):
        for wrong in (np.nan, np.inf, 1e308):
            a[0, 0] = wrong
            with pytest.raises(ValueError, match="NaN, infinity"):
                module.matmul(a, b * 1e10, **options)


@pytest.mark.parametrize("scale", [1e160, 1e-160])
def test_norms_whose_squares_overflow_or_vanish(emitted: Emitted, scale: float) -> None:
    module = emitted("2x2x2", 1)
    code = module.CODE
    generator = np.random.default_rng(6)
    a, b = generator.standard_normal((8, 8)) * scale, generator.standard_normal((8, 8))
    operands = module.Operands(code, a, b)
    checks, same = module.Freivalds(code, a, b, 1), module.Freivalds(code, a / scale, b, 1)
    for found, plain in zip(checks._exact_norms()[0], same._exact_norms()[0], strict=True):
        assert np.allclose(found / scale, plain)
    bounds = np.array(module.error_bounds(code, b, a))
    assert np.allclose(bounds / scale, module.error_bounds(code, b, a / scale))
    for r in range(code.workers):
        left, right, blocks = operands.needs(r)
        product = module.product_of_blocks(operands.shapes, left, right, None, None, *blocks)
        assert checks.is_right(r, product)
        assert not checks.is_right(r, product + scale * 1e-6)


@pytest.mark.parametrize("name", ["no-module.py", "module.txt", "nowhere/module.py"])
def test_what_cannot_be_imported_is_not_written(tmp_path: Path, name: str) -> None:
    union = presets(parse_format("2x2x2"), 1)[0]
    with pytest.raises(UsageError, match=r"mm\.py|create it first"):
        write_fault_tolerant_kernel(union, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
