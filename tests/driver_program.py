"""The command line, writing down every scheme that the catalogue has acknowledged.

    python driver_program.py RECORD search 3x3x3 ...

Each hash is on disk before the search goes on, so that what stands in RECORD after a kill was
acknowledged. No schemes are shipped into the catalogue, and checkpoints come every half second.
"""

from __future__ import annotations

import os
import sys

from flipsearch.catalogue import Provenance, Stored, shipped
from flipsearch.catalogue.schemes import Schemes
from flipsearch.scheme import Scheme
from flipsearch.search import driver

record = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
add = Schemes.add


def adding(self: Schemes, scheme: Scheme, provenance: Provenance | None = None) -> Stored:
    stored = add(self, scheme, provenance)
    os.write(record, f"{stored.hash}\n".encode())
    os.fsync(record)
    return stored


if __name__ == "__main__":
    from flipsearch.cli import main

    Schemes.add = adding  # type: ignore[method-assign]
    shipped.shipped_folder = lambda: None  # type: ignore[assignment]
    driver.Driver.__init__.__kwdefaults__["checkpoint_seconds"] = 0.5
    sys.exit(main(sys.argv[2:]))
