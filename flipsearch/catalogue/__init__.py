"""The catalogue: verified schemes and their provenance, runs, and known bounds beside them."""

from flipsearch.catalogue.queries import Filters
from flipsearch.catalogue.records import (
    Best,
    Bound,
    Provenance,
    Quarantined,
    Record,
    Run,
    Stored,
    StoredProgram,
)
from flipsearch.catalogue.spool import SpooledError
from flipsearch.catalogue.store import Catalogue

__all__ = [
    "Best",
    "Bound",
    "Catalogue",
    "Filters",
    "Provenance",
    "Quarantined",
    "Record",
    "Run",
    "SpooledError",
    "Stored",
    "StoredProgram",
]
