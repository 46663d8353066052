"""Fit the times until arrival of several runs, some of which were stopped before.

A search that begins again and again, each time without memory, arrives at a constant rate: its
times are exponential. One that needs some time before it can arrive at all has a shift too. The
median of ten runs says little about either, because it varies by a third from ten seeds to the
next. The rate with its interval tells whether two versions differ.

Invariant: a run that was stopped counts with the time that it had, never as an arrival.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from scipy.stats import chi2

GAIN = 2.0
"""Least gain in log-likelihood for which a shift is assumed (Akaike, for few runs)."""
TAIL = 0.025
"""Probability of a rate below the interval, and of one above it."""


class Fit(NamedTuple):
    """A shifted exponential distribution: arrivals per unit of time after a time without any."""

    shift: float
    rate: float
    low: float
    high: float


def fitted(times: Sequence[float | None], limit: float) -> Fit:
    """Return the most likely rate of arrival, with its interval of 95 %.

    Parameters
    ----------
    times : sequence of float or None
        For each run the time until it arrived, or None if it was stopped at the limit.
    limit : float
        In the unit of the times.

    Returns
    -------
    Fit
        `shift` is 0 unless the times show that arrivals begin later. The interval is that of a
        Poisson count over the time walked: conservative for few arrivals.

    Examples
    --------
    >>> fitted([1.0, 2.0, 3.0, None], 10.0).rate
    0.1875
    >>> fitted([None, None], 10.0).rate
    0.0
    """
    arrived = [time for time in times if time is not None]
    count, walked, shift = len(arrived), sum(limit if t is None else t for t in times), 0.0
    if count > 1:
        rest = walked - len(times) * min(arrived)
        if rest > 0 and count * math.log(walked / rest) > GAIN:
            # the first arrival is spent on the shift
            shift, count, walked = min(arrived), count - 1, rest
    low = chi2.ppf(TAIL, 2 * count) / (2 * walked) if count else 0.0
    return Fit(shift, count / walked, low, chi2.ppf(1 - TAIL, 2 * count + 2) / (2 * walked))
