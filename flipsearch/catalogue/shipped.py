"""The schemes that ship with the program, loaded into a fresh catalogue.

They are readable text in ``schemes/``, a folder a format: at the root of a checkout, inside the
package once installed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import flipsearch
from flipsearch.catalogue.records import Provenance
from flipsearch.errors import FlipsearchError
from flipsearch.scheme import Scheme

_log = logging.getLogger(__name__)
_HASH = re.compile("[0-9a-f]{6,64}")


def shipped_folder() -> Path | None:
    """Return the folder of the shipped schemes, or None if there is none."""
    package = Path(flipsearch.__file__).resolve().parent
    for folder in (package / "schemes", package.parent / "schemes"):
        if folder.is_dir():
            return folder
    return None


def read_folder(folder: Path) -> Iterator[tuple[Scheme, Provenance]]:
    """Yield the schemes in the text files under a folder, each with its file as source.

    A file that cannot be read is logged and passed over: it must not keep a catalogue from being
    made.
    """
    from flipsearch.files.native import read_native

    for path in sorted(folder.rglob("*.txt")):
        try:
            scheme, header = read_native(path)
        except (FlipsearchError, OSError) as error:
            _log.warning("passed over %s: %s", path, error)
            continue
        yield scheme, _provenance(header, path.relative_to(folder.parent).as_posix())


def _provenance(header: dict[str, str], source: str) -> Provenance:
    seed, lifted = header.get("seed", ""), header.get("lifted-from", "")
    return Provenance(
        source=source,
        seed=int(seed) if seed.isdecimal() and len(seed) <= 64 else None,
        lifted_from=lifted if _HASH.fullmatch(lifted) else None,
        method=header.get("found-by") or header.get("method"),
        details=header or None,
    )
