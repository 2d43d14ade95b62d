"""What batch norm sums over a batch: moments forward, errors backward.

Each group leaves the sums of its channels, and when all have, every thread joins them, group after
group, in a table of its own. Moments of two parts are joined by

    μ = μ₁ + δ n₂ / n      Σ(x - μ)² = Σ₁ + Σ₂ + δ² n₁ n₂ / n      δ = μ₂ - μ₁, n = n₁ + n₂

Source: Chan, Golub & LeVeque 1983, eq. 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from handloom.loom.kernels.runs import first_lanes
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Index, Pointer, Value

TABLE = MEAN, VAR, INV_STD, SCALE, DMEAN, ALONG, DWEIGHT, DBIAS = range(8)
"""Rows of a table; a column is a channel. SCALE is γ / √(σ² + ε), DMEAN the mean of dy, ALONG the
mean of dy x̂ over √(σ² + ε), and the last two are the gradients of γ and β."""
SAMPLE = 8
"""Pixels whose mean stands in for μ while squares are added up: μ is then at most √(n / 8) standard
deviations away from it, and Σ(x - μ)² hardly loses a digit."""
SUMS = 4
"""Sums side by side, or each addition would wait for the one before."""


@dataclass(frozen=True)
class Grain:
    """What a vector holds: `lanes` examples of one channel, or `lanes` features of one example.

    A feature is then a channel, and the examples are its pixels; `pixel` is how far they lie apart.
    """

    pixel: int
    features: bool

    def load(self, e: Emitter, table: Pointer, place: Index = 0) -> Value:
        """What the table says of each lane's channel."""
        return table.vector(place) if self.features else e.splat(table[place])

    def places(self, i: Value, j: Value, row: Value, window: tuple[int, int]) -> list[Value]:
        """Where the pixels of window (i, j) lie, row by row; windows stand side by side."""
        height, width = window
        return [
            (i * height + a) * row + (j * width + b) * self.pixel
            for a in range(height)
            for b in range(width)
        ]

    def store_sum(self, e: Emitter, table: Pointer, place: Index, vector: Value) -> None:
        """The sum of each channel, of which the vector is one lane or all of them."""
        table[place] = vector if self.features else e.lane_sum(vector)


def winner(e: Emitter, pixels: Sequence[Value], scale: Value) -> Value:
    """The pixel whose x · scale is the largest, the first of equals."""
    best, *others = pixels
    for pixel in others:
        best = e.where(pixel * scale > best * scale, pixel, best)
    return best


# -- moments --------------------------------------------------------------------------------------


@kernel
def moments(
    e: Emitter,
    x: Pointer,
    sums: Pointer,
    size: Value,
    rows: Value,
    columns: Value,
    x_row: Value,
    live: Value,
    *,
    grain: Grain,
) -> None:
    """sums[0] = mean and sums[size] = Σ(x - mean)² of the pixels of the `live` examples."""
    start = [e.zero]
    few = e.min(columns, SAMPLE)
    for j in e.range(0, few, 1, start):
        start[0] = start[0] + x.vector(j * grain.pixel)
    near = start[0] / e.splat(_real(e, few))
    carry = [e.zero] * (2 * SUMS)
    for i in e.range(0, rows, 1, carry):
        for turn, j in enumerate(e.unrolled(columns, SUMS, carry)):
            apart = x.vector(i * x_row + j * grain.pixel) - near
            _add(carry, turn, apart, apart * apart)
    num = e.splat(_real(e, rows * columns))
    total, squares = _totals(carry)
    shift = total / num
    mean, around = near + shift, e.max(0.0, squares - total * shift)
    if not grain.features:  # every lane has its own mean so far
        alive, number = first_lanes(e, live), _real(e, live)
        middle = e.lane_sum(e.where(alive, mean, 0.0)) / number
        shift = mean - middle
        around = e.lane_sum(e.where(alive, around + num * (shift * shift), 0.0))
        mean = middle
    sums[0] = mean
    sums[size] = around


@kernel
def join_moments(
    e: Emitter,
    sums: Pointer,
    weight: Pointer,
    table: Pointer,
    size: Value,
    count: Value,
    group: Value,
    pixels: Value,
    eps: Value,
) -> None:
    """The moments of all `count` examples, `group` at a time, into the table."""
    for c in e.range(0, size, e.lanes):
        state = [e.number(0.0), e.zero, e.zero]
        for g in e.range(0, (count + (group - 1)) // group, 1, state):
            before, mean, around = state
            own = sums + (g * (2 * size) + c)
            more = _real(e, e.min(group, count - g * group) * pixels)
            num, apart = before + more, own.vector() - mean
            state[0] = num
            state[1] = mean + apart * (more / num)
            state[2] = around + own.vector(size) + apart * apart * (before * more / num)
        num, mean, around = state
        table[MEAN * size + c] = mean
        unbiased = around / (num - 1.0)
        table[VAR * size + c] = unbiased
        # Where it is infinite y would be β and nobody would see it: NaN instead, as in `nn`.
        _scale(e, around / num + (unbiased - unbiased), weight, table, size, c, eps)


@kernel
def table_of_running(
    e: Emitter,
    mean: Pointer,
    var: Pointer,
    weight: Pointer,
    table: Pointer,
    size: Value,
    eps: Value,
) -> None:
    """The table of an evaluation, where the running moments stand for the batch's."""
    for c in e.range(0, size, e.lanes):
        table[MEAN * size + c] = mean.vector(c)
        _scale(e, var.vector(c), weight, table, size, c, eps)


def _scale(
    e: Emitter, var: Value, weight: Pointer, table: Pointer, size: Value, c: Value, eps: Value
) -> None:
    inv_std = 1.0 / e.sqrt(var + eps)
    table[INV_STD * size + c] = inv_std
    table[SCALE * size + c] = weight.vector(c) * inv_std


@kernel
def error_sums(
    e: Emitter,
    x: Pointer,
    dy: Pointer,
    table: Pointer,
    sums: Pointer,
    size: Value,
    rows: Value,
    columns: Value,
    x_row: Value,
    dy_row: Value,
    *,
    grain: Grain,
    window: tuple[int, int],
) -> None:
    """sums[0] = Σ dy and sums[size] = Σ dy (x - μ), over the windows, x being the one that won."""
    mean, scale = (grain.load(e, table, row * size) for row in (MEAN, SCALE))
    carry = [e.zero] * (2 * SUMS)
    for i in e.range(0, rows, 1, carry):
        for turn, j in enumerate(e.unrolled(columns, SUMS, carry)):
            pixels = [x.vector(place) for place in grain.places(i, j, x_row, window)]
            error = dy.vector(i * dy_row + j * grain.pixel)
            _add(carry, turn, error, error * (winner(e, pixels, scale) - mean))
    for place, total in zip((0, size), _totals(carry), strict=True):
        grain.store_sum(e, sums, place, total)


@kernel
def join_error_sums(
    e: Emitter,
    sums: Pointer,
    table: Pointer,
    size: Value,
    count: Value,
    group: Value,
    pixels: Value,
) -> None:
    """The sums of all groups, and what follows from them, into the table."""
    num = e.splat(_real(e, count * pixels))
    for c in e.range(0, size, e.lanes):
        state = [e.zero, e.zero]
        for g in e.range(0, (count + (group - 1)) // group, 1, state):
            own = sums + (g * (2 * size) + c)
            state[:] = [state[0] + own.vector(), state[1] + own.vector(size)]
        inv_std = table.vector(INV_STD * size + c)
        table[DBIAS * size + c] = state[0]
        table[DWEIGHT * size + c] = state[1] * inv_std
        table[DMEAN * size + c] = state[0] / num
        table[ALONG * size + c] = state[1] * inv_std * inv_std / num


def _real(e: Emitter, integer: Value) -> Value:
    return e.convert(integer, "sitofp", e.real)


def _add(carry: list[Value], turn: int, a: Value, b: Value) -> None:
    """Add a and b to one of the sums each."""
    k = turn % SUMS
    carry[k], carry[SUMS + k] = carry[k] + a, carry[SUMS + k] + b


def _totals(carry: list[Value]) -> tuple[Value, Value]:
    """Both sums, of which `carry` has parts."""
    return sum(carry[1:SUMS], carry[0]), sum(carry[SUMS + 1 :], carry[SUMS])
