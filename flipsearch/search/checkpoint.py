"""Save tasks in a checkpoint, and shorten a checkpoint that would be too large.

Walks are pure functions of their tasks. A deterministic run therefore saves the tasks whose
outcomes were not told. After a restart they are walked again and told in the same order, and the
run ends as if it had never stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from flipsearch.catalogue.codec import LARGEST_STATE_BYTES
from flipsearch.search.strategy import Strategy
from flipsearch.walk.kinds import decode, encode
from flipsearch.walk.task import WalkTask

logger = logging.getLogger("flipsearch.search")

OUTSTANDING = "outstanding"
TRIMMED_BYTES = LARGEST_STATE_BYTES * 3 // 4
"""Largest size of the arrays of a checkpoint; the rest of the limit is for its other values."""


def with_outstanding(state: Mapping[str, Any], tasks: Iterable[WalkTask]) -> dict[str, Any]:
    """Add tasks to a strategy's state, in the order in which they were asked for."""
    saved = [encode(task) for task in tasks]
    return {**state, OUTSTANDING: saved} if saved else dict(state)


def outstanding_tasks(state: Mapping[str, Any], strategy: Strategy) -> list[WalkTask]:
    """Return the tasks that `with_outstanding` added to a state."""
    saved = state.get(OUTSTANDING, ())
    return [decode(task, strategy.format, strategy.ring) for task in saved]


def trimmed(state: Mapping[str, Any], limit: int = TRIMMED_BYTES) -> Mapping[str, Any]:
    """Drop the oldest states of the pools in a state until its arrays fit the limit.

    A pool is a list of arrays, or of mappings that hold only arrays. Each round keeps the newer
    half of every pool, and at least one state.
    """
    size, halved = _bytes_of(state), state
    while _bytes_of(halved) > limit:
        before, halved = _bytes_of(halved), _halved(halved)
        if _bytes_of(halved) == before:
            break
    if halved is not state:
        logger.warning(
            "the checkpoint would hold %d MB: the oldest states of its pools are left out",
            size >> 20,
        )
    return halved


def _bytes_of(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, Mapping):
        return sum(map(_bytes_of, value.values()))
    return sum(map(_bytes_of, value)) if isinstance(value, list | tuple) else 0


def _halved(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _halved(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    if value and all(map(_is_state, value)):
        return value[len(value) // 2 :]
    return [_halved(item) for item in value]


def _is_state(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(isinstance(item, np.ndarray) for item in value.values())
    return isinstance(value, np.ndarray)
