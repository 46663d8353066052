"""Define a constructor: a formula for a rank, and a function that returns a scheme of that rank.

Invariant: `rank` builds nothing, therefore plans over many formats are cheap. `build` is pure and
is called only where `rank` gave a number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flipsearch.errors import UsageError
from flipsearch.formats import Format
from flipsearch.formats.named import format_of, short_name
from flipsearch.registry import Registry
from flipsearch.rings import Ring, parse_ring
from flipsearch.scheme import Scheme
from flipsearch.verify import verify


@dataclass(frozen=True)
class Constructor:
    """Schemes from a formula.

    Parameters
    ----------
    about : str
        The method and its formats in a few words.
    rank : function
        From a format and a ring to the rank, or None where the formula does not apply.
    build : function
        From the same to a scheme over that ring.
    """

    about: str
    rank: Callable[[Format, Ring], int | None]
    build: Callable[[Format, Ring], Scheme]


CONSTRUCTORS: Registry[Constructor] = Registry(
    "constructor",
    {
        "trilinear": "flipsearch.constructors.trilinear:TRILINEAR",
        "hopcroft": "flipsearch.constructors.hopcroft:HOPCROFT",
        "structured": "flipsearch.constructors.structured:STRUCTURED",
        "remainders": "flipsearch.constructors.remainders:REMAINDERS",
    },
)


def constructors() -> dict[str, Constructor]:
    """Return all constructors by name, those of other packages included."""
    return {name: CONSTRUCTORS.get(name) for name in CONSTRUCTORS.names()}


def offers(
    format_: Format, ring: Ring, makers: Mapping[str, Constructor] | None = None
) -> list[tuple[int, str]]:
    """Return (rank, name) of the constructors that apply, of all by default, least rank first."""
    makers = constructors() if makers is None else makers
    ranks = ((maker.rank(format_, ring), name) for name, maker in makers.items())
    return sorted((found, name) for found, name in ranks if found is not None)


def best_offer(
    format_: Format, ring: Ring | str | None = None, by: str | None = None
) -> tuple[int, Ring, str]:
    """Return the rank, the ring and the constructor's name of the scheme that `construct` makes.

    Raises `UsageError` if no constructor applies, or there is none of that name.
    """
    rings = (Ring.ZT, Ring.Z, Ring.Q) if ring is None else (parse_ring(ring),)
    makers = constructors() if by is None else {by: CONSTRUCTORS.get(by)}
    found = [
        (rank, number, name)
        for number, over in enumerate(rings)
        for rank, name in offers(format_, over, makers)
    ]
    if not found:
        listed = "; ".join(f"{name}: {maker.about}" for name, maker in makers.items())
        over = " or ".join(each.value for each in rings)
        raise UsageError(
            f"no constructor makes {short_name(format_)} over {over}: there are {listed}"
        )
    rank, number, name = min(found)
    return rank, rings[number], name


def construct(
    format: Format | str, ring: Ring | str | None = None, by: str | None = None
) -> Scheme:
    """Return a scheme from a closed formula, proved.

    Parameters
    ----------
    format : Format or str
        The format that the scheme computes.
    ring : Ring or str, optional
        By default the least rank over ZT, Z or Q counts, over the first of them that has it.
    by : str, optional
        The name of the constructor; by default the one of least rank.

    Raises
    ------
    UsageError
        No constructor applies, or there is none of that name.
    InvalidSchemeError
        The constructor returned a scheme that does not satisfy its Brent equations.

    Examples
    --------
    >>> construct("8x8x8").rank
    416
    """
    format = format_of(format)
    rank, over, name = best_offer(format, ring, by)
    scheme = CONSTRUCTORS.get(name).build(format, over)
    if scheme.format != format or scheme.rank > rank:
        raise UsageError(f"constructor {name} promised {format} of rank {rank}, not {scheme!r}")
    verify(scheme)
    return scheme
