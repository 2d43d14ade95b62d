"""From maps to rows and back: squares of numbers, turned.

Maps hold one feature of `lanes` examples side by side, rows hold `lanes` features of one example:
as many features as a vector has lanes are a square matrix, which is transposed.
"""

from __future__ import annotations

from handloom import nn
from handloom._typing import Shape
from handloom.loom.kernels.activation import Identity
from handloom.loom.kernels.runs import traffic
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value
from handloom.loom.piece import Piece, Place, Stage, Step
from handloom.loom.tensor import Arrival, Maps


def covers(layer: nn.Layer, shape: Shape) -> bool:
    """Whether a piece of this file computes `layer` on examples of `shape`."""
    return type(layer) is nn.Flatten and len(shape) == 3


@kernel
def to_rows(
    e: Emitter, x: Pointer, y: Pointer, first: Value, *, maps: Maps, row: int, count: int
) -> None:
    """`count` features of a group, from `first` on, into its rows; zeros behind the last."""
    vectors = [x.vector(_place(maps, first + i)) if i < count else e.zero for i in range(e.lanes)]
    for example, vector in enumerate(e.transpose(vectors)):
        y[first + example * row] = vector


@kernel
def to_maps(
    e: Emitter,
    given: Pointer,
    errors: Pointer,
    values: Pointer,
    first: Value,
    *,
    maps: Maps,
    error_maps: Maps,
    row: int,
    count: int,
    arrival: Arrival,
) -> None:
    """The errors `given` for `count` features, from `first` on, delivered to the maps."""
    vectors = e.transpose([given.vector(first + example * row) for example in range(e.lanes)])
    for i, error in enumerate(vectors[:count]):
        at, to = _place(maps, first + i), _place(error_maps, first + i)
        arrival.store(e, errors, to, error, values + at)


def _place(maps: Maps, feature: Value) -> Value:
    """Where a feature's vector lies, counted from the first pixel; they count as C, H, W do."""
    if maps.border == 0:
        return feature * maps.lanes
    pixel, line = feature % maps.width, feature // maps.width
    y, channel = line % maps.height, line // maps.height
    return channel * maps.plane + y * maps.row + pixel * maps.lanes


def flatten(e: Emitter, x: Pointer, maps: Maps, y: Pointer, row: int) -> None:
    """Write the code that turns a group's maps into rows."""
    features = maps.channels * maps.height * maps.width
    rest = features % e.lanes
    for first in e.range(0, features - rest, e.lanes):
        to_rows(e, x, y, first, maps=maps, row=row, count=e.lanes)
    if rest:
        to_rows(e, x, y, features - rest, maps=maps, row=row, count=rest)


def unflatten(
    e: Emitter,
    given: Pointer,
    row: int,
    errors: Pointer,
    error_maps: Maps,
    values: Pointer,
    maps: Maps,
    arrival: Arrival,
) -> None:
    """Write the code that delivers a group's rows of errors to maps."""
    features = maps.channels * maps.height * maps.width
    rest = features % e.lanes
    how = {"maps": maps, "error_maps": error_maps, "row": row, "arrival": arrival}
    for first in e.range(0, features - rest, e.lanes):
        to_maps(e, given, errors, values, first, count=e.lanes, **how)
    if rest:
        to_maps(e, given, errors, values, features - rest, count=rest, **how)


class FlattenPiece(Piece):
    """Rows of the maps' numbers, in the order C, H, W."""

    reads_maps = True

    def __init__(
        self,
        layer: nn.Flatten,
        place: Place,
    ) -> None:
        super().__init__("flatten", place)
        assert place.sizes.group == place.sizes.abreast, "a group of maps is one vector of examples"
        self.source = place.source.read()

    def forward(self) -> list[Stage]:
        """One pass, by groups."""

        def emit(step: Step, group: Value) -> None:
            x, y = step.values(self.source, group), step.values(self.output, group)
            flatten(step.e, x, self.source.maps, y, self.output.rows.row)

        return [Stage(self.title, emit, bytes=traffic(self.source, 2))]

    def backward(self) -> list[Stage]:
        """One pass, by groups."""
        if not self.source.needs_errors:
            return []
        source, output = self.source, self.output
        arrival = source.arrival()

        def emit(step: Step, group: Value) -> None:
            unflatten(
                step.e, step.errors(output, group), output.rows.row,
                step.errors(source, group), source.error_maps,
                step.values(source, group), source.maps, arrival,
            )  # fmt: skip

        times = 2 + arrival.adds + (arrival.activation != Identity())
        return [Stage(f"{self.title}: errors below", emit, bytes=traffic(source, times))]
