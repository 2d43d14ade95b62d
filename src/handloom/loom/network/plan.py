"""From a network's layers to pieces: what is fused with what, and where everything lies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from handloom._typing import Shape
from handloom.loom.arena import Arena, round_up
from handloom.loom.kernels.optimizer import SETTINGS, Updating
from handloom.loom.kernels.tile import best_rows
from handloom.loom.language.machine import Machine
from handloom.loom.language.program import Real
from handloom.loom.language.value import Pointer, Value
from handloom.loom.network import chain, fuse
from handloom.loom.network.clock import Clock
from handloom.loom.piece import Piece, Stage, Step, Stored
from handloom.loom.pieces.apply import clipped
from handloom.loom.pieces.gather import Gather, Pictures
from handloom.loom.pieces.lit import ROWS
from handloom.loom.pieces.loss import CrossEntropy, LossPiece
from handloom.loom.tensor import Sizes


@dataclass(frozen=True)
class Request:
    """All that a compiled program depends on, beside the machine."""

    input_shape: Shape
    batch: int
    pictures: Pictures
    training: bool = True
    loss: CrossEntropy | None = None
    """None where the errors of the output come from elsewhere, or nothing is trained."""
    input_errors: bool = False
    """Whether somebody asks for ∂loss/∂input."""
    updating: tuple[tuple[str, Updating], ...] = ()
    """How each parameter is updated, by public name; its distance is filled in here."""
    max_norm: float | None = None
    """Bound on the norm of all gradients together."""
    average: int | None = None
    """Which state predicts in the weights' place, counted from 0: a running mean."""
    real: Real = "float"
    timed: bool = False
    """Whether each stage's time is taken."""

    @property
    def states(self) -> int:
        """Numbers kept beside each parameter."""
        kept = max((how.states for _, how in self.updating), default=0)
        stored = self.max_norm is not None or any(how.stored for _, how in self.updating)
        return kept + stored


class Plan:
    """Memory and stages of `layers` in a row on `machine`, as `request` says."""

    settings_row = SETTINGS

    def __init__(self, layers: list[chain.Named], machine: Machine, request: Request) -> None:
        self.request = request
        self.pictures = request.pictures
        self.arena = Arena({"float": "f4", "double": "f8"}[request.real])
        self.sizes = _sizes(layers, machine, request)
        network = fuse.Network(
            layers, request.input_shape, self.sizes, self.arena,
            sparse=request.pictures.sparse, needs_errors=request.input_errors,
        )  # fmt: skip
        self.pieces: list[Piece] = network.pieces
        self.input = network.input
        self.gather = Gather(request.pictures, request.input_shape, network.input, self.sizes)
        self.scores = network.output
        (self.classes,) = self.scores.shape
        self.loss = LossPiece(request.loss or CrossEntropy(), self.scores)
        for tensor in network.tensors:
            tensor.allocate(self.arena)
        for piece in self.pieces:
            piece.allocate(self.arena)
        if request.loss is not None:
            self.loss.allocate(self.arena)
        self.clock = Clock.allocate(self.arena, len(self.pieces)) if request.timed else None
        self.arena.close(request.states)
        self.shift = 0
        if request.average is not None and not request.training:
            self.shift = (1 + request.average) * self.arena.distance
        self.prepare = _stages(self.pieces, lambda piece: piece.prepare())
        self.forward = _stages(self.pieces, lambda piece: piece.forward())

    @property
    def forward_needs_nobody(self) -> bool:
        """Whether a thread can carry a group from pictures to outputs without the others."""
        return all(stage.by_group and not stage.meets for stage in self.forward)

    # -- the stages of a training step ------------------------------------------------------------

    def chain(self, labels: Callable[[Step, Value], Value]) -> list[Stage]:
        """Forward, loss and backward: everything before the weights change."""
        return [*self.forward, self.loss.stage(labels), *self.backward()]

    def backward(self) -> list[Stage]:
        """From the errors of the output to those of the input; written once."""
        return _stages(reversed(self.pieces), lambda piece: piece.backward())

    @property
    def update(self) -> list[Stage]:
        """Gradients and new weights; in two strokes where the gradients' norm is bounded."""
        bound = self.request.max_norm
        how = {
            name: replace(
                updating, distance=self.arena.distance, stored=updating.stored or bound is not None
            )
            for name, updating in self.request.updating
        }
        stages = _stages(self.pieces, lambda piece: piece.update(how))
        if bound is None:
            return stages
        return [*stages, clipped(self.parameters, how, bound, self.squares, self.sizes.lanes)]

    def squares(self, step: Step) -> Value:
        """The sum of the squares of all gradients, from what the update stages left."""
        e, total = step.e, [step.e.zero]
        for block in (block for piece in self.pieces for block in piece.squares):
            numbers = step.at(block)
            for i in e.range(0, round_up(block.size, e.lanes), e.lanes, total):
                total[0] = total[0] + numbers.vector(i)
        return e.lane_sum(total[0])

    def copy_outputs(self, step: Step, outputs: Pointer, examples: Iterator[Value]) -> None:
        """Some rows of the batch's scores, as (count, K)."""
        row = self.scores.rows.row
        scores = step.at(self.scores.values)
        for i in examples:
            with step.e.when(i < step.count):
                for c in step.e.range(self.classes):
                    outputs[i * self.classes + c] = scores[i * row + c]

    # -- the public names -------------------------------------------------------------------------

    @property
    def parameters(self) -> dict[str, Stored]:
        """Where each parameter lies, by public name."""
        return {name: at for piece in self.pieces for name, at in piece.parameters.items()}

    @property
    def buffers(self) -> dict[str, Stored]:
        """Where each buffer lies, by public name."""
        return {name: at for piece in self.pieces for name, at in piece.buffers.items()}


def _stages(pieces: Iterable[Piece], made: Callable[[Piece], list[Stage]]) -> list[Stage]:
    """The stages that pieces make, and each knows its piece."""
    return [
        replace(stage, piece=piece, lanes=piece.abreast if stage.by_group else None)
        for piece in pieces
        for stage in made(piece)
    ]


def _sizes(layers: list[chain.Named], machine: Machine, request: Request) -> Sizes:
    """Groups, tiles and rows that suit the network and the batch."""
    lanes = machine.lanes(request.real)
    maps = chain.has_maps(layers, request.input_shape)
    single = maps and request.batch == 1 and not request.training
    line = 64 // (4 if request.real == "float" else 8)
    if maps:
        group = 1 if single else lanes
        tile = max(n for n in range(1, machine.tile_rows(2) + 1) if group % n == 0)
    else:
        group = tile = best_rows(machine, request.batch)
        if request.pictures.sparse:
            group = tile = min(tile, ROWS)
    widest = chain.widest(layers, request.input_shape)
    needed = max(round_up(widest, machine.tile_rows(2)), round_up(widest, 2 * lanes))
    # An odd number of cache lines: rows 4096 bytes apart would share one place in the cache.
    row = (round_up(needed, line) // line | 1) * line
    return Sizes(machine, lanes, request.batch, group, tile, row, request.training, single)
