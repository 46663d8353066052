"""Compute C = AB on workers that may be lost, late or wrong."""

from __future__ import annotations

import concurrent.futures
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from flipsearch.faults.runtime.checks import Freivalds, error_bounds, locate
from flipsearch.faults.runtime.code import Code, Decoding
from flipsearch.faults.runtime.decode import decode
from flipsearch.faults.runtime.processes import ProcessTransport, ProcessWorkers
from flipsearch.faults.runtime.transports import Operands, PoolTransport, RayTransport, Transport
from flipsearch.faults.runtime.work import Drill


class LostProductsError(RuntimeError):
    """Too many products were lost or wrong to decode C; `lost` and `wrong` name them."""

    def __init__(self, message: str, lost: Mapping[int, str], wrong: tuple[int, ...]) -> None:
        super().__init__(message)
        self.lost, self.wrong = dict(lost), wrong


@dataclass(frozen=True)
class Outcome:
    """A product, and a report on its workers.

    `product` is C. `lost` gives the reason for each product whose worker failed. `wrong` products
    arrived and failed a check, `late` ones had not arrived when C was decoded, `resubmitted` ones
    were started again, and C was decoded from the `used` ones. `growth` bounds the factor by which
    decoding magnified the products' rounding errors. The seconds were spent in the calling
    process.
    """

    product: Any
    lost: dict[int, str]
    wrong: tuple[int, ...]
    late: tuple[int, ...]
    resubmitted: tuple[int, ...]
    used: tuple[int, ...]
    growth: float
    decode_seconds: float
    check_seconds: float

    def __str__(self) -> str:
        parts = [f"decoded from products {list(self.used)} with growth {self.growth:g}"]
        parts += [f"lost {r}: {why}" for r, why in sorted(self.lost.items())]
        for name in ("wrong", "late", "resubmitted"):
            if getattr(self, name):
                parts.append(f"{name}: {list(getattr(self, name))}")
        return "; ".join(parts)


def run(
    code: Code,
    a: Any,
    b: Any,
    *,
    executor: Any = None,
    check: bool = False,
    correct: int = 0,
    deadline: float | None = None,
    retries: int = 1,
    leaf: Any = None,
    drill: Mapping[int, Drill] | None = None,
    ray_options: Mapping[str, Any] | None = None,
    out: Any = None,
) -> Outcome:
    """Return C = AB with a report of losses and decoding.

    Parameters
    ----------
    a, b, out : arrays, shapes (N, K), (K, P) and (N, P)
        Any sizes; integers (exact, modulo 2^64 as in numpy), floats or complex numbers. `out`, if
        it is given, has the dtype of the product and receives C.
    executor : None, "threads", "ray", a concurrent.futures executor, or `workers()`
        The place where the products are computed; by default threads.
    check : bool
        Check each product by random vectors (`Freivalds`) and treat wrong products as lost.
    correct : int
        Number of wrong products to correct by the parity checks only, without `check`. The call
        waits for the products that this needs.
    deadline, retries : float, int
        Seconds after which missing products count as lost; and how many times a smallest repairing
        set of products is started again after losses.
    leaf : callable, "module:function", or None
        Multiplies a worker's two operands; by default BLAS.
    drill : dict, optional
        Simulated faults by product, on the first try: "kill", "raise", "wrong", "lose", or a delay
        in seconds.
    ray_options : dict, optional
        Options of the Ray tasks, such as ``{"num_cpus": 4}``.

    Raises
    ------
    LostProductsError
        Too many products were lost; the error names them.
    ValueError, TypeError
        An argument is not as described, or numbers are not finite or too large for `check` and
        `correct`.
    OverflowError
        The integers are so large that this code has no decoder for them.
    """
    a, b, kind = _operands(a, b)
    shape = (a.shape[0], b.shape[1])
    if out is not None and not isinstance(out, np.ndarray):
        raise TypeError("out must be a numpy array")
    if out is not None and (out.shape != shape or out.dtype != kind or not out.flags.writeable):
        state = "" if out.flags.writeable else ", read-only"
        raise ValueError(
            f"out is {out.shape} of {out.dtype}{state}; the product is {shape} of {kind}"
        )
    for r, fault in (drill or {}).items():
        if not 0 <= r < code.workers or not (fault is None or _is_fault(fault)):
            raise ValueError(f"drill {r}: {fault!r}: no such product or no such fault")
    if not 0 <= correct <= (code.kmin - 1) // 2:
        raise ValueError(
            f"this code corrects up to {(code.kmin - 1) // 2} wrong products, not {correct}"
        )
    if out is None:
        out = np.empty(shape, kind)
    if 0 in (*a.shape, b.shape[1]):
        out[...] = 0
        return Outcome(out, {}, (), (), (), (), 0.0, 0.0, 0.0)
    transport = _transport(code, a, b, executor, leaf, ray_options or {})
    try:
        return _Call(code, a, b, out, transport, check, correct).finish(
            deadline, retries, dict(drill or {})
        )
    finally:
        transport.close()


def _is_fault(fault: Any) -> bool:
    return isinstance(fault, (int, float)) or fault in ("kill", "raise", "wrong", "lose")


def _operands(a: Any, b: Any) -> tuple[Any, Any, np.dtype[Any]]:
    a, b = np.asarray(a), np.asarray(b)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"cannot multiply shapes {a.shape} and {b.shape}: need (N, K) and (K, P)")
    kind = np.result_type(a, b)
    if kind.kind in "iu":
        return a.astype(np.int64, copy=False), b.astype(np.int64, copy=False), kind
    if kind.kind not in "fc":
        raise TypeError(f"cannot multiply matrices of dtype {kind}: use integers or floats")
    inside = np.result_type(kind, np.float32)
    return a.astype(inside, copy=False), b.astype(inside, copy=False), kind


def _transport(
    code: Code, a: Any, b: Any, executor: Any, leaf: Any, options: Mapping[str, Any]
) -> Transport:
    if isinstance(executor, ProcessWorkers):
        return ProcessTransport(code, a, b, executor, leaf)
    operands = Operands(code, a, b)
    if executor == "ray" or getattr(executor, "__name__", "") == "ray":
        return RayTransport(operands, leaf, options)
    if executor is None or executor == "threads":
        return PoolTransport(operands, None, leaf)
    if isinstance(executor, concurrent.futures.Executor):
        return PoolTransport(operands, executor, leaf)
    raise TypeError(
        "executor is None, 'threads', 'ray', a concurrent.futures executor or workers()"
    )


class _Call:
    """One call of `run` in progress."""

    def __init__(
        self, code: Code, a: Any, b: Any, out: Any, transport: Transport, check: bool, correct: int
    ) -> None:
        self._code, self._a, self._b, self._out = code, a, b, out
        self._transport, self._correct, self._check = transport, correct, check
        self._everything = frozenset(range(code.workers))
        self._arrived: dict[int, Any] = {}
        self._lost: dict[int, str] = {}
        self._wrong: set[int] = set()
        self._pending: set[int] = set()
        self._again: list[int] = []
        self._room_bits = self._room()
        self._check_seconds = 0.0
        self._errors = error_bounds(code, a, b) if correct else []

    def _room(self) -> int | None:
        """Return the most bits of a decoder's weighted 1-norm with which integers fit 64 bits."""
        if self._a.dtype.kind != "i":
            return None
        largest = [max(abs(int(x.max())), abs(int(x.min())), 1) for x in (self._a, self._b)]
        return 62 - (math.prod(largest) * (self._a.shape[1] + 1)).bit_length()

    def finish(self, deadline: float | None, retries: int, drill: dict[int, Drill]) -> Outcome:
        """Start all products and return as soon as the arrived products decode."""
        until = None if deadline is None else time.monotonic() + deadline
        for r in range(self._code.workers):
            self._pending.add(r)
            self._transport.start(r, drill.get(r))
        checks = self._timed_checks() if self._check else None
        while True:
            found = self._ready()
            if found is not None:
                return self._decode(found)
            left = None if until is None else until - time.monotonic()
            if not self._pending or (left is not None and left <= 0):
                self._resubmit(retries)
                retries -= 1
                until = None if deadline is None else time.monotonic() + deadline
                continue
            reports = self._transport.wait(left)
            if not reports and left is None:  # no worker is left to report
                self._lost |= dict.fromkeys(self._pending, "never reported")
                self._pending.clear()
            for r, result in reports:
                self._take(r, result, checks)

    def _timed_checks(self) -> Freivalds:
        begin = time.perf_counter()
        checks = Freivalds(self._code, self._a, self._b)
        self._check_seconds += time.perf_counter() - begin
        return checks

    def _take(self, r: int, result: Any, checks: Freivalds | None) -> None:
        self._pending.discard(r)
        if r in self._arrived:
            return
        if isinstance(result, BaseException):
            self._lost[r] = f"{type(result).__name__}: {result}".splitlines()[0][:200]
            return
        begin = time.perf_counter()
        right = checks is None or checks.is_right(r, result)
        self._check_seconds += time.perf_counter() - begin
        if right:
            self._arrived[r] = result
            self._lost.pop(r, None)
        else:
            self._wrong.add(r)

    def _ready(self) -> Decoding | None:
        """Return a decoder of the arrived products as soon as it may be trusted."""
        missing = self._everything - frozenset(self._arrived)
        if self._correct == 0:
            return self._code.decoding(missing, self._room_bits)
        allowed = (self._code.kmin - 1 - len(missing)) // 2
        if allowed < self._correct and (self._pending or allowed < 0):
            return None
        begin = time.perf_counter()
        accused = locate(self._code, self._arrived, min(allowed, self._correct), self._errors)
        self._check_seconds += time.perf_counter() - begin
        if accused is None:
            return None
        for r in accused:
            self._wrong.add(r)
            del self._arrived[r]
        return self._code.decoding(missing | frozenset(accused), self._room_bits)

    def _resubmit(self, retries: int) -> None:
        missing = self._everything - frozenset(self._arrived)
        wanted = (
            missing if self._correct else frozenset(self._code.repair(missing, self._room_bits))
        )
        names = ", ".join(
            f"{r} ({'wrong' if r in self._wrong else self._lost.get(r, 'late')})"
            for r in sorted(missing)
        )
        if retries <= 0 or not wanted:
            raise LostProductsError(
                f"C cannot be decoded without products {names or 'that are right'}; again needed: "
                f"{sorted(wanted)}",
                {r: self._lost.get(r, "late") for r in sorted(missing - self._wrong)},
                tuple(sorted(self._wrong)),
            )
        for r in sorted(wanted):
            self._again.append(r)
            self._pending.add(r)
            self._transport.start(r, None)

    def _decode(self, decoding: Decoding) -> Outcome:
        begin = time.perf_counter()
        direct = self._out if self._out.dtype == self._a.dtype else None
        product = decode(self._code, decoding, self._arrived, self._a, self._b, direct)
        if direct is None:
            self._out[...] = product
        seconds = time.perf_counter() - begin
        return Outcome(
            self._out,
            {r: why for r, why in self._lost.items() if r not in self._arrived},
            tuple(sorted(self._wrong)),
            tuple(sorted(self._pending)),
            tuple(self._again),
            decoding.used,
            decoding.growth,
            seconds,
            self._check_seconds,
        )
