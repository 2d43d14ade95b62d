"""Whether a contestant computes the same step as PyTorch does in float64.

Compared is by how much the weights moved over the first steps, momentum and decay included; of a
prediction, its outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from handloom._typing import AnyArray

Arrays = Mapping[str, AnyArray]

FLOOR, SLACK = 1e-4, 5.0


def tolerance(errors: Sequence[float]) -> float:
    """How large a deviation may be, given those of PyTorch's own float32.

    1e-4, or five times the largest of them where that is more: through batch norm and millions of
    ReLUs, a few of which round to the other side of their kink, float32 is far off float64 itself.
    """
    return max(FLOOR, SLACK * max(errors))


def deviation(found: Arrays, expected: Arrays, first: Arrays) -> float:
    """The largest error of any array, relative to the largest movement within that array.

    `found` and `expected` are weights after the same steps from `first`, or predictions. The
    rounding of a float32 weight itself, which is no error of its movement, is left out. Infinite
    where arrays are missing or of another shape.
    """
    if "probabilities" in found:
        expected = {"probabilities": _softmax(expected["outputs"])}
    worst = 0.0
    for name, target in expected.items():
        if name not in found or found[name].shape != target.shape:
            return np.inf
        start = first.get(name, np.zeros(()))
        moved = np.abs(target - start).max()
        rounding = np.finfo(np.float32).eps * np.abs(start).max()
        error = np.abs(found[name].astype(np.float64) - target).max() - rounding
        worst = max(worst, float(error / moved)) if np.isfinite(error) else np.inf
    return worst


def _softmax(outputs: AnyArray) -> AnyArray:
    p = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)
