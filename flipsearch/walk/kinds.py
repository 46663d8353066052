"""Declare each kind of walk once, for all code that handles tasks.

A kind declares the class of its tasks, the engines that walk them, their form in a checkpoint, the
layout of their states, and the policies that they follow. Executors, checkpoints and
`flipsearch.walk.engine` handle tasks of all kinds by these declarations only. Another package
registers its kind by `register`, in the module that defines its tasks.

Invariant: a task is handled as the kind for which it was made. A task of no registered kind is an
error; it is never taken for a plain one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import Format
from flipsearch.formats.named import named_format
from flipsearch.formats.sparse import SparseTensor, parse_tensor, tensor_text
from flipsearch.rings import Ring, parse_ring
from flipsearch.walk.diagonal import kernel as diagonal
from flipsearch.walk.diagonal import reference as plain_diagonal
from flipsearch.walk.diagonal.task import DiagonalTask
from flipsearch.walk.plain import kernel as plain
from flipsearch.walk.plain import reference
from flipsearch.walk.quotient import kernel as quotient
from flipsearch.walk.quotient import reference as plain_quotient
from flipsearch.walk.quotient.task import QuotientOutcome, QuotientTask, written
from flipsearch.walk.rotation import kernel as rotation
from flipsearch.walk.rotation import reference as plain_rotation
from flipsearch.walk.rotation.task import RotationTask
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, Words


@dataclass(frozen=True)
class Kind:
    """A kind of walk.

    Parameters
    ----------
    name : str
        The kind's name in checkpoints and messages.
    task : type
        The class of its tasks; no other kind has it. Fields that it adds to `WalkTask` have
        defaults and are numbers, strings or uint64 arrays.
    run : function
        The fast engine, which returns the outcome of a task.
    reference : function
        The plain engine. It returns the same outcomes and shares no code with `run`.
    outcome : type
        The class of its outcomes.
    policies : mapping
        The values that it follows for a field of `Policy`; it follows all values of other fields.
    on_device : bool
        Whether `flipsearch.walk.gpu` also walks it.
    parts : mapping of str to str
        Names of the arrays of a state with several arrays. It maps each field of the task that
        holds an array of the start to the ending of the fields ``best_...`` and ``final_...`` of
        the outcome that hold the same array. Empty if a state is its packed rows.
    write_out : function, optional
        Returns the packed rows for a task and the parts of a state.
    """

    name: str
    task: type[WalkTask]
    run: Callable[[Any], WalkOutcome]
    reference: Callable[[Any], WalkOutcome]
    outcome: type[WalkOutcome] = WalkOutcome
    policies: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    on_device: bool = False
    parts: Mapping[str, str] = field(default_factory=dict)
    write_out: Callable[[Any, tuple[Words, ...]], Words] | None = None

    def refuse(self, policy: Policy) -> None:
        """Raise a `UsageError` unless this kind follows the policy."""
        for name, taken in self.policies.items():
            if (value := getattr(policy, name)) not in taken:
                raise UsageError(
                    f"{self.name} walks do not take {name}={value!r}, only "
                    + " or ".join(map(repr, taken))
                )

    def start(self, task: WalkTask) -> tuple[Words, ...]:
        """Return the parts of the start of a task."""
        return tuple(getattr(task, name) for name in self.parts or ("start",))

    def written(self, task: WalkTask, parts: tuple[Words, ...]) -> Words:
        """Return the packed rows of a state."""
        return parts[0] if self.write_out is None else self.write_out(task, parts)

    def states(self, outcome: WalkOutcome) -> list[tuple[Words, ...]]:
        """Return the parts of each best state of an outcome, then those of its final state."""
        if not self.parts:
            return [(state,) for state in (*outcome.best, outcome.final)]
        return [
            tuple(getattr(outcome, f"{which}_{name}") for name in self.parts.values())
            for which in ("best", "final")
        ]

    def make(self, task: WalkTask, states: list[tuple[Words, ...]], **numbers: Any) -> WalkOutcome:
        """Return the outcome of a task: the inverse of `states`."""
        *best, final = (self.written(task, parts) for parts in states)
        extra: dict[str, Any] = {
            f"{which}_{name}": part
            for which, parts in zip(("best", "final"), states, strict=False)
            for name, part in zip(self.parts.values(), parts, strict=False)
        }
        return self.outcome(number=task.number, best=tuple(best), final=final, **numbers, **extra)

    def encode(self, task: WalkTask) -> dict[str, Any]:
        """Return a task as JSON values and arrays."""
        values = {f.name: getattr(task, f.name) for f in fields(task)}
        form = task.format  # a tensor needs all its entries, because its name does not give them
        named = tensor_text(form) if isinstance(form, SparseTensor) else str(form)
        plain = {"format": named, "ring": str(task.ring), "seed": str(task.seed)}
        return values | plain | {"policy": asdict(task.policy)}

    def decode(self, saved: Mapping[str, Any]) -> WalkTask:
        """Return the task that was encoded."""
        values: dict[str, Any] = {}
        for f in fields(self.task):
            if f.name in _READ:
                values[f.name] = _READ[f.name](saved[f.name])
            elif f.name in saved:
                default: Any = f.default
                read = _words if default is MISSING else type(default)
                values[f.name] = read(saved[f.name])
        return self.task(**values)


def _format(saved: str) -> Format:
    return parse_tensor(saved) if "\n" in saved else named_format(saved)


def _words(value: Any) -> Words:
    return np.asarray(value, dtype=np.uint64)


_READ: dict[str, Callable[[Any], Any]] = {
    "format": lambda saved: saved if isinstance(saved, Format) else _format(saved),
    "ring": parse_ring,
    "start": _words,
    "seed": int,
    "steps": int,
    "policy": lambda saved: Policy(**saved),
    "number": int,
}


_NAMED: dict[str, Kind] = {}
_OF: dict[type[WalkTask], Kind] = {}


def register(kind: Kind) -> Kind:
    """Register a kind and return it.

    Raises
    ------
    ValueError
        Another kind has its name or its class of tasks.

    Examples
    --------
    >>> class EchoTask(WalkTask): ...
    >>> register(Kind("echo", EchoTask, run=reference.walk, reference=reference.walk)).name
    'echo'
    """
    if _NAMED.get(kind.name, kind) != kind or _OF.get(kind.task, kind) != kind:
        raise ValueError(f"{kind.name}, or {kind.task.__name__}, is a kind of walk already")
    _NAMED[kind.name] = _OF[kind.task] = kind
    return kind


def kind_of(task: WalkTask) -> Kind:
    """Return the kind of a task; raises `TypeError` if its class belongs to no registered kind."""
    kind = _OF.get(type(task))
    if kind is None:
        raise TypeError(f"{type(task).__name__} is of no registered kind of walk: see register")
    return kind


def kind_named(name: str) -> Kind:
    """Return the kind of a name.

    Raises `UsageError` if no kind has the name; the package that registers it may not be imported.
    """
    if name not in _NAMED:
        raise UsageError(
            f"no kind of walk is called {name!r}, only {', '.join(_NAMED)}: import the package "
            "that registers it"
        )
    return _NAMED[name]


def encode(task: WalkTask) -> dict[str, Any]:
    """Return a task and the name of its kind, as JSON values and arrays."""
    kind = kind_of(task)
    return {"kind": kind.name, **kind.encode(task)}


def decode(saved: Mapping[str, Any], format_: Format, ring: Ring) -> WalkTask:
    """Return the task that was encoded.

    Checkpoints of older versions lack the kind and the ring, and at first the format; ring and
    format are then those of the search. Their policies had the fields of plain walks.
    """
    saved = {"format": str(format_), "ring": str(ring), **saved}
    if saved["format"] == str(format_):
        saved["format"] = format_  # a tensor from a file cannot be made from its name
    if "kind" in saved:
        return kind_named(saved["kind"]).decode(saved)
    marks = {"diagonal": "diagonal", "order": "rotation", "cubes": "quotient"}
    kind = _NAMED[next((name for mark, name in marks.items() if mark in saved), "plain")]
    only = {name: taken[0] for name, taken in kind.policies.items() if len(taken) == 1}
    return kind.decode(saved | {"policy": saved["policy"] | only})


register(
    Kind(
        *("plain", WalkTask, plain.walk, reference.walk),
        policies={"plus_since": ("best",)},
        on_device=True,
    )
)
register(
    Kind(
        *("quotient", QuotientTask, quotient.walk, plain_quotient.walk, QuotientOutcome),
        policies={"collect": (1,), "merge": (False,), "plus_since": ("best",)},
        parts={"start": "orbits", "cubes": "cubes"},
        write_out=written,
    )
)
register(
    Kind(
        *("rotation", RotationTask, rotation.walk, plain_rotation.walk),
        policies={"collect": (1,), "merge": (False,), "plus_since": ("lower",)},
    )
)
register(
    Kind(
        *("diagonal", DiagonalTask, diagonal.walk, plain_diagonal.walk),
        policies={"collect": (1,), "plus_since": ("lower",)},
    )
)
