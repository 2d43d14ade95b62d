"""Batch norm as a piece: its tables and sums, and the code that walks through the channels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from handloom import nn
from handloom._typing import Shape
from handloom.loom.arena import Arena, round_up
from handloom.loom.kernels.activation import Activation
from handloom.loom.kernels.norm import passes as norm_passes
from handloom.loom.kernels.norm import sums as norm_sums
from handloom.loom.kernels.norm.sums import DBIAS, DWEIGHT, MEAN, TABLE, VAR, Grain
from handloom.loom.kernels.optimizer import Updating
from handloom.loom.kernels.runs import error_layout, layout, traffic
from handloom.loom.language.value import Index, Pointer, Value
from handloom.loom.piece import Piece, Place, Stage, Step, flat
from handloom.loom.tensor import Maps, Rows, Tensor


def covers(layer: nn.Layer, shape: Shape) -> bool:
    """Whether a piece of this file computes `layer` on examples of `shape`."""
    dimensions = {nn.BatchNorm1d: 1, nn.BatchNorm2d: 3}
    return dimensions.get(type(layer)) == len(shape)


class BatchNormPiece(Piece):
    """y = f(maxpool(γ x̂ + β)) for a BatchNorm1d or BatchNorm2d and what follows it.

    The pooling's windows stand side by side within the maps; f is then increasing. Forward makes
    two passes and backward two; between them all threads meet, for every channel's mean depends on
    all examples.
    """

    def __init__(
        self,
        layer: nn.BatchNorm1d | nn.BatchNorm2d,
        place: Place,
        *,
        activation: Activation,
        pool: nn.MaxPool2d | None = None,
    ) -> None:
        super().__init__(f"batch norm {layer.describe()}", place)
        self.layer = layer
        self.source = place.source.read()
        self.activation = activation
        self.window = (1, 1) if pool is None else pool.windows.kernel
        maps = place.source.is_maps
        self.grain = Grain(place.sizes.abreast if maps else place.sizes.row, features=not maps)
        (self.channels,) = layer.weight.shape
        self.size = round_up(self.channels, place.sizes.lanes)
        self.pixels = math.prod(place.source.shape[1:])
        self.least = 2 if self.pixels == 1 else 1  # one number has no variance
        self.names = place.name_of("weight"), place.name_of("bias")
        self.weight, self.bias = (place.arena.parameters.take(self.size) for _ in range(2))
        self.mean, self.var = (place.arena.buffers.take(self.size) for _ in range(2))
        for name, block in zip(self.names, (self.weight, self.bias), strict=True):
            self.parameters[name] = flat(block, (self.channels,))
        for name, block in (("running_mean", self.mean), ("running_var", self.var)):
            self.buffers[place.name_of(name)] = flat(block, (self.channels,))

    def allocate(self, arena: Arena) -> None:
        """Two sums for each channel of each group, forward and backward; a table a thread."""
        self.table = arena.scratch.take(len(TABLE) * self.size)
        if self.sizes.training:
            self.sums = arena.work.take(self.sizes.groups * 2 * self.size)
            self.squares = [arena.work.take(len(self.names))]

    # -- forward ----------------------------------------------------------------------------------

    def prepare(self) -> list[Stage]:
        """In evaluation each thread's table, from the running moments."""
        if self.sizes.training:
            return []

        def emit(step: Step) -> None:
            norm_sums.table_of_running(
                step.e, step.at(self.mean), step.at(self.var), step.at(self.weight),
                step.at(self.table), self.size, step.e.number(self.layer.eps),
            )  # fmt: skip

        return [Stage(f"{self.title}: table", emit, by_group=False)]

    def forward(self) -> list[Stage]:
        """The groups' moments, the batch's moments, the pass that normalises."""
        size = traffic(self.source, 1) + traffic(self.output, 1)
        last = Stage(self.title, self._normalise, bytes=size)
        if not self.sizes.training:
            return [last]
        return [
            Stage(f"{self.title}: moments", self._moments, bytes=traffic(self.source, 1)),
            Stage(f"{self.title}: join moments", self._join_moments, by_group=False, meets=True),
            last,
        ]

    def _moments(self, step: Step, group: Value) -> None:
        live = self._live(step, group)
        rows, columns, x_row = self._plane(live, (1, 1), layout(self.source))
        sums = step.at(self.sums, group, 2 * self.size)
        for c in self._channels(step):
            norm_sums.moments(
                step.e, self._values(step, self.source, group, c), sums + c, self.size,
                rows, columns, x_row, live, grain=self.grain,
            )  # fmt: skip

    def _join_moments(self, step: Step) -> None:
        norm_sums.join_moments(
            step.e, step.at(self.sums), step.at(self.weight), step.at(self.table), self.size,
            step.count, self.sizes.group, self.pixels, step.e.number(self.layer.eps),
        )  # fmt: skip

    def _normalise(self, step: Step, group: Value) -> None:
        live = self._live(step, group)
        x, y = layout(self.source), layout(self.output)
        rows, columns, x_row, y_row = self._plane(live, self.window, x, y)
        for c in self._channels(step):
            norm_passes.normalise(
                step.e, self._values(step, self.source, group, c),
                self._values(step, self.output, group, c),
                step.at(self.table) + c, step.at(self.bias) + c, self.size,
                rows, columns, x_row, y_row, self.channels - c,
                grain=self.grain, window=self.window, activation=self.activation,
            )  # fmt: skip

    # -- backward ---------------------------------------------------------------------------------

    def backward(self) -> list[Stage]:
        """The groups' sums, the batch's sums, and the pass that computes the errors below."""
        size = traffic(self.source, 1) + traffic(self.output, 1)
        join = f"{self.title}: join sums of errors"
        stages = [
            Stage(f"{self.title}: sums of errors", self._error_sums, bytes=size),
            Stage(join, self._join_errors, by_group=False, meets=True),
        ]
        if self.source.needs_errors:
            self.arrival = self.source.arrival()
            size += traffic(self.source, 1 + self.arrival.adds)
            stages.append(Stage(f"{self.title}: errors below", self._input_errors, bytes=size))
        return stages

    def _error_sums(self, step: Step, group: Value) -> None:
        live = self._live(step, group)
        x, dy = layout(self.source), error_layout(self.output)
        rows, columns, x_row, dy_row = self._plane(live, self.window, x, dy)
        sums = step.at(self.sums, group, 2 * self.size)
        for c in self._channels(step):
            norm_sums.error_sums(
                step.e, self._values(step, self.source, group, c),
                self._errors(step, self.output, group, c),
                step.at(self.table) + c, sums + c, self.size,
                rows, columns, x_row, dy_row, grain=self.grain, window=self.window,
            )  # fmt: skip

    def _join_errors(self, step: Step) -> None:
        norm_sums.join_error_sums(
            step.e, step.at(self.sums), step.at(self.table), self.size,
            step.count, self.sizes.group, self.pixels,
        )  # fmt: skip

    def _input_errors(self, step: Step, group: Value) -> None:
        live, pixel = self._live(step, group), self.grain.pixel
        every = step.e.lift(self.sizes.group)  # beyond the batch errors are stored too: zeros
        x, dy, dx = layout(self.source), error_layout(self.output), error_layout(self.source)
        rows, columns, x_row, dy_row, dx_row = self._plane(every, self.window, x, dy, dx)
        parts = [(self.window, 0, 0, rows, columns), *self._left_over()]
        for c in self._channels(step):
            for window, top, left, num_rows, num_columns in parts:
                norm_passes.input_errors(
                    step.e,
                    self._values(step, self.source, group, c) + (top * x_row + left * pixel),
                    self._errors(step, self.output, group, c),
                    self._errors(step, self.source, group, c) + (top * dx_row + left * pixel),
                    step.at(self.table) + c, self.size,
                    num_rows, num_columns, x_row, dy_row, dx_row, live,
                    grain=self.grain, window=window, arrival=self.arrival,
                )  # fmt: skip

    def _left_over(self) -> list[tuple[None, int, int, int, int]]:
        """The pixels in no window: their first row and column, and how many of each."""
        if self.window == (1, 1):
            return []
        (height, width), (_, rows, columns) = self.source.shape[1:], self.output.shape
        below, beside = rows * self.window[0], columns * self.window[1]
        parts = (below, 0, height - below, width), (0, beside, below, width - beside)
        return [(None, *part) for part in parts if part[2] and part[3]]

    # -- update -----------------------------------------------------------------------------------

    def update(self, how: Mapping[str, Updating]) -> list[Stage]:
        """γ, β and the running moments, few numbers, by the first thread."""

        def emit(step: Step) -> None:
            e, size = step.e, self.size
            rows = [step.at(self.table) + row * size for row in (DWEIGHT, DBIAS, MEAN, VAR)]
            with step.team.first():
                for i, block in enumerate((self.weight, self.bias)):
                    norm_passes.update_parameter(
                        e, step.at(block), rows[i], step.settings,
                        step.at(self.squares[0]) + i, size, how=how[self.names[i]],
                    )  # fmt: skip
                for block, row in zip((self.mean, self.var), rows[2:], strict=True):
                    momentum = e.number(self.layer.momentum)
                    norm_passes.follow(e, step.at(block), row, size, momentum)

        return [Stage(f"{self.title}: update", emit, by_group=False)]

    # -- the walk through a group -----------------------------------------------------------------

    def _live(self, step: Step, group: Value) -> Value:
        """Examples of a group that are in the batch."""
        size = self.sizes.group
        return step.e.max(0, step.e.min(size, step.count - group * size))

    def _channels(self, step: Step) -> Iterator[Value]:
        """A loop over the channels, by vectors where the channels are features."""
        each = self.sizes.lanes if self.grain.features else 1
        return step.e.range(0, self.size if self.grain.features else self.channels, each)

    def _plane(
        self, examples: Value, window: tuple[int, int], *layouts: Maps | Rows
    ) -> list[Index]:
        """Rows and columns of windows in a channel, then each layout's numbers in a row of pixels.

        Maps without borders are one long row; so are the examples of a feature.
        """
        if self.grain.features:
            return [1, examples, *(0 for _ in layouts)]
        maps = [m for m in layouts if isinstance(m, Maps)]
        if window == (1, 1) and all(m.border == 0 for m in maps):
            return [1, self.pixels, *(0 for _ in maps)]
        rows, columns = (n // k for n, k in zip(self.source.shape[1:], window, strict=True))
        return [rows, columns, *(m.row for m in maps)]

    def _values(self, step: Step, tensor: Tensor, group: Value, channel: Value) -> Pointer:
        return step.values(tensor, group) + channel * self._apart(layout(tensor))

    def _errors(self, step: Step, tensor: Tensor, group: Value, channel: Value) -> Pointer:
        return step.errors(tensor, group) + channel * self._apart(error_layout(tensor))

    def _apart(self, where: Maps | Rows) -> int:
        """Numbers from one channel to the next."""
        return where.plane if isinstance(where, Maps) else 1
