"""Pieces that look at one number at a time: an activation, a sum, a join of channels."""

from __future__ import annotations

from handloom import nn
from handloom._typing import Shape
from handloom.loom.kernels.activation import Activation, Identity, activation_of
from handloom.loom.kernels.runs import deliver, first_lanes, layout, runs, traffic
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value
from handloom.loom.piece import Piece, Place, Stage, Step


def covers(layer: nn.Layer, shape: Shape) -> bool:
    """Whether a piece of this file computes `layer`, or joins its branches, given its input."""
    if type(layer) is nn.Parallel:
        return len(layer.output_shape(shape)) == 3
    return type(layer) is nn.Residual or activation_of(layer) is not None


@kernel
def sum_run(
    e: Emitter,
    y: Pointer,
    run: Value,
    features: Value,
    *terms: Pointer,
    count: int,
    activation: Activation,
) -> None:
    """y = f(sum of the `count` terms); beyond the first `features` numbers y stays zero."""
    for i in e.range(0, run, e.lanes):
        total = terms[0].vector(i)
        for term in terms[1:count]:
            total = total + term.vector(i)
        out = activation.output(e, total)
        if not activation.keeps_zero:
            out = e.where(first_lanes(e, features - i), out, 0.0)
        y[i] = out


class SumPiece(Piece):
    """y = f(sum of the sources), of rows or maps.

    If the slope of f cannot be told from y, there is but one source, whose values are f's z.
    """

    def __init__(
        self,
        title: str,
        place: Place,
        *,
        activation: Activation,
    ) -> None:
        super().__init__(title, place)
        assert activation.from_output or len(place.sources) == 1
        self.sources = [source.read() for source in place.sources]
        self.activation = activation

    def forward(self) -> list[Stage]:
        """One pass, by groups."""
        tensors = self.output, *self.sources

        def emit(step: Step, group: Value) -> None:
            starts = [step.values(tensor, group) for tensor in tensors]
            for run, places in runs(step.e, self.sizes, *map(layout, tensors)):
                y, *terms = (start + at for start, at in zip(starts, places, strict=True))
                features = run if self.output.is_maps else self.output.shape[0]
                sum_run(
                    step.e, y, run, features, *terms, count=len(terms), activation=self.activation
                )

        return [Stage(self.title, emit, bytes=traffic(self.output, len(tensors)))]

    def backward(self) -> list[Stage]:
        """A pass for each source; the errors hold f's slope already if y tells it."""
        slope = Identity() if self.activation.from_output else self.activation
        return [
            deliver(self.title, source, self.output, slope)
            for source in self.sources
            if source.needs_errors
        ]


class ActivationPiece(SumPiece):
    """y = f(z), for an activation that is nobody's epilogue."""

    def __init__(
        self,
        layer: nn.Layer,
        place: Place,
    ) -> None:
        activation = activation_of(layer)
        assert activation is not None, "covers() tells"
        super().__init__(type(layer).__name__, place, activation=activation)


class AddPiece(SumPiece):
    """y = f(a + b), where a Residual's two ways meet."""

    def __init__(
        self,
        layer: nn.Residual,
        place: Place,
        *,
        activation: Activation,
    ) -> None:
        super().__init__("add", place, activation=activation)


class ConcatPiece(Piece):
    """The branches' maps, one after the other: where a Parallel's ways meet."""

    def __init__(
        self,
        layer: nn.Parallel,
        place: Place,
    ) -> None:
        super().__init__("concatenate", place)
        self.sources = [source.read() for source in place.sources]
        channels = [source.shape[0] for source in place.sources]
        self.starts = [sum(channels[:i]) for i in range(len(channels))]

    def forward(self) -> list[Stage]:
        """A copy of each source, by groups."""

        def emit(step: Step, group: Value) -> None:
            maps = self.output.maps
            for source, channel in zip(self.sources, self.starts, strict=True):
                x = step.values(source, group)
                y = step.values(self.output, group) + channel * maps.plane
                for run, (at, to) in runs(step.e, self.sizes, source.maps, maps):
                    sum_run(step.e, y + to, run, run, x + at, count=1, activation=Identity())

        return [Stage(self.title, emit, bytes=traffic(self.output, 2))]

    def backward(self) -> list[Stage]:
        """Each source gets its part of the errors."""
        return [
            deliver(self.title, source, self.output, Identity(), channel=channel)
            for source, channel in zip(self.sources, self.starts, strict=True)
            if source.needs_errors
        ]
