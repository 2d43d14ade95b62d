"""A convolution of few channels by Winograd's minimal filtering along the rows alone.

What a square tile saves in products it loses in transforms where there is but one channel, or
three, to share them. A line of m neighbouring pixels of the result is

    y = Aᵀ Σ (G g ∘ Bᵀ d)        ∂loss/∂g = Gᵀ Σ (A E ∘ Bᵀ d)

with the first sum over channels and rows of the kernel, g a row of the kernel, d one of the pixels;
and the second over lines and examples, E a line of errors. For five taps and m = 4 that is 8
products instead of 20.

Rounding: with float numbers up to about 5e-6 of the largest number of a result, with double 2e-14.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from handloom import nn
from handloom.loom.arena import Arena
from handloom.loom.kernels.convolution import gradient as conv_gradient
from handloom.loom.kernels.convolution.dark_windows import DarkWindows
from handloom.loom.kernels.winograd import lines as kernels
from handloom.loom.kernels.winograd.lines_shape import best_lines
from handloom.loom.language.value import Value
from handloom.loom.piece import Stage, Step, Stored
from handloom.loom.pieces.convolution.direct import ConvPiece


class WinogradLinesPiece(ConvPiece):
    """The same as ConvPiece, where lines pay; the errors of its input are ConvPiece's."""

    def _stored(self, layer: nn.Conv2d, arena: Arena) -> Stored:
        self.title += " Winograd"
        lines = best_lines(self.shape, self.sizes.machine.registers)
        assert lines is not None, "some lines fit"
        self.lines = lines
        if not lines.even:
            self.output.error_border = max(self.output.error_border, 1)
        return super()._stored(layer, arena)

    def allocate(self, arena: Arena) -> None:
        """Transformed weights, and the spectra of a group's pixels."""
        super().allocate(arena)
        lines = self.lines
        self.transformed = arena.work.take(self.shape.filters * lines.filter)
        self.dark = DarkWindows(self.shape, (self.shape.rows, lines.width), self.sizes.lanes)
        self.spectra, self.mask, self.sums = arena.scratch.borrow(
            lines.rows * lines.row * self.sizes.lanes,
            self.dark.size * self.sizes.training,
            lines.points * self.shape.kernel[0],
        )

    def prepare(self) -> list[Stage]:
        """G g of all rows of all kernels."""
        size = (self.weights.size + self.transformed.size) * self.itemsize
        title = f"{self.title}: transform weights"
        return [Stage(title, self._prepare, by_group=False, bytes=size)]

    def _product(self, title: str, emit: Callable[[Step, Value], None]) -> Stage:
        """Forward and the gradient have fewer operations."""
        stage = super()._product(title, emit)
        if emit == self._errors_below:
            return stage
        return replace(stage, flops=2 * self.sizes.batch * self.lines.products)

    def _prepare(self, step: Step) -> None:
        """Shared out by filters."""
        for f in step.team.share(self.shape.filters):
            kernels.transform_weights(
                step.e, step.at(self.weights) + f * (self.shape.channels * self.shape.taps),
                step.at(self.transformed) + f * self.lines.filter, lines=self.lines,
            )  # fmt: skip

    def _transform(self, step: Step, group: Value) -> None:
        kernels.transform_pixels(
            step.e, self._first_window(step, group), step.at(self.spectra),
            lines=self.lines, source=self.source.maps,
        )  # fmt: skip

    def _forward(self, step: Step, group: Value) -> None:
        self._transform(step, group)
        if self.sizes.training:
            first = self._first_window(step, group)
            self.dark.find(step.e, first, step.at(self.mask), self.source.maps)
        kernels.forward(
            step.e, step.at(self.spectra), step.at(self.transformed), step.at(self.bias),
            step.at(self.mask), step.values(self.output, group), self._choice(step, group),
            lines=self.lines, target=self.output.maps, activation=self.activation,
            mask_row=self.dark.row, training=self.sizes.training,
        )  # fmt: skip

    def _gradients(self, step: Step, group: Value) -> None:
        errors, maps = step.errors(self.output, group), self.output.error_maps
        self._transform(step, group)
        kernels.weight_gradient(
            step.e, errors, self._choice(step, group), step.at(self.spectra), step.at(self.sums),
            self.partials[self.weight_name].of(step, group),
            lines=self.lines, target=maps,
        )  # fmt: skip
        if self.bias_name:
            gradient = self.partials[self.bias_name].of(step, group)
            conv_gradient.bias_gradient(step.e, errors, gradient, target=maps)
