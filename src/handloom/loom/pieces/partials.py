"""Gradients that each group of examples computes for itself, added up and put to use at the end."""

from __future__ import annotations

from handloom.loom.arena import Arena, Block, round_up
from handloom.loom.kernels.optimizer import Updating
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value
from handloom.loom.piece import Stage, Step

CHUNK = 512
"""Parameters that are updated at a time; what is left to share out among threads."""


@kernel
def update_chunk(
    e: Emitter,
    partials: Pointer,
    groups: Value,
    distance: Value,
    parameters: Pointer,
    count: Value,
    settings: Pointer,
    square: Pointer,
    *,
    how: Updating,
) -> None:
    """Update `count` parameters, whose gradient is the sum of all groups', added in their order."""
    update = how.begin(e, settings)
    for i in e.range(0, count, e.lanes, update.squares):
        total = [partials.vector(i)]
        for group in e.range(1, groups, 1, total):
            total[0] = total[0] + partials.vector(group * distance + i)
        update(parameters, i, total[0])
    update.finish(square)


class Partials:
    """The gradients of the parameters in one flat block, [group][parameter].

    Sums of groups and not of threads: any number of threads then gives the same weights. Beyond the
    last parameter there are zeros, here and among the parameters, and they stay zeros.
    """

    def __init__(self, arena: Arena, parameters: Block, groups: int) -> None:
        self.parameters = parameters
        self.groups = groups
        self.size = round_up(parameters.size, arena.line)
        self.itemsize = arena.dtype.itemsize
        self.chunks = -(-parameters.size // CHUNK)
        self.gradients = arena.work.take(groups * self.size)
        self.squares = arena.work.take(self.chunks)

    def of(self, step: Step, group: Value | int) -> Pointer:
        """Where one group leaves its gradients."""
        return step.at(self.gradients, group, self.size)

    def stage(self, title: str, how: Updating) -> Stage:
        """The update, shared out by chunks."""

        def emit(step: Step) -> None:
            e = step.e
            for i in step.team.share(self.chunks):
                first = i * CHUNK
                update_chunk(
                    e,
                    step.at(self.gradients) + first,
                    self.groups,
                    self.size,
                    step.at(self.parameters) + first,
                    e.min(CHUNK, self.parameters.size - first),
                    step.settings,
                    step.at(self.squares) + i,
                    how=how,
                )

        numbers = self.size * (self.groups + 2 * (1 + how.states))
        return Stage(title, emit, by_group=False, bytes=numbers * self.itemsize)
