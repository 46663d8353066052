"""Where a scheme came from: a value, a row, a line of a listing, JSON.

Invariant: a scheme has each provenance once: two with the same method that name the same run, or
without a run the same source and ancestors, are one.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flipsearch.catalogue.arguments import LARGEST_NUMBER, instance

SHORT = 12
"""Digits of a hash that listings show."""


@dataclass(frozen=True)
class Provenance:
    """Where a scheme came from; every field is optional.

    Parameters
    ----------
    run : int
        Number of the run that found it.
    seed : int
        Seed of that run, of any size.
    task : int
        Number of the walk task within the run, which can be replayed alone.
    parent : str
        Content hash of the scheme it was made from by exact moves.
    lifted_from : str
        Content hash of the scheme over a finite field that it was lifted from.
    source : str
        A file, an address or a citation, for schemes found elsewhere.
    method : str
        How it was made, in a few words.
    details : mapping
        Anything else, as JSON values.
    """

    run: int | None = None
    seed: int | None = None
    task: int | None = None
    parent: str | None = None
    lifted_from: str | None = None
    source: str | None = None
    method: str | None = None
    details: Mapping[str, Any] | None = None

    def describe(self) -> str:
        """Return it in one line, as listings show it."""
        parts = [] if self.source is None else [self.source]
        if self.run is not None:
            place = f"run {self.run}"
            if self.task is not None:
                place += f" task {self.task}"
            parts.append(place + ("" if self.seed is None else f" seed {self.seed}"))
        if self.lifted_from is not None:
            parts.append(f"lifted from {self.lifted_from[:SHORT]}")
        if self.parent is not None:
            parts.append(f"from {self.parent[:SHORT]}")
        if self.method is not None:
            parts.append(self.method)
        return ", ".join(parts) or "unknown"

    def row(self, scheme_id: int, now: dt.datetime) -> dict[str, Any]:
        """Return its row in the database, recorded at `now`."""
        where = (
            [self.run] if self.run is not None else [self.source, self.parent, self.lifted_from]
        )
        digest = hashlib.sha256(json.dumps([self.method, *where]).encode()).hexdigest()[:32]
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values["run_id"] = values.pop("run")
        values["seed"] = None if self.seed is None else str(self.seed)
        label = self.describe()
        return values | {
            "scheme_id": scheme_id, "digest": digest, "label": label, "recorded": now
        }  # fmt: skip

    @classmethod
    def of_row(cls, row: Any) -> Provenance:
        """Return the provenance that a row of the database holds."""
        values = {field.name: getattr(row, field.name, None) for field in dataclasses.fields(cls)}
        seed = None if row.seed is None else int(row.seed)
        return cls(**values | {"run": row.run_id, "seed": seed})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set, as JSON values."""
        values = dataclasses.asdict(self)
        return {key: value for key, value in values.items() if value is not None}

    @classmethod
    def of_dict(cls, given: Any) -> Provenance | None:
        """Return the readable fields of JSON: a field of another version costs no scheme."""
        if not isinstance(given, dict):
            return None
        kinds = {"run": int, "seed": int, "task": int, "details": dict}
        names = [field.name for field in dataclasses.fields(cls)]
        kept = {
            key: given[key] for key in names if isinstance(given.get(key), kinds.get(key, str))
        }
        for key in ("run", "task"):
            if not 0 <= kept.get(key, 0) <= LARGEST_NUMBER:
                del kept[key]
        return cls(**kept)


def checked(provenance: Any) -> Provenance | None:
    """Return a provenance or None; anything else is a TypeError."""
    if provenance is None:
        return None
    return instance("provenance", provenance, Provenance, "a Provenance")
