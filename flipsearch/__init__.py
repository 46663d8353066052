"""flipsearch: find, prove, keep and run fast matrix-multiplication algorithms.

The names below are imported when first used, so that `import flipsearch` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flipsearch.catalogue import Catalogue
    from flipsearch.formats import parse_format
    from flipsearch.kernels import load_kernel, matmul
    from flipsearch.rings import Ring
    from flipsearch.scheme import Scheme, naive_scheme

__version__ = "0.1.0"

__all__ = [
    "Catalogue",
    "Ring",
    "Scheme",
    "__version__",
    "load_kernel",
    "matmul",
    "naive_scheme",
    "parse_format",
]

_HOMES = {
    "Catalogue": "catalogue",
    "Ring": "rings",
    "Scheme": "scheme",
    "load_kernel": "kernels",
    "matmul": "kernels",
    "naive_scheme": "scheme",
    "parse_format": "formats",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'flipsearch' has no attribute {name!r}")
    return getattr(importlib.import_module(f"flipsearch.{_HOMES[name]}"), name)
