"""Describe the origin of a scheme as a value, a row, a line of a listing, or JSON.

Invariant: a scheme has each provenance once. Two provenances are the same if they agree in the
method and the run, or without a run in the method, the source and the ancestors.
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
"""Number of digits of a hash in listings."""


@dataclass(frozen=True)
class Provenance:
    """The origin of a scheme; every field is optional.

    Parameters
    ----------
    run, seed, task : int
        Number and seed (of any size) of the run that found it, and number of the walk task within
        the run, which can be replayed alone.
    parent, lifted_from : str
        Content hash of the scheme from which exact moves made it, or of the scheme over a finite
        field that was lifted.
    source : str
        A file, an address or a citation, for a scheme found by others.
    method : str
        The method in a few words.
    details : mapping
        Further JSON values.
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
        """Return the provenance in one line, for listings."""
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
        """Return the row of the database, recorded at `now`."""
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
        """Return the provenance of a row of the database."""
        values = {field.name: getattr(row, field.name, None) for field in dataclasses.fields(cls)}
        seed = None if row.seed is None else int(row.seed)
        return cls(**values | {"run": row.run_id, "seed": seed})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set, as JSON values."""
        values = dataclasses.asdict(self)
        return {key: value for key, value in values.items() if value is not None}

    @classmethod
    def of_dict(cls, given: Any) -> Provenance | None:
        """Return the readable fields of JSON; other fields are ignored, for other versions."""
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
    """Return a provenance or None; raise a TypeError for any other value."""
    if provenance is None:
        return None
    return instance("provenance", provenance, Provenance, "a Provenance")
