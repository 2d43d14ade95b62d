"""Philox 4x64, ten rounds: random numbers that are a function of a counter and a key.

As NumPy's `Philox` gives them, bit for bit.  Source: Salmon et al. 2011, sec. 4.3; the constants
are those of their library Random123.
"""

from __future__ import annotations

from llvmlite import ir

from handloom.loom.language.emitter import Emitter
from handloom.loom.language.value import INT, Value

ROUNDS = 10
_MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
_BUMPS = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
"""Added to the key after each round: the fractions of the golden ratio and of √3."""
_DOUBLE = ir.IntType(128)


def philox(e: Emitter, block: Value, key: tuple[Value, Value]) -> list[Value]:
    """The four 64-bit integers of block number `block`, counted from 0, under a key of 128 bits.

    Each round multiplies two words, and mixes the upper halves with the other two and the key.
    NumPy counts before it draws, so that its first block has the counter 1.
    """
    a, b, c, d = block + 1, e.lift(0), e.lift(0), e.lift(0)
    first, second = key
    for _ in range(ROUNDS):
        (high_a, low_a), (high_c, low_c) = (
            _product(e, word, by) for word, by in zip((a, c), _MULTIPLIERS, strict=True)
        )
        a, b, c, d = high_c ^ b ^ first, low_c, high_a ^ d ^ second, low_a
        first, second = first + _BUMPS[0], second + _BUMPS[1]
    return [a, b, c, d]


def _product(e: Emitter, word: Value, by: int) -> tuple[Value, Value]:
    """The upper and the lower 64 bits of a product."""
    product = e.convert(word, "zext", _DOUBLE) * by
    return e.convert(product >> 64, "trunc", INT), e.convert(product, "trunc", INT)
