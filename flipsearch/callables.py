"""Modules that are called like the function of their own name: ``flipsearch.verify(scheme)``.

The public API has functions named as rooms of the package: search, lift, verify. Python binds such
a room to its name in the package when somebody imports it, and would hide the function. A callable
module is both: it is called as the function, and has all that the room has.

Invariant: a call does what the function of that name in the module does.
"""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any


class CallableModule(ModuleType):
    """A module whose calls go to the function in it that has its name."""

    @property
    def _function(self) -> Any:
        return getattr(self, self.__name__.rpartition(".")[2])

    @property
    def __signature__(self) -> inspect.Signature:
        """The function's, for `help` and completion."""
        return inspect.signature(self._function)

    def __call__(self, *values: Any, **options: Any) -> Any:
        """Call the function."""
        return self._function(*values, **options)


def make_callable(module: str) -> None:
    """Make the module of that name callable; it calls this for itself."""
    sys.modules[module].__class__ = CallableModule
