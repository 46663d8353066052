"""A front holds exactly the schemes that no other scheme of the format beats."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from catalogue_schemes import split, strassen, variant, winograd
from scheme_samples import changed_basis
from sqlalchemy import update

from flipsearch.catalogue import Catalogue, Record
from flipsearch.catalogue.columns import SCHEMES
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme

ORDER = {Ring.ZT: 0, Ring.Z: 1, Ring.Q: 2}


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalogue]:
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
    with Catalogue.open("sqlite://") as catalogue:
        for ring in (Ring.F2, Ring.F3, Ring.ZT):
            catalogue.schemes.add(strassen(ring))
            catalogue.schemes.add(naive_scheme(parse_format("2x2x2"), ring))
        catalogue.programs.add(winograd())
        for number in range(4):
            catalogue.schemes.add(variant(number))
            catalogue.schemes.add(split(number + 2))
            catalogue.schemes.add(changed_basis(strassen(Ring.Q), number))
        catalogue.schemes.add(naive_scheme(parse_format("2x3x2"), Ring.ZT))
        yield catalogue


def costs(record: Record) -> tuple[float, ...]:
    """Return the quantities that a front makes small."""
    return (
        record.rank,
        record.fewest_additions,
        record.growth or 0.0,
        record.greatest_denominator or 2**63,
        -(record.calls or 0),
        1 if record.survives is None else -record.survives,
        ORDER.get(record.ring, 0),
    )


def beats(one: Record, other: Record) -> bool:
    if one.format.name != other.format.name or one.id == other.id:
        return False
    if one.ring.characteristic != other.ring.characteristic:
        return False
    a, b = costs(one), costs(other)
    better = a != b or one.id < other.id
    return better and all(x <= y for x, y in zip(a, b, strict=True))


def test_a_front_is_what_nothing_beats(catalogue: Catalogue) -> None:
    everything = catalogue.schemes.query()
    expected = {a.hash for a in everything if not any(beats(b, a) for b in everything)}
    assert {r.hash for r in catalogue.schemes.records(front=True)} == expected
    assert 6 <= len(expected) < len(everything)
    assert {strassen().content_hash, winograd().scheme.content_hash} < expected


@pytest.mark.parametrize("ring", ["F2", "F3"])
def test_fields_have_fronts_of_their_own(catalogue: Catalogue, ring: str) -> None:
    naive = naive_scheme(parse_format("2x2x2"), ring)  # more products, fewer additions
    front = catalogue.schemes.query(format="2x2x2", ring=ring, front=True)
    assert {record.scheme for record in front} == {strassen(Ring(ring)), naive}


def test_each_quantity_alone_keeps_a_scheme_on_the_front(catalogue: Catalogue) -> None:
    worst = catalogue.schemes.get(split(5).content_hash)
    for change in (
        {"rank": 6}, {"fewest": 1}, {"growth": 1.0}, {"calls": 1}, {"survives": 2}
    ):  # fmt: skip
        was = {
            name: getattr(worst, "fewest_additions" if name == "fewest" else name)
            for name in change
        }
        for values, kept in ((change, True), (was, False)):
            with catalogue.database.writing() as connection:
                connection.execute(
                    update(SCHEMES).where(SCHEMES.c.id == worst.id).values(**values)
                )
            front = {record.id for record in catalogue.schemes.records(front=True)}
            assert (worst.id in front) is kept


def test_an_unknown_denominator_is_the_greatest(catalogue: Catalogue) -> None:
    with catalogue.database.writing() as connection:
        connection.execute(
            update(SCHEMES).where(SCHEMES.c.rank == 7).values(greatest_denominator=None)
        )
    front = catalogue.schemes.query(format="2x2x2", ring="ZT", front=True)
    assert {record.rank for record in front} == {7, 8}
