"""Fault-tolerant schemes as readable text, and the ones shipped with the program.

A file is a scheme in the readable form (`flipsearch.files.native`): the n products with one
decoder as third factor, zero where that decoder does not use a product. The header says how many
workers it takes and how many losses it survives. That claim is proved again on reading. The
catalogue takes these files in like any other scheme, header and all.

Invariant: a union that is read spans its target, and its header does not claim too much.
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
    """Return the header of a union's file and of its catalogue entry."""
    certificate = union.certificate()
    more = "" if certificate.is_complete else " ..."
    return {
        "workers": str(union.workers),
        "survives": str(certificate.survives),
        "fatal-sets": " ".join(map(str, certificate.counts)) + more,
        "name": union.name,
        "origin": ", ".join(union.origin),
    }


def union_text(union: FaultTolerantScheme, meta: Mapping[str, str] | None = None) -> str:
    """Return a union as readable text."""
    return to_text(union.as_scheme(), header(union) | dict(meta or {}))


def read_union(path: str | Path) -> FaultTolerantScheme:
    """Read and prove a union.

    Raises
    ------
    FormatError
        The file is no scheme, or claims to survive more than it does.
    """
    scheme, said = read_native(path)
    return restored(scheme, said, str(path))


def restored(scheme: Scheme, said: Mapping[str, str], where: str) -> FaultTolerantScheme:
    """Return the union of a stored scheme and its header, the claim proved again."""
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
        raise FormatError(f"{where}: says it survives {claim[:20]} lost workers, and does not")
    return union


def is_union(said: Mapping[str, str]) -> bool:
    """Whether a scheme file's header is that of a union."""
    return "survives" in said


def preset_folder() -> Path | None:
    """Return the folder of the shipped unions, or None if there is none."""
    from flipsearch.catalogue.shipped import shipped_folder

    shipped = shipped_folder()
    return shipped / FOLDER if shipped is not None and (shipped / FOLDER).is_dir() else None


def presets(format_: Format | None = None, survive: int = 0) -> list[FaultTolerantScheme]:
    """Return the shipped unions for a format that survive so many losses, fewest workers first.

    Parameters
    ----------
    format_ : Format, optional
        All formats by default.
    survive : int
        Any so many lost workers.
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
