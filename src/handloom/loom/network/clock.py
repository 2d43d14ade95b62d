"""How long each stage of a step takes: the processor's own counter, read before and after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from handloom._typing import FloatArray, IntArray
from handloom.loom.arena import Arena, Block
from handloom.loom.language.value import INT, Pointer
from handloom.loom.piece import Stage, Step

MOST_STAGES = 64  # of a piece; the busiest has nine, or as many as branches are joined in it
NUMBERS = 3
"""Of each stage: ticks of all steps together, and when it began and ended the last time."""
TICKS, BEGIN, END = range(NUMBERS)


@dataclass
class Clock:
    """Times of every stage of a program, kept by each thread for itself.

    By which unit the counter counts is the processor's affair; it runs on while a thread waits.
    """

    arena: Arena
    block: Block
    stages: list[tuple[int, Stage]] = field(default_factory=list)
    """With the number of the phase they are in: within one, threads do not meet."""
    phase: int = 0

    @classmethod
    def allocate(cls, arena: Arena, pieces: int) -> Clock:
        """A clock for the stages of some pieces."""
        numbers = MOST_STAGES * (pieces + 1) * NUMBERS
        return cls(arena, arena.scratch.take(numbers * 8 // arena.dtype.itemsize))

    @contextmanager
    def around(self, step: Step, stage: Stage) -> Iterator[None]:
        """Take the time of what is written inside."""
        e, number = step.e, len(self.stages)
        self.stages.append((self.phase, stage))
        began = e.ticks()
        yield
        ended = e.ticks()
        times = Pointer(e, step.at(self.block).ir, INT) + number * NUMBERS
        times[TICKS] = times[TICKS] + (ended - began)
        times[BEGIN] = began
        times[END] = ended

    def read(self, work: FloatArray, threads: int) -> IntArray:
        """(threads, stages, NUMBERS): what each thread has noted so far."""
        region, numbers = self.arena.scratch, len(self.stages) * NUMBERS
        starts = [self.block.start + thread * region.size for thread in range(threads)]
        blocks = [work[start : start + self.block.size].view(np.int64) for start in starts]
        return np.stack([block[:numbers].reshape(-1, NUMBERS) for block in blocks])
