"""The first stage: the batch's pictures, fetched from the data set and made into numbers."""

from __future__ import annotations

from dataclasses import dataclass

from handloom._typing import Shape
from handloom.loom.arena import LINE
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value
from handloom.loom.piece import Stage, Step
from handloom.loom.tensor import Maps, Sizes, Tensor

AHEAD = 2
"""Pictures that are asked for before they are needed."""


@dataclass(frozen=True)
class Pictures:
    """Where pictures come from: (M, C, H, W) contiguous, uint8 or real numbers.

    A byte b of channel c becomes b · scale[c] + shift[c]; real numbers are taken as they are.
    """

    scale: tuple[float, ...] = ()
    shift: tuple[float, ...] = ()
    sparse: bool = False
    """Whether most numbers are zeros."""

    @property
    def are_bytes(self) -> bool:
        """Whether they are uint8."""
        return bool(self.scale)

    @property
    def channels_alike(self) -> bool:
        """Whether all channels become numbers in the same way, and by the same code."""
        return len({*zip(self.scale, self.shift, strict=True)}) < 2


def _numbers(e: Emitter, pictures: Pointer, place: Value, how: Pictures, channel: int) -> Value:
    """A vector of pixels as numbers."""
    pixels = pictures.vector(place)
    return _scaled(e, pixels, how, channel)


def _scaled(e: Emitter, pixels: Value, how: Pictures, channel: int) -> Value:
    if not how.are_bytes:
        return pixels
    numbers = e.convert(pixels, "uitofp", e.real) * how.scale[channel]
    return numbers + how.shift[channel] if how.shift[channel] else numbers


@kernel
def gather_run(
    e: Emitter, pictures: Pointer, run: Pointer, *, how: Pictures, channel: int, pixels: int
) -> None:
    """Neighbouring pixels of one channel of one picture."""
    whole = pixels - pixels % e.lanes
    for i in e.range(0, whole, e.lanes):
        run[i] = _numbers(e, pictures, i, how, channel)
    for i in e.range(whole, pixels):
        run[i] = _scaled(e, pictures[i], how, channel)


@kernel
def prefetch_picture(e: Emitter, picture: Pointer, *, size: int) -> None:
    """Ask for a picture: they are taken in any order, which the processor cannot guess."""
    for place in e.range(0, size, LINE):
        e.prefetch(picture, place)


@kernel
def clear_row(e: Emitter, row: Pointer, *, size: int) -> None:
    """A row of zeros: an example that is not there."""
    for i in e.range(0, size, e.lanes):
        row[i] = e.zero


@kernel
def gather_square(
    e: Emitter, pictures: Pointer, chosen: Pointer, live: Value, maps: Pointer, first: Value,
    *, how: Pictures, channel: int, size: int,
) -> None:  # fmt: skip
    """`lanes` pixels from `first` on, of `lanes` pictures, turned: one vector a pixel.

    Of the pictures that are not there the first one is read, and zeros are stored.
    """
    rows = []
    for lane in range(e.lanes):
        there = live > lane
        picture = chosen[e.where(there, e.lift(lane), 0)]
        numbers = _numbers(e, pictures, picture * size + first, how, channel)
        rows.append(e.where(there, numbers, e.zero))
    for pixel, vector in enumerate(e.transpose(rows)):
        maps[pixel * e.lanes] = vector


@kernel
def gather_pixel(
    e: Emitter, pictures: Pointer, chosen: Pointer, live: Value, maps: Pointer, place: Value,
    *, how: Pictures, channel: int, size: int,
) -> None:  # fmt: skip
    """The same for one pixel, where rows are shorter than a vector."""
    for lane in e.range(e.lanes):
        there = live > lane
        picture = chosen[e.where(there, lane, 0)]
        number = _scaled(e, pictures[picture * size + place], how, channel)
        maps[lane] = e.where(there, number, 0.0)


class Gather:
    """Fetches the pictures of a group into the network's input."""

    def __init__(self, how: Pictures, shape: Shape, target: Tensor, sizes: Sizes) -> None:
        self.how = how
        self.channels, self.height, self.width = shape if len(shape) == 3 else (1, 1, *shape)
        self.target = target
        self.sizes = sizes

    def stage(self, pictures: Pointer, chosen: Pointer) -> Stage:
        """By groups; `chosen` are the rows of `pictures` that make up the batch."""
        fetch = self._maps if self.target.is_maps else self._rows
        size = self.sizes.batch * self.channels * self.height * self.width

        def emit(step: Step, group: Value) -> None:
            first = group * self.sizes.group
            live = step.e.max(0, step.e.min(self.sizes.group, step.count - first))
            fetch(step, group, pictures.like(step.e, pictures.ir), chosen + first, live)

        return Stage("gather, normalise", emit, bytes=5 * size)

    def _rows(
        self, step: Step, group: Value, pictures: Pointer, chosen: Pointer, live: Value
    ) -> None:
        e, row = step.e, self.sizes.row
        pixels = self.height * self.width
        size = self.channels * pixels
        rows = step.values(self.target, group)
        for i in e.range(live):
            if self.how.are_bytes:
                last = step.count - (group * self.sizes.group + 1)
                prefetch_picture(e, pictures + chosen[e.min(i + AHEAD, last)] * size, size=size)
            if self.how.channels_alike:
                picture = pictures + chosen[i] * size
                gather_run(e, picture, rows + i * row, how=self.how, channel=0, pixels=size)
                continue
            for channel in range(self.channels):
                start = channel * pixels
                gather_run(
                    e, pictures + (chosen[i] * size + start), rows + (i * row + start),
                    how=self.how, channel=channel, pixels=pixels,
                )  # fmt: skip
        for i in e.range(live, self.sizes.group):
            clear_row(e, rows + i * row, size=size)

    def _maps(
        self, step: Step, group: Value, pictures: Pointer, chosen: Pointer, live: Value
    ) -> None:
        """Row by row where the maps have a border, else a whole plane as one row."""
        e, maps = step.e, self.target.maps
        plane = self.height * self.width
        rows, width = (self.height, self.width) if maps.border else (1, plane)
        target = step.values(self.target, group)
        with e.when(live > 0):
            alike = self.how.channels_alike
            for channel in e.range(self.channels) if alike else range(self.channels):
                kind = 0 if isinstance(channel, Value) else channel
                for y in e.range(rows):
                    start = y * width + channel * plane
                    goal = target + (y * maps.row + channel * maps.plane)
                    self._row_of_pixels(step, pictures, chosen, live, goal, start, width, kind)
        with e.when(live < 1):
            self._clear(step, target, maps)

    def _row_of_pixels(
        self, step: Step, pictures: Pointer, chosen: Pointer, live: Value,
        goal: Pointer, start: Value, width: int, channel: int,
    ) -> None:  # fmt: skip
        """`width` neighbouring pixels in squares; the last square overlaps the one before."""
        e, lanes = step.e, self.target.maps.lanes
        if lanes == 1:
            size = self.channels * self.height * self.width
            picture = pictures + (chosen[0] * size + start)
            gather_run(e, picture, goal, how=self.how, channel=channel, pixels=width)
            return
        how = {
            "how": self.how,
            "channel": channel,
            "size": self.channels * self.height * self.width,
        }
        if width < lanes:
            for x in e.range(width):
                gather_pixel(e, pictures, chosen, live, goal + x * lanes, start + x, **how)
            return
        for first in e.range(0, width - lanes + 1, lanes):
            gather_square(e, pictures, chosen, live, goal + first * lanes, start + first, **how)
        if width % lanes:
            first = width - lanes
            gather_square(e, pictures, chosen, live, goal + first * lanes, start + first, **how)

    def _clear(self, step: Step, target: Pointer, maps: Maps) -> None:
        for channel in step.e.range(self.channels):
            for y in step.e.range(self.height):
                clear_row(
                    step.e,
                    target + (channel * maps.plane + y * maps.row),
                    size=self.width * maps.lanes,
                )
