"""Plan walks with strategies and run them on an executor with the driver.

A call of this module is a call of `flipsearch.search.once.search`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flipsearch.callables import make_callable

if TYPE_CHECKING:
    from flipsearch.search.once import search

__all__ = ["search"]


def __getattr__(name: str) -> Any:
    """Import `search` when it is first used: workers need strategies only."""
    if name != "search":
        raise AttributeError(f"module 'flipsearch.search' has no attribute {name!r}")
    from flipsearch.search import once

    return once.search


make_callable(__name__)
