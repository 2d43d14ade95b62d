"""Runs: the longest stretches of memory in which a tensor's neighbours are neighbours.

They are whole channels of maps without a border, rows of pixels where there is one, and rows of
features. What looks at one number at a time walks through them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from handloom.loom.arena import round_up
from handloom.loom.kernels.activation import Activation, Identity
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value
from handloom.loom.piece import Stage, Step
from handloom.loom.tensor import Arrival, Maps, Rows, Sizes, Tensor


def runs(e: Emitter, sizes: Sizes, *layouts: Maps | Rows) -> Iterator[tuple[int, list[Value]]]:
    """Loops over the runs of a group: numbers in a run, and where it begins in each layout.

    The layouts are of tensors of one shape. A run of features is rounded up to whole vectors.
    """
    first = layouts[0]
    if isinstance(first, Rows):
        for example in e.range(sizes.group):
            yield round_up(first.features, e.lanes), [example * rows.row for rows in layouts]
        return
    maps = [layout for layout in layouts if isinstance(layout, Maps)]
    whole = all(m.border == 0 for m in maps)
    rows, run = (1, first.plane) if whole else (first.height, first.width * first.lanes)
    for channel in e.range(first.channels):
        for row in e.range(rows):
            yield run, [channel * m.plane + row * m.row for m in maps]


def layout(tensor: Tensor) -> Maps | Rows:
    """How a tensor's values lie."""
    return tensor.maps if tensor.is_maps else tensor.rows


def error_layout(tensor: Tensor) -> Maps | Rows:
    """How a tensor's errors lie."""
    return tensor.error_maps if tensor.is_maps else tensor.rows


def first_lanes(e: Emitter, count: Value) -> Value:
    """A condition that holds in the first `count` lanes, whether it is below 0 or above them."""
    return e.counting() < e.splat(e.convert(count, "sitofp", e.real))


def traffic(tensor: Tensor, times: float) -> int:
    """Bytes of a batch of a tensor, read or written so many times."""
    sizes = tensor.sizes
    number = sizes.machine.vector_bytes // sizes.lanes
    return round(times * number * sizes.batch * math.prod(tensor.shape))


@kernel
def deliver_run(
    e: Emitter,
    given: Pointer,
    errors: Pointer,
    values: Pointer,
    run: Value,
    *,
    arrival: Arrival,
    slope: Activation,
) -> None:
    """Deliver the errors that are `given`, times the slope at `values` of an activation."""
    for i in e.range(0, run, e.lanes):
        error = given.vector(i)
        if slope != Identity():
            error = slope.gradient(e, error, values.vector(i))
        arrival.store(e, errors, i, error, values + i)


def deliver(
    title: str, source: Tensor, output: Tensor, slope: Activation, *, channel: int = 0
) -> Stage:
    """The stage in which a source gets the output's errors, those from `channel` on."""
    arrival = source.arrival()

    def emit(step: Step, group: Value) -> None:
        given, errors = step.errors(output, group), step.errors(source, group)
        values = step.values(source, group)
        if channel:
            given = given + channel * output.error_maps.plane
        layouts = layout(source), error_layout(source), error_layout(output)
        for run, (at, to, start) in runs(step.e, source.sizes, *layouts):
            deliver_run(
                step.e, given + start, errors + to, values + at, run, arrival=arrival, slope=slope
            )

    times = 2 + arrival.adds + (arrival.activation != Identity() or slope != Identity())
    return Stage(f"{title}: errors below", emit, bytes=traffic(source, times))
