"""A wrong type is an error that names the argument; the catalogue is not called damaged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from catalogue_schemes import strassen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flipsearch.catalogue import Catalogue, Filters
from flipsearch.errors import UsageError
from flipsearch.rings import Ring

ODD: dict[str, st.SearchStrategy[Any]] = {
    "none": st.none(),
    "boolean": st.booleans(),
    "whole": st.integers(-(2**70), 2**70),
    "real": st.floats(allow_nan=False),
    "text": st.text(max_size=4).map(lambda text: text + "?"),
    "bytes": st.binary(max_size=4),
    "object": st.builds(object),
    "list": st.just([1]),
    "mapping": st.just({"a": 1}),
    "array": st.just(np.zeros((2, 2))),
    "moment": st.just(dt.datetime(2026, 1, 31)),
    "ring": st.just(Ring.ZT),
    "triple": st.just((1, 2, 3)),
    "pair of text": st.just(("1", "2")),
    "pair of reals": st.just((1.5, None)),
}
FITTING = {
    "format": (),
    "ring": ("ring",),
    "rank": ("whole",),
    "gap": ("whole",),
    "additions": ("whole",),
    "growth": ("whole", "real"),
    "gamma": ("whole", "real"),
    "front": ("boolean",),
    "source": ("text",),
    "run": ("whole", "text"),
    "since": ("moment",),
    "until": ("moment",),
    "exact": ("boolean",),
}


@pytest.fixture(scope="module")
def stocked() -> Iterator[Catalogue]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
        catalogue = Catalogue.open("sqlite://")
    with catalogue:
        catalogue.schemes.add(strassen())
        catalogue.runs.start("2x2x2", "ZT")
        yield catalogue


def _odd(*fitting: str) -> st.SearchStrategy[Any]:
    if "text" in fitting:  # a ring is one, too
        fitting = (*fitting, "ring")
    return st.one_of(*(values for kind, values in ODD.items() if kind not in fitting))


def test_every_filter_has_its_fitting_types() -> None:
    assert set(FITTING) == {field.name for field in fields(Filters)}


@pytest.mark.parametrize("name", FITTING)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_filters_name_what_is_wrong(stocked: Catalogue, name: str, data: st.DataObject) -> None:
    value = data.draw(_odd("none", *FITTING[name]))
    for ask in (
        stocked.schemes.count,
        stocked.schemes.query,
        stocked.schemes.to_records,
        stocked.schemes.records,
    ):
        with pytest.raises((TypeError, ValueError, UsageError)) as caught:
            ask(**{name: value})  # type: ignore[operator]
        assert name in str(caught.value)


@pytest.mark.parametrize("name", FITTING)
def test_filters_take_what_fits(stocked: Catalogue, name: str) -> None:
    values = {
        "format": "2x2x2",
        "ring": "Q",
        "rank": np.int64(7),
        "gap": (None, np.int32(0)),
        "additions": [0, None],
        "growth": np.float32(12),
        "gamma": 2,
        "run": np.int16(1),
        "source": "x",
        "since": dt.date(2020, 1, 1),
        "until": dt.datetime(2020, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=5))),
        "front": True,
        "exact": False,
    }
    found = stocked.schemes.count(**{name: values[name]})
    assert found == (0 if name in ("gamma", "run", "source", "until") else 1)


METHODS: list[tuple[str, str, tuple[str, ...], Callable[[Catalogue, Any], Any]]] = [
    ("get", "scheme", ("whole", "text"), lambda c, x: c.schemes.get(x)),
    ("best", "format", (), lambda c, x: c.best(x)),
    ("best", "ring", ("none", "ring"), lambda c, x: c.best("2x2x2", x)),
    ("best", "exact", ("boolean",), lambda c, x: c.best("2x2x2", exact=x)),
    ("best_table", "ring", (), lambda c, x: c.schemes.best_table(x)),
    ("records", "filters", ("none",), lambda c, x: c.schemes.records(x)),
    ("count", "filters", ("none",), lambda c, x: c.schemes.count(x)),
    ("records", "sort", ("text",), lambda c, x: c.schemes.records(sort=x)),
    ("records", "limit", ("none", "whole"), lambda c, x: c.schemes.records(limit=x)),
    ("records", "offset", ("whole",), lambda c, x: c.schemes.records(offset=x)),
    ("by_hash", "hashes", ("mapping", "pair of text"), lambda c, x: c.schemes.by_hash(x)),
    ("contains", "scheme", ("text",), lambda c, x: x in c.schemes),
    ("provenance", "record", ("whole",), lambda c, x: c.schemes.provenance(x)),
    ("invariants", "record", ("whole",), lambda c, x: c.schemes.invariants(x)),
    ("known_bound", "format", (), lambda c, x: c.bounds.known(x, "Z")),
    ("known_bound", "ring", ("ring",), lambda c, x: c.bounds.known("2x2x2", x)),
    ("quarantined", "limit", ("none", "whole"), lambda c, x: c.runs.quarantined(x)),
    ("add", "scheme", (), lambda c, x: c.schemes.add(x)),
    ("add", "provenance", ("none",), lambda c, x: c.schemes.add(strassen(), x)),
    ("add_many", "schemes", ("mapping",), lambda c, x: c.schemes.add_many(x)),
    ("add_many", "batch", ("whole",), lambda c, x: c.schemes.add_many([], batch=x)),
    ("add_many", "workers", ("whole",), lambda c, x: c.schemes.add_many([], workers=x)),
    ("add_many", "on_invalid", (), lambda c, x: c.schemes.add_many([], on_invalid=x)),
    ("add_program", "reduction", (), lambda c, x: c.programs.add(x)),
    ("quarantine", "reason", ("text",), lambda c, x: c.runs.quarantine(x)),
    ("quarantine", "run", ("none", "whole"), lambda c, x: c.runs.quarantine("x", run=x)),
    ("quarantine", "task", ("none", "mapping"), lambda c, x: c.runs.quarantine("x", task=x)),
    ("annotate", "scheme", ("whole", "text"), lambda c, x: c.schemes.annotate(x, {})),
    ("annotate", "invariants", ("mapping",), lambda c, x: c.schemes.annotate(1, x)),
    ("start_run", "format", (), lambda c, x: c.runs.start(x, "F2")),
    ("start_run", "ring", ("ring",), lambda c, x: c.runs.start("2x2x2", x)),
    ("start_run", "seed", ("none", "whole"), lambda c, x: c.runs.start("2x2x2", "F2", seed=x)),
    ("start_run", "name", ("none", "text"), lambda c, x: c.runs.start("2x2x2", "F2", name=x)),
    ("resume_run", "run", ("whole", "text"), lambda c, x: c.runs.resume(x)),
    ("heartbeat", "run", ("whole",), lambda c, x: c.runs.heartbeat(x)),
    ("heartbeat", "flips", ("none", "whole"), lambda c, x: c.runs.heartbeat(1, flips=x)),
    (
        "heartbeat",
        "seconds",
        ("none", "whole", "real"),
        lambda c, x: c.runs.heartbeat(1, seconds=x),
    ),
    ("checkpoint", "state", ("none", "mapping"), lambda c, x: c.runs.checkpoint(1, x)),
    ("finish_run", "status", ("none",), lambda c, x: c.runs.finish(1, x)),
    ("load_checkpoint", "run", ("whole",), lambda c, x: c.runs.last_checkpoint(x)),
    ("run", "run", ("whole", "text"), lambda c, x: c.runs.get(x)),
    ("find_run", "run", ("whole", "text"), lambda c, x: c.runs.find(x)),
    ("runs", "limit", ("none", "whole"), lambda c, x: c.runs.all(x)),
    ("audit", "workers", ("none", "whole"), lambda c, x: c.audit(workers=x)),
]


@pytest.mark.parametrize(
    ("argument", "fitting", "call"),
    [(argument, fitting, call) for _, argument, fitting, call in METHODS],
    ids=[f"{method}-{argument}" for method, argument, _, _ in METHODS],
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_methods_name_what_is_wrong(
    stocked: Catalogue,
    argument: str,
    fitting: tuple[str, ...],
    call: Callable[[Catalogue, Any], Any],
    data: st.DataObject,
) -> None:
    value = data.draw(_odd(*fitting))
    with pytest.raises((TypeError, ValueError, UsageError)) as caught:
        call(stocked, value)
    assert argument in str(caught.value)


def test_negative_pages_are_refused(stocked: Catalogue) -> None:
    for call in (stocked.schemes.records, stocked.schemes.query, stocked.schemes.to_records):
        for name in ("limit", "offset"):
            with pytest.raises(ValueError, match=f"{name} must be 0 or more"):
                call(**{name: -1})  # type: ignore[operator]


def test_filters_and_conditions_do_not_mix(stocked: Catalogue) -> None:
    for ask in (stocked.schemes.count, stocked.schemes.query, stocked.schemes.records):
        with pytest.raises(TypeError, match="filters or the conditions rank"):
            ask(Filters(ring="ZT"), rank=7)  # type: ignore[operator]
        with pytest.raises(TypeError, match="colour"):
            ask(colour="red")  # type: ignore[operator]


def test_a_moment_beyond_the_calendar_is_named(stocked: Catalogue) -> None:
    first = dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=14)))
    with pytest.raises(ValueError, match="since is beyond the calendar"):
        stocked.schemes.count(since=first)


def test_a_damaged_row_is_still_told_as_damage(tmp_path: Path) -> None:
    from flipsearch.errors import CatalogueError

    with Catalogue.open(tmp_path / "c.sqlite") as catalogue:
        catalogue.schemes.add(strassen())
        with catalogue.database.writing() as connection:
            connection.exec_driver_sql("UPDATE schemes SET stored = 'long ago'")
        with pytest.raises(CatalogueError, match="damaged"):
            catalogue.schemes.query()
