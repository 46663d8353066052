"""A tensor of your own: the cross product of two vectors, from its definition to a program.

    python examples/own_tensor.py --budget 20s

Written out, the cross product takes 6 multiplications. A search over F2 finds 5 in a tenth of a
second, and lifts them to the integers, where they are proved. `docs/examples.md` shows a run.
"""

import argparse
from collections.abc import Sequence

import flipsearch as fs


def cross_product() -> fs.tensors.SparseTensor:
    """Return the tensor: C[c] gets value * A[a] * B[b] for each entry (a, b, c, value)."""
    entries = []
    for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        entries += [(a, b, c, 1), (b, a, c, -1)]
    return fs.tensors.sparse_tensor("cross", entries)


def apply(scheme: fs.Scheme, a: Sequence[int], b: Sequence[int]) -> list[int]:
    """Evaluate a scheme over the integers: R products of a sum of A by a sum of B."""
    products = (scheme.u @ a) * (scheme.v @ b)
    return (scheme.w.T @ products).tolist()


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, print the scheme, and use it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", default="20s")
    given = parser.parse_args(arguments)
    tensor = cross_product()
    found = fs.search(tensor, ring="F2", target=5, budget=given.budget, gpu="off")
    scheme = found.lifted or fs.naive_scheme(tensor, "ZT")
    fs.verify(scheme)
    print(f"{tensor}: {tensor.naive_rank} products as written, {scheme.rank} found over", end=" ")
    print(scheme.ring)
    for name, text in (*scheme.products(), *scheme.outputs()):
        print(f"{name} = {text}")
    print("(1, 2, 3) x (4, 5, 6) =", apply(scheme, (1, 2, 3), (4, 5, 6)))


if __name__ == "__main__":
    main()
