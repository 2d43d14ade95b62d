"""Batch norm's passes over the numbers, each for one channel of one group.

    x̂ = (x - μ) / √(σ² + ε)    y = f(γ x̂ + β)    dx = γ (dy - mean(dy) - x̂ mean(dy x̂)) / √(σ² + ε)

The means are over the batch (norm_sums.py).  Source: Ioffe & Szegedy 2015, sec. 3.
"""

from __future__ import annotations

from collections.abc import Sequence

from handloom.loom.kernels.activation import Activation
from handloom.loom.kernels.norm.sums import ALONG, DMEAN, MEAN, SCALE, Grain, winner
from handloom.loom.kernels.optimizer import Updating
from handloom.loom.kernels.runs import first_lanes
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value
from handloom.loom.tensor import Arrival


@kernel
def normalise(
    e: Emitter,
    x: Pointer,
    y: Pointer,
    table: Pointer,
    bias: Pointer,
    size: Value,
    rows: Value,
    columns: Value,
    x_row: Value,
    y_row: Value,
    features: Value,
    *,
    grain: Grain,
    window: tuple[int, int],
    activation: Activation,
) -> None:
    """y = f(max of (x - μ) SCALE + β in each window); windows stand side by side.

    Rows and columns count windows. Of a vector of features the first `features` are no padding.
    """
    mean, scale = (grain.load(e, table, row * size) for row in (MEAN, SCALE))
    shift = grain.load(e, bias)
    for i in e.range(rows):
        for j in e.unrolled(columns, 2):
            places = grain.places(i, j, x_row, window)
            best = (x.vector(places[0]) - mean) * scale
            for place in places[1:]:
                best = e.max((x.vector(place) - mean) * scale, best)
            out = activation.output(e, best + shift)
            if grain.features and not activation.keeps_zero:
                out = e.where(first_lanes(e, features), out, 0.0)
            y[i * y_row + j * grain.pixel] = out


@kernel
def input_errors(
    e: Emitter,
    x: Pointer,
    dy: Pointer,
    errors: Pointer,
    table: Pointer,
    size: Value,
    rows: Value,
    columns: Value,
    x_row: Value,
    dy_row: Value,
    errors_row: Value,
    live: Value,
    *,
    grain: Grain,
    window: tuple[int, int] | None,
    arrival: Arrival,
) -> None:
    """dx = SCALE (dy - DMEAN - (x - μ) ALONG), delivered; zero for all but the `live` examples.

    In a window dy belongs to the pixel that won. Pixels in no window, None, have no dy.
    """
    mean, scale, dmean, along = (
        grain.load(e, table, row * size) for row in (MEAN, SCALE, DMEAN, ALONG)
    )
    dmean, along = dmean * scale, along * scale
    alive = first_lanes(e, live)
    for i in e.range(rows):
        for j in e.range(columns):
            places = grain.places(i, j, x_row, window or (1, 1))
            pixels = [x.vector(place) for place in places]
            shares = [e.zero]
            if window:
                shares = _shares(e, pixels, scale, dy.vector(i * dy_row + j * grain.pixel))
            targets = grain.places(i, j, errors_row, window or (1, 1))
            for pixel, share, at, to in zip(pixels, shares, places, targets, strict=True):
                dx = share * scale - (dmean + (pixel - mean) * along)
                dx = e.where(j < live if grain.features else alive, dx, 0.0)
                arrival.store(e, errors, to, dx, x + at)


def _shares(e: Emitter, pixels: Sequence[Value], scale: Value, error: Value) -> list[Value]:
    """Each pixel's part of its window's error: all for the one that won, the first of equals."""
    if len(pixels) == 1:
        return [error]
    best = winner(e, pixels, scale) * scale
    shares = []
    for pixel in pixels:
        won = (pixel * scale).equals(best)
        shares.append(e.where(won, error, 0.0))
        error = e.where(won, 0.0, error)
    return shares


# -- update ---------------------------------------------------------------------------------------


@kernel
def update_parameter(
    e: Emitter,
    parameter: Pointer,
    gradient: Pointer,
    settings: Pointer,
    square: Pointer,
    size: Value,
    *,
    how: Updating,
) -> None:
    """γ or β of all channels."""
    update = how.begin(e, settings)
    for c in e.range(0, size, e.lanes, update.squares):
        update(parameter, c, gradient.vector(c))
    update.finish(square)


@kernel
def follow(e: Emitter, running: Pointer, batch: Pointer, size: Value, momentum: Value) -> None:
    """A running moment moves towards the batch's."""
    for c in e.range(0, size, e.lanes):
        old = running.vector(c)
        running[c] = old + (batch.vector(c) - old) * momentum
