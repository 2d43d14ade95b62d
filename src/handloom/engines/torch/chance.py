"""The draws of data/chance.py, bit for bit, as integers of the device: nothing is waited for."""

from __future__ import annotations

import torch
from torch import Tensor

from handloom.data.chance import checked_seed

_GAMMA = 0x9E3779B97F4A7C15
_DRAW_BITS = 24


def picture_keys(seed: int, epoch: int, positions: Tensor) -> Tensor:
    """The SplitMix64 state from which each image's stream starts: (n,) int64, as its bits.

    positions: int64 (n,), of the images in the data set; the keys lie on their device.
    """
    key = torch.zeros_like(positions)
    for word in (checked_seed(seed), epoch):
        key = _mix(key + _signed(_GAMMA * (word + 1)))
    return _mix(key + (positions + 1) * _signed(_GAMMA))


def uniforms(keys: Tensor, count: int, *, start: int = 0) -> Tensor:
    """Draws start … start + count - 1 of every image's stream: (n, count) float32 in [0, 1).

    `start` is even: one 64-bit word makes two draws of 24 bits.
    """
    words = torch.arange(start // 2 + 1, (start + count + 1) // 2 + 1, device=keys.device)
    mixed = _mix(keys[:, None] + words * _signed(_GAMMA))
    halves = torch.stack([mixed, mixed >> 32], dim=2).flatten(1)[:, :count]
    draws = (halves >> 32 - _DRAW_BITS) & ((1 << _DRAW_BITS) - 1)
    return draws.to(torch.float32) * 2.0**-_DRAW_BITS


def _mix(z: Tensor) -> Tensor:
    """SplitMix64's finaliser; products wrap around, as those of unsigned numbers do."""
    z = (z ^ _shifted(z, 30)) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ _shifted(z, 27)) * _signed(0x94D049BB133111EB)
    return z ^ _shifted(z, 31)


def _shifted(z: Tensor, bits: int) -> Tensor:
    """z >> bits of the unsigned number: no copies of the sign come in from the left."""
    return (z >> bits) & ((1 << 64 - bits) - 1)


def _signed(word: int) -> int:
    """The int64 with the lowest 64 bits of `word`."""
    return (word + 2**63) % 2**64 - 2**63
