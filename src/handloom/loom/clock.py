"""How long each stage of a step takes: the processor's own counter, read before and after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from handloom._typing import FloatArray
from handloom.loom.arena import Arena, Block
from handloom.loom.piece import Stage, Step
from handloom.loom.value import INT, Pointer

MOST_STAGES = 1024


@dataclass
class Clock:
    """Ticks of every stage of a program, as its first thread sees them, added up over all steps."""

    block: Block
    stages: list[tuple[int, Stage]] = field(default_factory=list)
    """With the number of the phase they are in: within one, threads do not meet."""
    phase: int = 0

    @classmethod
    def allocate(cls, arena: Arena) -> Clock:
        """A clock with room in the work memory."""
        return cls(arena.work.take(MOST_STAGES * 8 // arena.dtype.itemsize))

    @contextmanager
    def around(self, step: Step, stage: Stage) -> Iterator[None]:
        """Count the time of what is written inside."""
        e, number = step.e, len(self.stages)
        self.stages.append((self.phase, stage))
        before = e.ticks()
        yield
        with step.team.first():
            counts = Pointer(e, step.at(self.block).ir, INT)
            counts[number] = counts[number] + (e.ticks() - before)

    def read(self, work: FloatArray) -> list[int]:
        """Ticks of each stage so far."""
        return self.block.of(work).view(np.int64)[: len(self.stages)].tolist()
