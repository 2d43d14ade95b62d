"""A convolution as a piece, with the activation and the pooling behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from handloom import nn
from handloom._typing import Shape
from handloom.loom.arena import Arena
from handloom.loom.kernels.activation import Activation
from handloom.loom.kernels.convolution import forward as conv_kernel
from handloom.loom.kernels.convolution import gradient as conv_gradient
from handloom.loom.kernels.convolution.shape import Convolution
from handloom.loom.kernels.convolution.tile import forward_tile, input_tile, weight_tile
from handloom.loom.kernels.optimizer import Updating
from handloom.loom.language.value import Pointer, Value
from handloom.loom.piece import Piece, Place, Stage, Step, Stored, flat
from handloom.loom.pieces.partials import Partials
from handloom.loom.tensor import Maps

LARGEST_WINDOW = 9
"""Pixels of a pooling's window whose sums leave registers for what they are made of."""


def covers(layer: nn.Conv2d) -> bool:
    """Whether ConvPiece computes this layer: any kernel, stride and padding, but one group."""
    return layer.groups == 1 and layer.windows.dilation == (1, 1)


def fuses(pool: nn.MaxPool2d, conv_shape: Shape) -> bool:
    """Whether maps (C, H, W) can be pooled while they are still in registers.

    The windows lie side by side; what remains of the maps beside the last ones does not matter.
    """
    (height, width), windows = pool.windows.kernel, pool.windows
    remains = conv_shape[1] % height or conv_shape[2] % width
    side_by_side = windows.stride == windows.kernel and windows.dilation == (1, 1)
    inside = windows.before == (0, 0) and not (windows.ceil_mode and remains)
    return side_by_side and inside and height * width <= LARGEST_WINDOW


class ConvPiece(Piece):
    """y = f(maxpool(x * w + b)) for a Conv2d that is covered and what follows it.

    f is increasing and its slope follows from its output; the pooling is one that fuses, or None.
    """

    def __init__(
        self,
        layer: nn.Conv2d,
        place: Place,
        *,
        activation: Activation,
        pool: nn.MaxPool2d | None,
    ) -> None:
        self.shape = Convolution.of(layer, place.source.shape, pool)
        super().__init__(_title(self.shape), place)
        self.source = place.source.read(border=self.shape.border)
        self.activation = activation
        self.itemsize = place.arena.dtype.itemsize
        self.pooled = self.shape.window != (1, 1)
        self.weight_name = place.name_of("weight")
        self.bias_name = place.name_of("bias") if layer.bias is not None else None
        self.parameters[self.weight_name] = stored = self._stored(layer, place.arena)
        self.weights = stored.block
        self.bias = place.arena.parameters.take(self.shape.filters)  # zeros if the layer has none
        if self.bias_name:
            self.parameters[self.bias_name] = flat(self.bias, (self.shape.filters,))

    def _stored(self, layer: nn.Conv2d, arena: Arena) -> Stored:
        """Memory for the weights, which lie as they are."""
        self.strides = (
            self.shape.channels * self.shape.taps,
            self.shape.taps,
            self.shape.kernel[1],
            1,
        )
        return flat(arena.parameters.take(layer.weight.value.size), layer.weight.shape)

    def allocate(self, arena: Arena) -> None:
        """The groups' gradients, the winners of the pooling, the errors of all its pixels."""
        if not self.sizes.training:
            return
        groups = self.sizes.groups
        self.partials = {self.weight_name: Partials(arena, self.weights, groups)}
        if self.bias_name:
            self.partials[self.bias_name] = Partials(arena, self.bias, groups)
        self.squares = [partials.squares for partials in self.partials.values()]
        if self.pooled:
            filters, rows, columns = self.shape.output
            self.winners = Maps(filters, rows, columns, 0, self.sizes.lanes)
            self.choice = arena.work.take(groups * self.winners.group)
        if self._unpools:
            shape = self.shape
            self.spread = Maps(shape.filters, shape.rows, shape.columns, 0, self.sizes.lanes)
            self.unpooled = arena.scratch.take(self.spread.group)

    @property
    def _unpools(self) -> bool:
        """Whether errors are unpooled into memory; the gradient alone can do it on its way."""
        return self.pooled and self.source.needs_errors

    # -- forward ----------------------------------------------------------------------------------

    def forward(self) -> list[Stage]:
        """One stage, by groups."""
        return [self._product(self.title, self._forward)]

    def _product(self, title: str, emit: Callable[[Step, Value], None]) -> Stage:
        """One of the three products, which have as many operations and touch the same tensors."""
        maps = self.source.maps, self.output.maps
        numbers = sum(each.size(self.sizes) for each in maps)
        flops = 2 * self.sizes.batch * self.shape.multiplications
        return Stage(title, emit, flops=flops, bytes=numbers * self.itemsize)

    def _first_window(self, step: Step, group: Value) -> Pointer:
        """The pixel of the source where the first window begins."""
        maps, (top, left) = self.source.maps, self.shape.before
        return step.values(self.source, group) + (-top * maps.row - left * maps.lanes)

    def _choice(self, step: Step, group: Value) -> Pointer:
        """Which pixels won; any address where nobody keeps it."""
        keeps = self.pooled and self.sizes.training
        return step.at(self.choice, group, self.winners.group) if keeps else step.work

    def _forward(self, step: Step, group: Value) -> None:
        conv_kernel.forward(
            step.e, self._first_window(step, group), step.at(self.weights), step.at(self.bias),
            step.values(self.output, group), self._choice(step, group),
            shape=self.shape, tile=forward_tile(self.sizes.machine, self.shape),
            source=self.source.maps, target=self.output.maps, activation=self.activation,
            keeps_choice=self.pooled and self.sizes.training,
        )  # fmt: skip

    # -- backward ---------------------------------------------------------------------------------

    def backward(self) -> list[Stage]:
        """By groups: the gradients of weights and bias, then the errors of the source."""
        stages = [self._product(f"{self.title}: gradient", self._gradients)]
        if self._unpools:
            numbers = (2 * self.winners.group + self.spread.group) * self.sizes.groups
            title, size = f"{self.title}: unpool", numbers * self.itemsize
            stages.insert(0, Stage(title, self._unpool, bytes=size))
        if self.source.needs_errors:
            self.arrival = self.source.arrival()
            stages.append(self._product(f"{self.title}: errors below", self._errors_below))
        return stages

    def _unpool(self, step: Step, group: Value) -> None:
        conv_kernel.unpool(
            step.e, step.errors(self.output, group), self._choice(step, group),
            step.at(self.unpooled),
            shape=self.shape, source=self.output.error_maps, target=self.spread,
        )  # fmt: skip

    def _errors(self, step: Step, group: Value) -> tuple[Pointer, Maps, Convolution]:
        """The errors that the products take, and the geometry that belongs to them."""
        if self._unpools:
            return step.at(self.unpooled), self.spread, self.shape.unpooled
        return step.errors(self.output, group), self.output.error_maps, self.shape

    def _gradients(self, step: Step, group: Value) -> None:
        errors, maps, shape = self._errors(step, group)
        conv_gradient.weight_gradient(
            step.e, errors, self._choice(step, group), self._first_window(step, group),
            self.partials[self.weight_name].of(step, group),
            shape=shape, tile=weight_tile(self.sizes.machine, shape),
            source=self.source.maps, target=maps,
        )  # fmt: skip
        if self.bias_name:
            conv_gradient.bias_gradient(
                step.e, step.errors(self.output, group),
                self.partials[self.bias_name].of(step, group), target=self.output.error_maps,
            )  # fmt: skip

    def _errors_below(self, step: Step, group: Value) -> None:
        errors, maps, shape = self._errors(step, group)
        conv_gradient.input_gradient(
            step.e, errors, step.at(self.weights), step.values(self.source, group),
            step.errors(self.source, group),
            shape=shape, tile=input_tile(self.sizes.machine, shape), target=maps,
            source=self.source.maps, below_maps=self.source.error_maps, arrival=self.arrival,
        )  # fmt: skip

    # -- update -----------------------------------------------------------------------------------

    def update(self, how: Mapping[str, Updating]) -> list[Stage]:
        """The groups' gradients added up, and new weights."""
        return [
            partials.stage(f"{self.title}: update {name}", how[name])
            for name, partials in self.partials.items()
        ]


def _title(shape: Convolution) -> str:
    """'conv 6 → 16, 5×5, pool 2×2'."""
    kernel, window = (f"{height}×{width}" for height, width in (shape.kernel, shape.window))
    pooled = f", pool {window}" if shape.window != (1, 1) else ""
    return f"conv {shape.channels} → {shape.filters}, {kernel}{pooled}"
