"""flipsearch: find, prove, keep and run fast matrix-multiplication algorithms.

    import flipsearch as fs

    found = fs.search("3x3x3", ring="F2", budget="20s")
    fs.verify(found.lifted)

Every name below is imported at its first use; ``import flipsearch`` alone loads almost nothing.
All functions take formats and rings by name or as objects. ``docs/python.md`` is the guide.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flipsearch.catalogue import Catalogue
    from flipsearch.constructors import construct
    from flipsearch.equivalence import equivalent
    from flipsearch.equivalence.anatomy import anatomy
    from flipsearch.errors import FlipsearchError, UsageError
    from flipsearch.executors import register_executor
    from flipsearch.files.convert import convert, read, write
    from flipsearch.formats import parse_format, tensors
    from flipsearch.formats.named import register_tensor
    from flipsearch.kernels import load_kernel, matmul
    from flipsearch.lift.lifting import lift
    from flipsearch.rings import Ring
    from flipsearch.scheme import Scheme, naive_scheme
    from flipsearch.search.once import search
    from flipsearch.search.registry import register_strategy
    from flipsearch.search.result import Result
    from flipsearch.search.study import Study
    from flipsearch.verify import verify
    from flipsearch.walk.kinds import register as register_walk

__version__ = "0.1.0"

_PLACES = {
    "Catalogue": "catalogue",
    "FlipsearchError": "errors",
    "Result": "search.result",
    "Ring": "rings",
    "Scheme": "scheme",
    "Study": "search.study",
    "UsageError": "errors",
    "anatomy": "equivalence.anatomy",
    "construct": "constructors",
    "convert": "files.convert",
    "equivalent": "equivalence",
    "lift": "lift:",
    "load_kernel": "kernels",
    "matmul": "kernels",
    "naive_scheme": "scheme",
    "parse_format": "formats",
    "read": "files.convert",
    "register_executor": "executors",
    "register_strategy": "search.registry",
    "register_tensor": "formats.named",
    "register_walk": "walk.kinds:register",
    "search": "search:",
    "tensors": "formats.tensors:",
    "verify": "verify:",
    "write": "files.convert",
}
"""Where each name is defined: a module, ``module:name`` for another name there, or ``module:``."""

__all__ = [
    "Catalogue",
    "FlipsearchError",
    "Result",
    "Ring",
    "Scheme",
    "Study",
    "UsageError",
    "__version__",
    "anatomy",
    "construct",
    "convert",
    "equivalent",
    "lift",
    "load_kernel",
    "matmul",
    "naive_scheme",
    "parse_format",
    "read",
    "register_executor",
    "register_strategy",
    "register_tensor",
    "register_walk",
    "search",
    "tensors",
    "verify",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'flipsearch' has no attribute {name!r}")
    module, colon, attribute = _PLACES[name].partition(":")
    home = importlib.import_module(f"flipsearch.{module}")
    return home if colon and not attribute else getattr(home, attribute or name)


def __dir__() -> list[str]:
    return sorted(__all__)
