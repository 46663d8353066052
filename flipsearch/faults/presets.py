"""Read and write fault-tolerant schemes as readable text, and list the shipped ones.

A file is a scheme in the readable form (`flipsearch.files.native`). Its terms are the n products,
with one decoder as third factor; this factor is zero at a product that the decoder does not use.
The header claims the number of workers and the number of losses that they survive. The claim is
proved again on reading. The catalogue stores these files like any other scheme, with the header.

Invariant: a union that is read spans its target and survives the losses that its header claims.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flipsearch.errors import FormatError
from flipsearch.faults.union import FaultTolerantScheme
from flipsearch.files.native import read_native, to_text
from flipsearch.formats import Format
from flipsearch.scheme import Scheme

FOLDER = "faults"


def header(union: FaultTolerantScheme) -> dict[str, str]:
    """Return the header of a union's file and of its entry in the catalogue."""
    certificate = union.certificate()
    more = "" if certificate.is_complete else " ..."
    return {
        "workers": str(union.workers),
        "survives": str(certificate.survives),
        "fatal-sets": " ".join(map(str, certificate.counts)) + more,
        "name": union.name,
        "origin": ", ".join(union.origin),
    }


def union_text(union: FaultTolerantScheme) -> str:
    """Return a union as readable text."""
    return to_text(union.as_scheme(), header(union))


def read_union(path: str | Path) -> FaultTolerantScheme:
    """Read and prove a union.

    A file that is no scheme, or a union that survives fewer losses than it claims, raises a
    `FormatError`.
    """
    scheme, said = read_native(path)
    return restored(scheme, said, str(path))


def restored(scheme: Scheme, said: Mapping[str, str], where: str) -> FaultTolerantScheme:
    """Return the union of a stored scheme and its header, after proving its claim again."""
    origin = tuple(part for part in said.get("origin", "").split(", ") if part)
    union = FaultTolerantScheme(
        scheme.format,
        scheme.u,
        scheme.v,
        origin if len(origin) == scheme.rank else (),
        said.get("name", ""),
    )
    claim = said.get("survives", "0")
    if not claim.isdecimal() or union.certificate(int(claim[:4])).survives < int(claim[:4]):
        raise FormatError(f"{where}: it claims to survive {claim[:20]} lost workers but does not")
    return union


def preset_folder() -> Path | None:
    """Return the folder of the shipped unions, or None if there is none."""
    from flipsearch.catalogue.shipped import shipped_folder

    shipped = shipped_folder()
    return shipped / FOLDER if shipped is not None and (shipped / FOLDER).is_dir() else None


def presets(format_: Format | None = None, survive: int = 0) -> list[FaultTolerantScheme]:
    """Return the shipped unions that survive a number of losses, fewest workers first.

    By default unions of all formats are returned.
    """
    folder = preset_folder()
    paths = sorted(folder.glob("*.txt")) if folder is not None else []
    found = []
    for path in paths:
        scheme, said = read_native(path)
        if format_ is not None and scheme.format != format_:
            continue
        if int(said.get("survives", "0")) >= survive:
            found.append(restored(scheme, said, path.name))
    return sorted(found, key=lambda u: (u.workers, u.certificate().failure_bounds(0.05)[1]))
