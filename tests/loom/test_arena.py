"""Room that is lent: the same to all, to each of them in blocks apart."""

from __future__ import annotations

from itertools import pairwise

from handloom.loom.arena import Arena, Block


def span(block: Block) -> tuple[int, int]:
    return block.offset, block.offset + block.size


def test_who_borrows_gets_the_same_room_again() -> None:
    scratch = Arena("f4").scratch
    first, second = scratch.borrow(100, 30), scratch.borrow(90, 30)
    assert first[0].offset == second[0].offset
    size = scratch.size
    scratch.borrow(5)
    assert scratch.size == size


def test_lent_blocks_are_apart_from_each_other_and_from_those_taken() -> None:
    scratch = Arena("f4").scratch
    blocks = [scratch.take(7), *scratch.borrow(100, 1, 30), scratch.take(9)]
    spans = sorted(span(block) for block in [*blocks, *scratch.borrow(500, 500)])
    assert len(spans) == 7
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert spans[-1][1] <= scratch.size
