"""Two memories, planned first: nothing overlaps, everything begins with a cache line."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from handloom.loom.arena import HUGE, LINE, Arena, Block, aligned, round_up

SIZES = (1, 15, 16, 17, 1000, 4096, 0, 3)


def planned(dtype: str = "f4", states: int = 2) -> tuple[Arena, dict[str, list[Block]]]:
    arena = Arena(dtype)
    regions = {name: getattr(arena, name) for name in ("parameters", "buffers", "work", "scratch")}
    blocks = {name: [region.take(n) for n in SIZES] for name, region in regions.items()}
    arena.close(states)
    return arena, blocks


def test_rounding_up() -> None:
    assert [round_up(n, 8) for n in (0, 1, 7, 8, 9)] == [0, 8, 8, 8, 16]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_blocks_lie_apart_on_lines_of_the_cache(dtype: str) -> None:
    arena, blocks = planned(dtype)
    memories = {
        "parameters": arena.parameter_memory(), "buffers": arena.parameter_memory(),
        "work": arena.work_memory(1), "scratch": arena.work_memory(1),
    }  # fmt: skip
    for name, memory in memories.items():
        for one, size in zip(blocks[name], SIZES, strict=True):
            assert one.of(memory).shape == (size,)
            assert one.of(memory).dtype == dtype
            if size:
                assert one.of(memory).ctypes.data % LINE == 0
    for pair in (("parameters", "buffers"), ("work", "scratch")):
        together = [block for name in pair for block in blocks[name]]
        for one, other in combinations(together, 2):
            assert one.start + one.size <= other.start or other.start + other.size <= one.start


def test_addresses_are_known_only_when_all_is_planned() -> None:
    arena = Arena("f4")
    block = arena.work.take(10)
    with pytest.raises(AssertionError, match="still being planned"):
        _ = block.start


@pytest.mark.parametrize("states", [0, 1, 3])
def test_every_state_repeats_the_layout_of_the_parameters(states: int) -> None:
    arena, blocks = planned(states=states)
    memory = arena.parameter_memory()
    memory[:] = -1
    for state in range(1 + states):
        for block in blocks["parameters"]:
            start = block.start + state * arena.distance
            assert (memory[start : start + block.size] == -1).all(), "no other's"
            memory[start : start + block.size] = state
    for block in blocks["buffers"]:
        assert (block.of(memory) == -1).all(), "beyond all states"


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_thread_has_scratch_of_its_own(threads: int) -> None:
    arena, blocks = planned()
    memory = arena.work_memory(threads)
    for block in blocks["scratch"]:
        last = block.start + (threads - 1) * arena.scratch.size + block.size
        assert last <= len(memory)
        assert block.size <= arena.scratch.size


def test_great_arrays_are_seldom_4096_bytes_apart() -> None:
    """Their lines would fight for the same few places in the cache."""
    arena = Arena("f4")
    blocks = [arena.parameters.take(1024) for _ in range(16)]
    arena.close(0)
    assert len({block.start * 4 % 4096 for block in blocks}) > 8


@pytest.mark.parametrize("kind", ["f4", "f8", "i8"])
@pytest.mark.parametrize("size", [0, 1, 100, HUGE // 4 + 3])
def test_memory_is_zero_and_begins_with_a_line(kind: str, size: int) -> None:
    memory = aligned(size, np.dtype(kind))
    assert memory.shape == (size,)
    assert memory.dtype == kind
    assert not memory.any()
    if size:
        assert memory.ctypes.data % LINE == 0


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
