"""Updates that have to wait: where the gradients' norm is bounded, all of them come first.

The update stages then only store the gradients, each behind its parameter as one more state, and
this stage goes over all parameters once more, when the norm is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from handloom.loom.arena import round_up
from handloom.loom.kernels.optimizer import Updating
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value
from handloom.loom.piece import Stage, Step, Stored

CHUNK = 4096  # numbers that a thread takes at a time


@kernel
def apply_stored(
    e: Emitter, parameters: Pointer, settings: Pointer, factor: Value, size: Value,
    *, how: Updating, stored: int,
) -> None:  # fmt: skip
    """Update `size` parameters by their stored gradients times `factor`."""
    update = how.begin(e, settings)
    for i in e.range(0, size, e.lanes):
        gradient = parameters.vector(i + (1 + stored) * how.distance)
        update(parameters, i, gradient * factor)


def clipped(
    parameters: Mapping[str, Stored],
    how: Mapping[str, Updating],
    max_norm: float,
    squares: Callable[[Step], Value],
    lanes: int,
) -> Stage:
    """g <- g · min(1, max_norm / (norm + 1e-6)), then the update; as `optim.clip_by_norm`.

    `squares` gives the sum of all squared gradients; a norm that is not finite scales nothing.
    """

    def emit(step: Step) -> None:
        e = step.e
        factor = max_norm / (e.sqrt(squares(step)) + 1e-6)
        factor = e.where(factor < 1.0, factor, 1.0)
        for name, stored in parameters.items():
            size = round_up(stored.block.size, lanes)
            chunks = -(-size // CHUNK)
            for chunk in step.team.share(chunks):
                first = chunk * CHUNK
                apply_stored(
                    e, step.at(stored.block) + first, step.settings, factor,
                    e.min(CHUNK, size - first),
                    how=how[name].now(), stored=how[name].states,
                )  # fmt: skip

    return Stage("clip, update", emit, by_group=False, meets=True)
