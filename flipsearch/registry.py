"""Find strategies, executors, families of tensors and constructors by name.

A thing belongs to the package, is registered by a call, or is named by an entry point in another
package's metadata. Its module is imported at the first request.

Invariant: one name means one thing, and nobody can take a name of the package's own.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Generic, TypeVar

from flipsearch.errors import UsageError, did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind by name.

    Parameters
    ----------
    kind : str
        The noun for one thing in messages: ``strategy``.
    places : mapping of str to str, optional
        ``module:attribute`` of each thing of the package.
    reserved : tuple of str
        Further names that nothing can be registered by.
    """

    def __init__(
        self, kind: str, places: Mapping[str, str] | None = None, reserved: tuple[str, ...] = ()
    ) -> None:
        self.kind, self.places, self.reserved = kind, dict(places or {}), reserved
        self.added: dict[str, T] = {}

    @property
    def group(self) -> str:
        """The group of entry points by which other packages name theirs."""
        plural = "strategies" if self.kind == "strategy" else f"{self.kind}s"
        return f"flipsearch.{plural}"

    def register(self, name: str, thing: T) -> None:
        """Make a thing known by a name; a second time changes nothing.

        Raises `UsageError` if another thing has the name.
        """
        taken = name in self.places or name in self.reserved
        if taken or self.added.get(name, thing) is not thing:
            raise UsageError(f"there is {self._one} {name!r} already")
        self.added[name] = thing

    def names(self) -> list[str]:
        """Return all names: the package's own in their order, then the others."""
        from importlib.metadata import entry_points  # slow to import, and seldom needed

        others = {*self.added, *entry_points(group=self.group).names}
        return [*self.places, *sorted(others - set(self.places))]

    def find(self, name: str) -> T | None:
        """Return the thing of that name, or None if there is none."""
        if name in self.added:
            return self.added[name]
        if name in self.places:
            module, _, attribute = self.places[name].partition(":")
            own: T = getattr(importlib.import_module(module), attribute)
            return own
        from importlib.metadata import entry_points

        for point in entry_points(group=self.group, name=name):
            loaded: T = point.load()
            return loaded
        return None

    def get(self, name: str) -> T:
        """Return the thing of that name; raises `UsageError` if there is none."""
        found = self.find(name)
        if found is None:
            names = self.names()
            near = did_you_mean(name, [*names, *self.reserved])
            raise UsageError(f"no {self.kind} {name!r}{near}: there are {', '.join(names)}")
        return found

    @property
    def _one(self) -> str:
        return f"{'an' if self.kind[0] in 'aeiou' else 'a'} {self.kind}"
