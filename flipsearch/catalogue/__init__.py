"""Store verified schemes with their provenance, runs of searches, and known bounds."""

from flipsearch.catalogue.best import Best
from flipsearch.catalogue.bounds import Bound
from flipsearch.catalogue.catalogue import Catalogue
from flipsearch.catalogue.columns import Record
from flipsearch.catalogue.filters import Filters
from flipsearch.catalogue.intake import Stored
from flipsearch.catalogue.programs import StoredProgram
from flipsearch.catalogue.provenance import Provenance
from flipsearch.catalogue.runs import Quarantined, Run
from flipsearch.catalogue.spool import SpooledError

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
