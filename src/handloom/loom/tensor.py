"""How numbers lie while they flow from piece to piece, and how errors come back.

    Rows  (N, features)    one row an example; what dense layers read in a straight line
    Maps  (N, C, H, W)     [group][channel][y][x][lane]: as many examples side by side as a vector
                           has lanes, so that a convolution is plain arithmetic on vectors; one
                           example to be judged stands alone, and vectors hold pixels of a row

A batch is cut into groups of examples; a group is what one thread carries through the network
without waiting for the others.
"""

from __future__ import annotations

from dataclasses import dataclass

from handloom._typing import Shape
from handloom.loom.arena import Arena, Block
from handloom.loom.kernels.activation import Activation, Identity
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import Machine
from handloom.loom.language.value import Index, Pointer, Value


@dataclass(frozen=True)
class Sizes:
    """The shape of a compiled batch: what all pieces of a network agree upon."""

    machine: Machine
    lanes: int
    batch: int
    group: int
    """Examples in a group."""
    tile_rows: int
    """Examples in a register tile of a dense layer; a group is a whole number of tiles."""
    row: int
    """Numbers from one example to the next, in every Rows of the network. As a constant it becomes
    part of the instructions, where a variable would take registers from the tile; and all layers
    share one kernel."""
    training: bool
    single: bool = False
    """Whether there is but one example, to be judged."""

    @property
    def abreast(self) -> int:
        """Examples side by side in Maps: as many as a vector has lanes, or the only one."""
        return 1 if self.single else self.lanes

    @property
    def groups(self) -> int:
        """Groups in a batch."""
        return -(-self.batch // self.group)


@dataclass(frozen=True)
class Rows:
    """(N, features), `row` numbers from one example to the next; what is between them is zero."""

    features: int
    row: int

    def size(self, sizes: Sizes) -> int:
        """Numbers in all groups of a batch."""
        return sizes.groups * sizes.group * self.row


@dataclass(frozen=True)
class Maps:
    """(N, C, H, W) with `border` zero pixels around every map; a pixel is `lanes` numbers."""

    channels: int
    height: int
    width: int
    border: int
    lanes: int

    @property
    def row(self) -> int:
        """Numbers from one row of pixels to the next."""
        return (self.width + 2 * self.border) * self.lanes

    @property
    def plane(self) -> int:
        """Numbers from one channel to the next."""
        return (self.height + 2 * self.border) * self.row

    @property
    def group(self) -> int:
        """Numbers from one group of examples to the next; no multiple of 4096 bytes."""
        return self.channels * self.plane + self.lanes

    @property
    def origin(self) -> int:
        """Where the first pixel lies that is no border."""
        return self.border * (self.row + self.lanes)

    def size(self, sizes: Sizes) -> int:
        """Numbers in all groups of a batch."""
        return sizes.groups * self.group


@dataclass(frozen=True)
class Arrival:
    """How errors are stored: several pieces may read a tensor, and their errors add up.

    `adds` says that others have stored theirs before; `activation` is the one whose slope makes
    ∂loss/∂output into ∂loss/∂sum, once the last have arrived, and the identity until then.
    """

    adds: bool = False
    activation: Activation = Identity()  # noqa: RUF009  it is frozen

    def store(self, e: Emitter, errors: Pointer, place: Index, error: Value, y: Pointer) -> None:
        """Store a vector of ∂loss/∂output at errors[place]; `y` points at the output's vector."""
        if self.adds:
            error = error + errors.vector(place)
        if self.activation != Identity():
            error = self.activation.gradient(e, error, y.vector())
        errors[place] = error


class Tensor:
    """What one piece hands to others: its values and, where they are asked for, its errors.

    The errors are ∂loss/∂(what went into `activation`), so that a piece that ends in an activation
    finds them ready. Borders are wished for by the pieces that read, before memory is given out.
    """

    def __init__(self, shape: Shape, sizes: Sizes, *, needs_errors: bool) -> None:
        self.shape = shape
        self.sizes = sizes
        self.activation: Activation = Identity()
        self.needs_errors_in_training = needs_errors
        """Also in a program that only predicts: what is decided by it has to be the same in both,
        since they share the weights and how these lie."""
        self.needs_errors = needs_errors and sizes.training
        self.border = 0
        self.error_border = 0
        self.readers = 0
        self.values: Block
        self.errors: Block
        self._arrived = 0

    @property
    def is_maps(self) -> bool:
        """Whether it holds pictures (C, H, W) and not rows (features,)."""
        return len(self.shape) == 3

    @property
    def maps(self) -> Maps:
        """How the values of pictures lie."""
        channels, height, width = self.shape
        return Maps(channels, height, width, self.border, self.sizes.abreast)

    @property
    def error_maps(self) -> Maps:
        """How the errors of pictures lie."""
        channels, height, width = self.shape
        return Maps(channels, height, width, self.error_border, self.sizes.abreast)

    @property
    def rows(self) -> Rows:
        """How values and errors of rows lie."""
        (features,) = self.shape
        return Rows(features, self.sizes.row)

    def allocate(self, arena: Arena) -> None:
        """Take memory, when all readers have told their wishes."""
        maps = self.is_maps
        self.values = arena.work.take((self.maps if maps else self.rows).size(self.sizes))
        if self.needs_errors:
            self.errors = arena.work.take((self.error_maps if maps else self.rows).size(self.sizes))

    def read(self, *, border: int = 0) -> Tensor:
        """Count one more reader, which wants `border` zero pixels around the maps."""
        self.readers += 1
        self.border = max(self.border, border)
        return self

    def arrival(self) -> Arrival:
        """How the next reader's errors are stored; asked for once by each, in backward order."""
        adds = self._arrived > 0
        self._arrived += 1
        last = self._arrived == self.readers
        return Arrival(adds, self.activation if last else Identity())
