"""Where every array lives: two blocks of memory, planned first, addressed afterwards.

    parameters:  | parameters | optimizer state 1 | state 2 | ... | buffers |
    work:        | activations, errors, losses | scratch of thread 0 | of thread 1 | ... |

Each optimizer state repeats the layout of the parameters, so the state of the parameter at p is at
p + distance, p + 2 distance, ...: a kernel needs no other address to update a parameter. The first
block holds what a training is made of and depends on the network alone; programs for other batch
sizes work on the same one.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from handloom._memory import check_available
from handloom._typing import FloatArray

LINE = 64  # bytes of a cache line; a vector that crosses a line costs two loads, 8-10 % of a step
HUGE = 4 << 20  # bytes; from here on NumPy asks the system for huge pages


def round_up(n: int, multiple: int) -> int:
    """The smallest multiple that is not below n."""
    return -(-n // multiple) * multiple


class Block:
    """`size` numbers at `start` of a memory; the start is known once the region's is."""

    def __init__(self, region: Region, offset: int, size: int) -> None:
        self.region = region
        self.offset = offset
        self.size = size

    @property
    def start(self) -> int:
        """Numbers from the beginning of the memory."""
        assert self.region.start is not None, "the memory is still being planned"
        return self.region.start + self.offset

    def of(self, memory: FloatArray) -> FloatArray:
        """This block of a memory, (size,), a view."""
        return memory[self.start : self.start + self.size]


class Region:
    """Room that grows while blocks are taken."""

    def __init__(self, line: int) -> None:
        self.start: int | None = None
        self.size = 0
        self._line = line
        self._lent: list[Block] = []

    def take(self, size: int) -> Block:
        """Room for `size` numbers, beginning with a cache line."""
        block = Block(self, self.size, size)
        self.size += self._apart(size)
        return block

    def borrow(self, *sizes: int) -> list[Block]:
        """Blocks for what lasts no longer than a stage: all who borrow are given the same room."""
        *starts, end = accumulate((self._apart(size) for size in sizes), initial=0)
        room = next((block for block in self._lent if block.size >= end), None)
        if room is None:
            room = self.take(end)
            self._lent.append(room)
        return [
            Block(self, room.offset + start, size)
            for start, size in zip(starts, sizes, strict=True)
        ]

    def _apart(self, size: int) -> int:
        """How far the next block is from one of `size` numbers."""
        # One line more than needed, and seldom a multiple of 4096 bytes apart: arrays whose
        # addresses agree in their last 12 bits fight for the same few places in the cache.
        return round_up(size, self._line) + 17 * self._line


class Arena:
    """The plan of both memories, for numbers of `dtype`."""

    def __init__(self, dtype: DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self.line = LINE // self.dtype.itemsize
        self.parameters, self.buffers, self.work, self.scratch = (
            Region(self.line) for _ in range(4)
        )

    def close(self, states: int) -> None:
        """Fix all addresses, with room for `states` numbers that an optimizer keeps of each."""
        self.distance = self.parameters.size
        self.parameters.start = 0
        self.buffers.start = (1 + states) * self.distance
        self.work.start = 0
        self.scratch.start = self.work.size

    def parameter_memory(self) -> FloatArray:
        """Zeroed memory for parameters, states and buffers."""
        return aligned((self.buffers.start or 0) + self.buffers.size, self.dtype)

    def work_memory(self, threads: int) -> FloatArray:
        """Zeroed memory for everything else."""
        return aligned(self.work.size + threads * self.scratch.size, self.dtype)


def aligned(size: int, kind: np.dtype[Any]) -> FloatArray:
    """(size,) zeros of a dtype that begin with a cache line."""
    check_available(size * kind.itemsize, "the compiled training step")
    raw = np.zeros(max(size * kind.itemsize, HUGE) + LINE, np.uint8)
    skip = -raw.ctypes.data % LINE
    return raw[skip : skip + size * kind.itemsize].view(kind)
