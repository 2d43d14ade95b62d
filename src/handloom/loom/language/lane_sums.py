"""Sums over the lanes of many vectors at once: a tree that ends in one vector of sums."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from handloom.loom.language.emitter import Emitter
from handloom.loom.language.value import INT32, Pointer, Value


def store_sums(e: Emitter, pointer: Pointer, vectors: Sequence[Value]) -> None:
    """pointer[i] = the sum of the lanes of vectors[i]."""
    for start in range(0, len(vectors), e.lanes):
        some = vectors[start : start + e.lanes]
        sums = lane_sums(e, some)
        if len(some) == e.lanes:
            pointer[start] = sums
            continue
        for i in range(len(some)):
            lane = e.builder.extract_element(sums.ir, ir.Constant(INT32, i))
            pointer[start + i] = Value(e, lane)


def lane_sums(e: Emitter, vectors: Sequence[Value]) -> Value:
    """Lane i is the sum of the lanes of vectors[i]; lanes beyond the last vector hold anything.

    There are at most as many vectors as lanes. Each step puts the left halves of two vectors side
    by side, their right halves too, and adds: half as many vectors, each of twice as many parts
    that are half as wide. One after the other, the vectors would take four times the instructions.
    """
    parts: list[Value | None] = [*vectors, *[None] * (e.lanes - len(vectors))]
    width = e.lanes
    while width > 1:
        width //= 2
        begins = [part + a_or_b for part in range(0, e.lanes, 2 * width) for a_or_b in (0, e.lanes)]
        left = [lane for begin in begins for lane in range(begin, begin + width)]
        right = [lane + width for lane in left]
        half = len(parts) // 2
        parts = [
            None if a is None else e.shuffle(a, b or a, left) + e.shuffle(a, b or a, right)
            for a, b in zip(parts[:half], parts[half:], strict=True)
        ]
    assert parts[0] is not None, "no vectors"
    return parts[0]
