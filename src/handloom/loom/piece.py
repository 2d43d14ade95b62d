"""Pieces and stages: what a network becomes when it is compiled.

A piece is one or more layers fused into one computation: a convolution with the activation and the
pooling behind it, a dense layer with its activation. It contributes stages to a step: forward,
backward, update. A stage either handles one group of examples, and is then run by whichever thread
has that group, or shares its work among all threads by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from handloom._typing import AnyArray, FloatArray, Shape
from handloom.loom.arena import Arena, Block
from handloom.loom.kernels.optimizer import Updating
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.value import Pointer, Value
from handloom.loom.native.team import Team
from handloom.loom.tensor import Sizes, Tensor


@dataclass
class Step:
    """What the code of a stage can reach, while it is written for one thread."""

    e: Emitter
    team: Team
    arena: Arena
    parameters: Pointer
    work: Pointer
    settings: Pointer
    """This step's row of settings, for the optimizer."""
    count: Value
    """Examples in this batch; the rows and lanes beyond it hold zero pictures and zero errors."""
    number: Value
    """Steps done before this one, for whatever draws its chance from it."""
    shift: int = 0
    """Where prediction finds its weights, in numbers behind the parameters: a running mean."""

    def at(self, block: Block, group: Value | int = 0, size: int = 0) -> Pointer:
        """The address of a block, or of `group`'s part of it where each has `size` numbers."""
        region = block.region
        if region is self.arena.parameters:
            start = self.parameters + (block.start + self.shift)
        elif region is self.arena.buffers:
            start = self.parameters + block.start
        elif region is self.arena.scratch:
            start = self.work + (self.team.me * region.size + block.start)
        else:
            start = self.work + block.start
        return start + group * size if size else start

    def values(self, tensor: Tensor, group: Value | int) -> Pointer:
        """A tensor's values for one group; for Maps the first pixel that is no border."""
        if tensor.is_maps:
            return self.at(tensor.values, group, tensor.maps.group) + tensor.maps.origin
        return self.at(tensor.values, group, tensor.sizes.group * tensor.rows.row)

    def errors(self, tensor: Tensor, group: Value | int) -> Pointer:
        """A tensor's errors for one group; for Maps the first pixel that is no border."""
        if tensor.is_maps:
            maps = tensor.error_maps
            return self.at(tensor.errors, group, maps.group) + maps.origin
        return self.at(tensor.errors, group, tensor.sizes.group * tensor.rows.row)


@dataclass
class Stage:
    """Part of a step, written by `emit`: emit(step, group) if `by_group`, else emit(step).

    `meets` says that it reads what other threads did in the stage before.
    """

    title: str
    emit: Callable[..., None]
    by_group: bool = True
    meets: bool = False
    flops: int = 0
    """Multiplications and additions of one step, all examples together."""
    bytes: int = 0
    """Read and written by one step, as far as it is more than a cache line or two."""
    lanes: int | None = None
    """Numbers in its vectors, if not as many as a register holds; filled in by the plan."""
    piece: Piece | None = None
    """The one that it is part of, filled in by the plan; pictures and loss belong to none."""


@dataclass
class Stored:
    """How one parameter or buffer of the public layout lies in the memory of the parameters."""

    block: Block
    shape: Shape
    pack: Callable[[FloatArray, AnyArray], None]
    """pack(block's numbers, public array): write all of the block."""
    unpack: Callable[[FloatArray], AnyArray]
    """The public array, a copy."""


def flat(block: Block, shape: Shape) -> Stored:
    """A parameter that lies as it is, row by row."""
    size = int(np.prod(shape))

    def pack(numbers: FloatArray, array: AnyArray) -> None:
        numbers[:size] = np.ravel(array)

    return Stored(block, shape, pack, lambda numbers: numbers[:size].reshape(shape).copy())


@dataclass(frozen=True)
class Place:
    """Where a piece stands in its network: what it reads and puts out, whose memory it takes."""

    paths: tuple[str, ...]
    """The layers in it; its parameters are those of the first."""
    sources: tuple[Tensor, ...]
    output: Tensor
    sizes: Sizes
    arena: Arena

    @property
    def source(self) -> Tensor:
        """The only tensor that it reads."""
        (source,) = self.sources
        return source

    def name_of(self, parameter: str) -> str:
        """The public name of a parameter or buffer of its layer."""
        return f"{self.paths[0]}.{parameter}"


class Piece:
    """One fused part of a network.

    `title` says for people what it computes. A subclass registers its
    `parameters` (by public name, "0.weight") and `buffers` when it is made, and takes its memory in
    `allocate`, when all tensors know their borders. `squares` are blocks in which update leaves the
    sums of squared gradients, one number for each tile: whichever thread computes it, the norm of
    all gradients adds up the same way. A batch to train on has `least` examples or more.
    """

    least = 1
    reads_maps = False
    """Whether it takes maps and puts out rows."""

    def __init__(self, title: str, place: Place) -> None:
        self.title = title
        self.place = place
        self.paths, self.output, self.sizes = place.paths, place.output, place.sizes
        self.parameters: dict[str, Stored] = {}
        self.buffers: dict[str, Stored] = {}
        self.squares: list[Block] = []

    @property
    def abreast(self) -> int | None:
        """Examples in a vector of the maps that it works on, if it does."""
        output = self.output
        return output.sizes.abreast if output.is_maps or self.reads_maps else None

    def allocate(self, arena: Arena) -> None:
        """Take memory that is this piece's own: copies of weights, gradients, scratch."""

    def fill(self, work: FloatArray) -> None:
        """Write into new work memory what the code only reads."""

    def prepare(self) -> list[Stage]:
        """What depends on the weights alone, before every step: turned or transformed copies."""
        return []

    def forward(self) -> list[Stage]:
        """From the inputs' values to the output's."""
        return []

    def backward(self) -> list[Stage]:
        """From the output's errors to the inputs'; written in backward order of the pieces."""
        return []

    def update(self, how: Mapping[str, Updating]) -> list[Stage]:
        """Gradients and new values of the parameters; `how` by public name."""
        return []
