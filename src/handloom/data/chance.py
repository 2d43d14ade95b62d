"""Chance without hidden state: every draw is a function of the seed and of what it is for.

Two kinds. `generator` gives NumPy's generator for one job: a split, the order of one epoch.
`uniforms` gives every image a stream of its own, which depends on nothing but (seed, epoch,
position in the data set): the other images of the batch, their order and the thread that draws
are of no effect.  Source of the streams: SplitMix64, Steele, Lea & Flood 2014, fig. 17.
"""

from __future__ import annotations

import operator
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from handloom._typing import IntArray
from handloom.errors import ConfigError

Keys = NDArray[np.uint64]
"""One SplitMix64 state an image (n,)."""

_GAMMA = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ / golden ratio, odd: its multiples visit every state


class Purpose(IntEnum):
    """What a generator is for: one seed serves all of them without repeating itself."""

    SPLIT = 1
    SAMPLE = 2
    FOLDS = 3
    ORDER = 4
    MIX = 5


def generator(seed: int, purpose: Purpose, counter: int = 0) -> np.random.Generator:
    """The generator of one job; `counter` is the epoch where there is one."""
    return np.random.default_rng([int(purpose), counter, checked_seed(seed)])


def checked_seed(seed: int) -> int:
    """The seed as an int; raises ConfigError unless it is a whole number of 64 bits."""
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if not 0 <= number < 2**64:
        raise ConfigError(f"a seed is a whole number from 0 to 2**64 - 1, got {seed!r}")
    return number


def picture_keys(seed: int, epoch: int, indices: IntArray) -> Keys:
    """The state from which each image's stream starts; indices (n,) are data set positions."""
    words = (checked_seed(seed), epoch, np.asarray(indices))
    key = np.zeros(1, np.uint64)
    for word in words:
        key = _mix(key + _GAMMA * (np.atleast_1d(word).astype(np.uint64) + np.uint64(1)))
    return key


def uniforms(keys: Keys, count: int, *, start: int = 0) -> NDArray[np.float32]:
    """Draws start … start + count - 1 of every image's stream: (n, count) float32 in [0, 1).

    `start` is even: one 64-bit word makes two draws of 24 bits.
    """
    words = np.arange(start // 2 + 1, (start + count + 1) // 2 + 1, dtype=np.uint64)
    halves = _mix(keys[:, None] + _GAMMA * words).view(np.uint32)
    return (halves[:, :count] >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def _mix(z: Keys) -> Keys:
    """SplitMix64's finaliser: every input bit reaches every output bit."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
