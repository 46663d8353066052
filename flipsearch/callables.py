"""Modules that are called like the function of their own name: ``flipsearch.verify(scheme)``.

Some functions of the public API have the name of a module of the package: search, lift, verify.
Python binds an imported module to its name in the package and would hide the function. A callable
module is both: a call goes to the function, and its attributes are the module's.

Invariant: a call equals a call of the module's function of that name.
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
        """The function's signature, for `help` and completion."""
        return inspect.signature(self._function)

    def __call__(self, *values: Any, **options: Any) -> Any:
        """Call the function."""
        return self._function(*values, **options)


def make_callable(module: str) -> None:
    """Make the module of that name callable; a module passes its own name."""
    sys.modules[module].__class__ = CallableModule
