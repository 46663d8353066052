"""Pack bits into 64-bit words: bit e % 64 of word e // 64 is entry e.

Invariant: `unpacked` gives back what `packed` took; the bits behind the entries are zero.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]


def packed(bits: npt.NDArray[np.generic], words: int) -> Words:
    """Return rows of bits, shape (..., n), in so many words, shape (..., words)."""
    octets = np.zeros((*bits.shape[:-1], 8 * words), dtype=np.uint8)
    found = np.packbits(bits.astype(bool, copy=False), axis=-1, bitorder="little")
    octets[..., : found.shape[-1]] = found
    return octets.view("<u8").astype(np.uint64, copy=False)


def unpacked(words: Words, count: int) -> Bits:
    """Return the first `count` bits of words, from shape (..., words) to (..., count)."""
    octets = np.ascontiguousarray(words).astype("<u8", copy=False).view(np.uint8)
    return np.unpackbits(octets, axis=-1, bitorder="little")[..., :count].astype(bool)
