"""What a Winograd convolution by lines does to one group: transforms and products.

Spectra lie [row][channel][line][point], a vector for each, transformed weights
[filter][channel][row of the kernel][point].
"""

from __future__ import annotations

from collections.abc import Sequence

from handloom.loom.kernels.activation import Activation
from handloom.loom.kernels.convolution.dark_windows import exact
from handloom.loom.kernels.convolution.forward import largest
from handloom.loom.kernels.convolution.shape import Pair
from handloom.loom.kernels.convolution.tile import tiles
from handloom.loom.kernels.winograd.lines_shape import Lines
from handloom.loom.kernels.winograd.transform import multiply, of_pixels, of_weights, powers
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.lane_sums import store_sums
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value
from handloom.loom.tensor import Maps


@kernel
def transform_weights(e: Emitter, weights: Pointer, spectra: Pointer, *, lines: Lines) -> None:
    """G g of all rows of one filter's kernels, number by number."""
    taps, matrix = lines.shape.kernel[1], of_weights(lines.points, lines.shape.kernel[1])
    for row in e.range(lines.shape.channels * lines.shape.kernel[0]):
        numbers = multiply(matrix, [weights[row * taps + j] for j in range(taps)])
        for p, number in enumerate(numbers):
            spectra[row * lines.points + p] = number


@kernel
def transform_pixels(
    e: Emitter, x: Pointer, spectra: Pointer, *, lines: Lines, source: Maps
) -> None:
    """Bᵀ d of all lines of all rows. x points at the first pixel of the first window."""
    for row in e.range(lines.rows):
        for c in e.range(lines.shape.channels):
            start = x + (row * source.row + c * source.plane)
            target = spectra + (row * lines.row + c * lines.channel) * e.lanes
            for line in e.range(lines.number):
                pixels = [start.vector(place * e.lanes) for place in lines.columns(e, line)]
                for p, number in enumerate(multiply(of_pixels(lines.points), pixels)):
                    target[(line * lines.points + p) * e.lanes] = number


@kernel
def forward(
    e: Emitter, spectra: Pointer, weights: Pointer, bias: Pointer, mask: Pointer, y: Pointer,
    choice: Pointer, *, lines: Lines, target: Maps, activation: Activation, mask_row: int,
    training: bool,
) -> None:  # fmt: skip
    """y = f(maxpool(Σ Aᵀ (G g ∘ Bᵀ d)) + bias) of one group; choice = which pixel of a window won.

    The sum over channels and rows of the kernel is taken before the transform, in registers: the
    spectra of a line of y for a few filters. Only a training asks for mask and choice.
    """
    (wh, ww), (_, rows, columns) = lines.shape.window, lines.shape.output
    across = lines.size // ww
    for row in e.range(rows):
        for line in e.range(lines.number):
            for first in tiles(e, lines.shape.filters, lines.abreast):
                taps = weights + first * lines.filter
                light = (mask, mask_row) if training else None
                found = _pooled(e, spectra, taps, light, row, line, lines)
                for (n, q), (best, which) in found.items():
                    f, column = first + n, line * across + q
                    with lines.inside(column):
                        if training and (wh, ww) != (1, 1):
                            choice[((f * rows + row) * columns + column) * e.lanes] = which
                        place = f * target.plane + row * target.row + column * e.lanes
                        y[place] = activation.output(e, best + bias[f])


def _pooled(
    e: Emitter, spectra: Pointer, weights: Pointer, light: tuple[Pointer, int] | None,
    row: Value, line: Value, lines: Lines,
) -> dict[Pair, tuple[Value, Value]]:  # fmt: skip
    """What `largest` finds in the windows of a line, by filter and window; `row` is of windows."""
    wh, ww = lines.shape.window
    found: dict[Pair, tuple[Value, Value]] = {}
    for i in range(wh):
        above = row * wh + i
        seen = spectra + (above * lines.row + line * lines.points) * e.lanes
        for n, spectrum in enumerate(_products(e, seen, weights, lines)):
            pixels = multiply(powers(lines.points, lines.size).T, spectrum)
            if light:
                start = light[0] + (above * light[1] + line * (lines.size * e.lanes))
                pixels = [exact(e, pixel, start, j * e.lanes) for j, pixel in enumerate(pixels)]
            for q in range(lines.size // ww):
                some, before = pixels[q * ww : (q + 1) * ww], found.get((n, q))
                found[n, q] = largest(e, some, after=before, number=i * ww)
    return found


def _products(e: Emitter, spectra: Pointer, weights: Pointer, lines: Lines) -> list[list[Value]]:
    """The spectra of one line of y, for some filters."""
    points, filters = lines.points, lines.abreast
    totals = [e.zero] * (filters * points)
    for c in e.range(0, lines.shape.channels, 1, totals):
        for ky in range(lines.shape.kernel[0]):
            e.keep_order()
            seen = spectra + (c * lines.channel + ky * lines.row) * e.lanes
            taps = weights + (c * lines.shape.kernel[0] + ky) * points
            for p in range(points):
                pixel = seen.vector(p * e.lanes)
                for n in range(filters):
                    tap = e.splat(taps[n * lines.filter + p])
                    totals[n * points + p] = totals[n * points + p] + tap * pixel
    return [totals[n * points : (n + 1) * points] for n in range(filters)]


@kernel
def weight_gradient(
    e: Emitter, errors: Pointer, choice: Pointer, spectra: Pointer, sums: Pointer,
    gradient: Pointer, *, lines: Lines, target: Maps,
) -> None:  # fmt: skip
    """gradient[k, c, i] = Gᵀ Σ over lines and examples of (A E ∘ Bᵀ d), for one group.

    Some points at a time, as many as there are registers for their sums; they are gathered at
    `sums`, [point][row of the kernel].
    """
    (kh, kw), channels = lines.shape.kernel, lines.shape.channels
    for f in e.range(lines.shape.filters):
        for c in e.range(channels):
            for part in lines.parts:
                totals = _correlated(e, errors, choice, spectra, f, c, lines, part, target)
                for n, p in enumerate(part):
                    store_sums(e, sums + p * kh, totals[n * kh : (n + 1) * kh])
            for ky in range(kh):
                numbers = [sums[p * kh + ky] for p in range(lines.points)]
                taps = multiply(of_weights(lines.points, kw).T, numbers)
                for kx, tap in enumerate(taps):
                    gradient[((f * channels + c) * kh + ky) * kw + kx] = tap


def _correlated(
    e: Emitter, errors: Pointer, choice: Pointer, spectra: Pointer, f: Value, c: Value,
    lines: Lines, part: Sequence[int], target: Maps,
) -> list[Value]:  # fmt: skip
    """Σ A E ∘ Bᵀ d of one filter and one channel, at some points, for each row of the kernel."""
    kh, down = lines.shape.kernel[0], lines.down
    spectrum = powers(lines.points, lines.size)
    totals = [e.zero] * (len(part) * kh)
    for row in e.range(0, lines.shape.rows // down, 1, totals):
        for line in e.range(0, lines.number, 1, totals):
            found = lines.errors(e, errors, choice, (f, row, line), target)
            wrong = [multiply(spectrum, pixels) for pixels in found]
            start = (
                spectra
                + (row * (down * lines.row) + c * lines.channel + line * lines.points) * e.lanes
            )
            for i in range(kh + down - 1):
                for n, p in enumerate(part):
                    pixel = start.vector((i * lines.row + p) * e.lanes)
                    for r in range(max(0, i - kh + 1), min(down, i + 1)):
                        at = n * kh + i - r
                        totals[at] = totals[at] + wrong[r][p] * pixel
    return totals
