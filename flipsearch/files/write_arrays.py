"""Write numpy's file formats without pickle: AlphaTensor's archive and flip-cpd's flat array.

Invariant: a scheme that could not be read back is refused.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np

from flipsearch.errors import FormatError, InvalidSchemeError
from flipsearch.files.arrays import claims_of_vector
from flipsearch.files.claims import settle
from flipsearch.files.pickled import write_object_array
from flipsearch.formats import MatrixProduct
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme


def npz_bytes(scheme: Scheme, form: MatrixProduct) -> bytes:
    """Return AlphaTensor's archive of one scheme, factors d x R under the key ``n,m,p``."""
    w: Any = scheme.w
    if (scheme.denominators != 1).any():
        common = scheme.denominators
        if (common & (common - 1)).any() or (np.abs(scheme.w) >= 2**52).any():
            raise FormatError("a .npz file holds binary fractions only: use json")
        w = scheme.w / common[:, None]
    factors = [np.ascontiguousarray(matrix.T) for matrix in (scheme.u, scheme.v, w)]
    if len({factor.shape for factor in factors}) == 1:
        body = _npy_file(np.stack(factors))
    else:
        body = _npy_header("|O", (3,)) + write_object_array(factors)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        member = zipfile.ZipInfo(f"{form.n},{form.m},{form.p}.npy", (1980, 1, 1, 0, 0, 0))
        archive.writestr(member, body, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def npy_bytes(scheme: Scheme) -> bytes:
    """Return flip-cpd's flat array: numerator and denominator alternating, W as C."""
    form = scheme.format
    w = scheme.w
    if isinstance(form, MatrixProduct) and not form.is_packed_output:
        w = w.reshape(-1, form.p, form.n).transpose(0, 2, 1).reshape(w.shape)
    below = np.broadcast_to(scheme.denominators[:, None], w.shape)
    shared = np.maximum(np.gcd(w, below), 1)
    above = [scheme.u.ravel(), scheme.v.ravel(), (w // shared).ravel()]
    ones = [np.ones(part.size, dtype=np.int64) for part in above[:2]]
    flat = np.stack(
        [np.concatenate(above), np.concatenate([*ones, (below // shared).ravel()])], axis=1
    )
    flat = flat.reshape(1, -1)
    told = _told(flat, scheme.ring)
    if told != scheme:
        read_as = "no scheme" if told is None else f"a scheme for {told.format}"
        raise FormatError(
            f"a .npy file does not name its format, and this one would be read as {read_as} "
            f"instead of one for {form}: use json"
        )
    return _npy_file(flat)


def _told(flat: Any, ring: Ring) -> Scheme | None:
    """Return the scheme that a reader makes of flip-cpd's array."""
    try:
        return settle(claims_of_vector(flat), ring).scheme
    except (FormatError, InvalidSchemeError):
        return None


def _npy_file(array: Any) -> bytes:
    kind = "<f8" if array.dtype.kind == "f" else "<i8"
    return _npy_header(kind, array.shape) + np.ascontiguousarray(array, dtype=kind).tobytes()


def _npy_header(kind: str, shape: tuple[int, ...]) -> bytes:
    sides = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({sides}), }}"
    padding = -(len(text) + 11) % 64
    return (
        b"\x93NUMPY\x01\x00"
        + (len(text) + 1 + padding).to_bytes(2, "little")
        + (text + " " * padding + "\n").encode()
    )
