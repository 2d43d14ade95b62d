"""Dropout with the textbook's own masks, on any device.

A mask is a function of the layer's key, the training step and the place of a number in the batch.
NumPy's generator draws it on the CPU; elsewhere the same integers are computed where they are
needed, so that nothing is uploaded and nobody waits.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch

from handloom import nn
from handloom.errors import StateError

ROUNDS = 10
MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
BUMPS = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
"""Added to the key after each round: the fractions of the golden ratio and of √3."""
LOW = 0xFFFFFFFF  # the lower half of a 64-bit word
DRAWS_A_BLOCK = 8  # float32 numbers made of the four 64-bit words of a block


class Dropout(torch.nn.Module):
    """y = x · m / (1 - p) in training, y = x after; m is the mask of `layer` and of the step.

    `first_row` is the place in the batch of the first example of x: a process that computes a part
    of a batch has the part of its mask.
    """

    step: torch.Tensor

    def __init__(self, layer: nn.Dropout) -> None:
        super().__init__()
        self.p = layer.p
        self.key = layer.key
        self.first_row = 0
        self._layer = copy.copy(layer)  # told of steps by itself; it has no weights
        # A tensor, so that a compiled step takes it as it is now and is compiled only once.
        self.register_buffer("step", torch.zeros((), dtype=torch.int64), persistent=False)

    def begin_step(self, step: int, first_row: int = 0) -> None:
        """Choose the mask of this training step."""
        self._layer.begin_step(step)
        self.step.fill_(step)
        self.first_row = first_row

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (N, ...) -> y (N, ...)."""
        if not self.training:
            return x
        if self._layer.step is None:
            raise StateError("Dropout draws its mask from the training step, which was not set")
        return x * (self.keep_mask(x).to(x.dtype) * (1 / (1 - self.p)))

    def keep_mask(self, x: torch.Tensor) -> torch.Tensor:
        """What this step keeps of an x of this shape, on its device; bool."""
        if x.device.type == "cpu" and not torch.compiler.is_compiling():
            rows = self.first_row + len(x)
            mask = self._layer.keep_mask((rows, *x.shape[1:]))[self.first_row :]
            return torch.from_numpy(mask)
        first = self.first_row * math.prod(x.shape[1:])
        draws = (_apart if first else uniform)(self.key, self.step, first, x.numel())
        return (draws >= float(np.float32(self.p))).view(x.shape)


def begin_step(module: torch.nn.Module, step: int, first_row: int = 0) -> None:
    """Tell all of a network's Dropouts which training step comes."""
    for inner in module.modules():
        if isinstance(inner, Dropout):
            inner.begin_step(step, first_row)


def uniform(key: int, step: torch.Tensor, first: int, count: int) -> torch.Tensor:
    """Numbers first … first + count - 1 of NumPy's Generator(Philox(key=[key, step])), bit for bit.

    step: () int64, whose device computes. Returns (count,) float32 in [0, 1), as
    `random(dtype=np.float32)` draws them: the upper 24 bits of each half of a word, lower half
    first.
    """
    start = first // DRAWS_A_BLOCK
    stop = -(-(first + count) // DRAWS_A_BLOCK)
    # NumPy counts before it draws, so that its first block has the counter 1.
    block = torch.arange(start + 1, stop + 1, device=step.device)
    words = torch.stack(philox(block, _signed(key), step), dim=1)
    halves = torch.stack((words & LOW, (words >> 32) & LOW), dim=2).view(-1)
    draws = (halves >> 8).to(torch.float32) * 2.0**-24
    return draws[first - start * DRAWS_A_BLOCK :][:count]


@torch.compiler.disable()  # which folds the place of a later number into constants that overflow
def _apart(key: int, step: torch.Tensor, first: int, count: int) -> torch.Tensor:
    return uniform(key, step, first, count)


def philox(
    block: torch.Tensor, first: int, second: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Philox 4x64, ten rounds, of the counters (block, 0, 0, 0); (M,) int64 each, as bits.

    Integers of PyTorch's wrap around like unsigned ones, which is all that products and sums need.
    Source: Salmon et al. 2011, sec. 4.3; the constants are those of their library Random123.
    """
    zero = torch.zeros_like(block)
    a, b, c, d = block, zero, zero, zero
    for _ in range(ROUNDS):
        high_a, high_c = (_high(x, by) for x, by in zip((a, c), MULTIPLIERS, strict=True))
        low_a, low_c = (x * _signed(by) for x, by in zip((a, c), MULTIPLIERS, strict=True))
        a, b, c, d = high_c ^ b ^ first, low_c, high_a ^ d ^ second, low_a
        first, second = _signed(first + BUMPS[0]), second + _signed(BUMPS[1])
    return a, b, c, d


def _high(x: torch.Tensor, by: int) -> torch.Tensor:
    """The upper 64 bits of the unsigned product x · by, from products of halves."""
    low, high = x & LOW, (x >> 32) & LOW
    by_low, by_high = by & LOW, by >> 32
    lowest = low * by_low
    middle = high * by_low + ((lowest >> 32) & LOW)
    other = low * by_high + (middle & LOW)
    return high * by_high + ((middle >> 32) & LOW) + ((other >> 32) & LOW)


def _signed(word: int) -> int:
    """The int64 with the lowest 64 bits of `word`."""
    word &= (1 << 64) - 1
    return word - (1 << 64) if word >> 63 else word
