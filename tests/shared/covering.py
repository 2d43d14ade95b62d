"""Combinations of what a test varies: a covering few of them run always, the rest with --slow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import pytest


def covering(
    *,
    fits: Callable[..., bool] = lambda *_: True,
    indirect: Sequence[str] = (),
    **axes: Mapping[str, Any],
) -> pytest.MarkDecorator:
    """Parametrize a test with every combination of the axes, {label: value}, that `fits`.

    Those beyond a covering few are slow. Every value of the first axis goes with the combination of
    the others that was met least often before, and each of these is met at least once.
    """
    whole = [
        labels
        for labels in product(*axes.values())
        if fits(*(axis[label] for axis, label in zip(axes.values(), labels, strict=True)))
    ]
    met: Counter[tuple[str, ...]] = Counter()
    quick: set[tuple[str, ...]] = set()
    for first in dict.fromkeys(labels[0] for labels in whole):
        least = min((c for c in whole if c[0] == first), key=lambda c: met[c[1:]])
        met[least[1:]] += 1
        quick.add(least)
    for labels in whole:
        if not met[labels[1:]]:
            met[labels[1:]] += 1
            quick.add(labels)
    return pytest.mark.parametrize(
        tuple(axes),
        [
            pytest.param(
                *(axis[label] for axis, label in zip(axes.values(), labels, strict=True)),
                id="-".join(labels),
                marks=[] if labels in quick else [pytest.mark.slow],
            )
            for labels in whole
        ],
        indirect=list(indirect),
    )
