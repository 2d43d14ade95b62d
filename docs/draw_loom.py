"""Draws the pictures of loom.md, or those that are named: python docs/draw_loom.py [NAME ...]

Sizes are those of a processor with AVX-512. `timeline` is measured here, on two threads that should
have a core each. MNIST has to be on this machine (handloom data fetch mnist).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from handloom import data
from handloom._typing import UInt8Array
from handloom.loom.language.machine import avx512
from handloom.loom.network.measure import measure
from handloom.loom.piece import Stage
from handloom.recipes import load_recipe
from handloom.run import assemble
from handloom.run.assemble.plan import compile_timed
from handloom.views import style
from handloom.views.sheet import Sheet, coloured, picture, png, rgb

FOLDER = Path(__file__).parent / "pictures"
WIDTH = 1180
BLUE, ORANGE, GREEN, GREY = style.TRAIN, style.VALIDATION, style.RIGHT, style.NEUTRAL
PALE = {BLUE: "#cfe3f1", ORANGE: "#f8dcc8", GREEN: "#cde8df", GREY: "#e4e8ec"}
MACHINE = avx512()


def digits(count: int) -> UInt8Array:
    """The first pictures of MNIST, (count, 28, 28)."""
    return data.load("mnist").train.images[:count]


def cell(
    sheet: Sheet,
    x: int,
    y: int,
    width: int,
    height: int,
    colour: str,
    text: str = "",
    **how: object,
) -> None:
    """A pale box with a rim, and a word in its middle."""
    sheet.frame(x + 1, y + 1, width - 2, height - 2, colour, 1)
    sheet.box(x + 1, y + 1, width - 2, height - 2, PALE[colour])
    settings = {"size": style.SMALL, "ha": "center", "va": "center_baseline"} | how
    sheet.text(x + width / 2, y + height / 2, text, **settings)  # type: ignore[arg-type]


# -- what a step moves -----------------------------------------------------------------------------

PASSES = {
    "a pass for every formula": (
        ("y = x W", "r W"),
        ("g = xᵀ e", "w g"),
        ("g ← g + λ W", "r g, r W, w g"),
        ("v ← m v + g", "r v, r g, w v"),
        ("W ← W − lr v", "r W, r v, w W"),
    ),
    "the loom": (
        ("y = f(x W + b)", "r W"),
        ("g = xᵀ e + λ W,  v ← m v + g,  W ← W − lr v", "r W, r v, w W, w v"),
    ),
}
ARRAYS = {"W": BLUE, "g": ORANGE, "v": GREEN}
MEGABYTES = 784 * 1000 * 4 / 1e6


def draw_passes() -> Sheet:
    """Each time that an array of 784 · 1000 numbers goes through the processor, as a box."""
    heading = "How often a layer's weights go through the processor in one step"
    note = (
        f"784 × 1000 weights W, their gradient g and velocity v: each box is {MEGABYTES:.1f} MB, "
        "r read, w written. x are the layer's inputs, e the errors of its outputs."
    )
    sheet = Sheet(WIDTH, 236, heading, note)
    box, top = 97, 0
    for way, formulas in PASSES.items():
        count = sum(len(arrays.split(", ")) for _, arrays in formulas)
        total = f"{count} passes, {count * MEGABYTES:.1f} MB"
        sheet.text(style.MARGIN, top + 4, f"{way}: {total}", weight="bold")
        left = style.MARGIN
        for formula, arrays in formulas:
            first = left
            for access in arrays.split(", "):
                cell(sheet, left, top + 30, box - 6, 36, ARRAYS[access[-1]], access)
                left += box
            sheet.box(first, top + 72, left - first - 6, 2, style.MUTED)
            sheet.text(first, top + 78, formula, size=style.SMALL, colour=style.MUTED)
            left += 14
        top += 128
    return sheet


# -- the register tile -----------------------------------------------------------------------------


def draw_tile() -> Sheet:
    """A tile of sums and what one turn of the loop brings to it."""
    rows, lanes = MACHINE.tile_rows(2), MACHINE.lanes("float")
    heading = f"A register tile: {rows} × 2 sums of {lanes} lanes each, and one turn of its loop"
    used = 2 * rows + 3
    turn = 2 * rows * lanes * 2
    loaded = 4 * (2 * lanes + rows)
    note = (
        f"{2 * rows} sums, 2 vectors of b and 1 number of a: {used} of {MACHINE.registers} "
        f"registers. For {loaded} bytes that a turn loads, it does {turn} operations."
    )
    height, lane, left, top = 24, 26, 200, 96
    sheet = Sheet(WIDTH, top + rows * height + 60, heading, note)
    for v in range(2):
        x = left + v * (lanes * lane + 24)
        sheet.text(
            x + lanes * lane / 2, 8, f"b[k, {v * lanes} … {(v + 1) * lanes - 1}]", ha="center"
        )
        for i in range(lanes):
            cell(sheet, x + i * lane, 36, lane - 2, height, BLUE)
        for m in range(rows):
            for i in range(lanes):
                cell(sheet, x + i * lane, top + m * height, lane - 2, height - 2, GREEN)
        sheet.text(x + lanes * lane / 2, top + rows * height + 10, "+= a · b", ha="center")
    for m in range(rows):
        cell(sheet, 96, top + m * height, 60, height - 2, ORANGE, f"a[{m}, k]")
        sheet.text(168, top + m * height + 4, "→", colour=style.MUTED)
    sheet.text(126, top + rows * height + 10, "one number,", ha="center", size=style.SMALL)
    sheet.text(126, top + rows * height + 28, "in all lanes", ha="center", size=style.SMALL)
    return sheet


# -- how numbers lie -------------------------------------------------------------------------------


def draw_panels() -> Sheet:
    """The weights of a dense layer in panels, as slices of the public array."""
    heading = "Weights lie in panels of 32 units, and a kernel reads them in a straight line"
    note = (
        "Linear(784, 1000) as 32 panels one after the other. A row is 32 numbers: two vectors, "
        "what a turn of a tile takes. Rows and columns are filled up with zeros to whole tiles."
    )
    width, height, inputs, filled = 196, 34, 784, 800
    rows = ("0", "1", "⋮", str(inputs - 1), "0 … 0")
    sheet = Sheet(WIDTH, len(rows) * height + 76, heading, note)
    for x, first in ((28, 0), (252, 32), (476, 64), (774, 992)):
        last = min(first + 32, 1000)
        sheet.text(x + width / 2, 2, f"panel {first // 32}", ha="center", weight="bold")
        for i, row in enumerate(rows):
            y = 28 + i * height
            text = f"weight[{first}:{last}, {row}]" if row.isdecimal() else row
            cell(sheet, x, y, width, height - 4, GREY if row == rows[-1] else BLUE, text)
            if last == 1000:
                cell(sheet, x + width, y, 120, height - 4, GREY, "0 … 0")
        place = f"from number {first * filled:,} on"
        sheet.text(x + width / 2, 28 + len(rows) * height + 8, place, ha="center",
                   size=style.SMALL, colour=style.MUTED)  # fmt: skip
    sheet.text(723, 28 + len(rows) * height / 2, "…", ha="center", va="center_baseline")
    return sheet


def draw_maps() -> Sheet:
    """Sixteen pictures side by side: the same pixel of all is one vector."""
    lanes, (row, column) = MACHINE.lanes("float"), (11, 15)
    heading = "Pictures lie lane by lane: the same pixel of sixteen pictures is one vector"
    note = f"The first sixteen pictures of MNIST; row {row}, column {column} is framed."
    side, apart, left = 56, 64, style.MARGIN + 100
    top, height = side + 24, 34
    sheet = Sheet(WIDTH, top + 5 * height + 4, heading, note)
    images = digits(lanes)
    for lane, image in enumerate(images):
        x, zoom = left + lane * apart, side // 28
        sheet.image(x, 0, picture(image, side))
        pixel = x + column * zoom, row * zoom
        sheet.frame(*pixel, zoom, zoom, ORANGE, 2)
        sheet.image(*pixel, np.tile(image[row, column], (zoom, zoom, 3)))
        for line, at in enumerate(range(column - 1, column + 2)):
            colour, number = ORANGE if at == column else GREY, image[row, at] / 255
            y = top + (1 + line) * height
            cell(sheet, x - 4, y, apart, height - 4, colour, f"{number:.2f}")
        sheet.text(x + side / 2, top - 14, f"lane {lane}", size=style.SMALL, ha="center",
                   colour=style.MUTED)  # fmt: skip
    for line, text in enumerate(("⋮", *(f"column {column + i}" for i in (-1, 0, 1)), "⋮")):
        y = top + line * height + height / 2
        sheet.text(style.MARGIN, y, text, size=style.SMALL, va="center_baseline")
    return sheet


# -- dark pixels -----------------------------------------------------------------------------------


def draw_dark() -> Sheet:
    """Four pictures of a tile, and which pixels none of them uses."""
    images = digits(4)
    counts = (images > 0).sum(axis=0)
    skipped = int((counts == 0).sum())
    heading = "A tile of four pictures, and the pixels that its product may skip"
    note = (
        f"{(images == 0).mean():.0%} of all their pixels are zero. {skipped} of the 784 are zero "
        "in all four, drawn pale: their rows of the weights are not even read."
    )
    side, big = 168, 13
    sheet = Sheet(WIDTH, 28 * big + 10, heading, note)
    for i, image in enumerate(images):
        sheet.image(style.MARGIN + i % 2 * 180, i // 2 * 180, picture(image, side))
    shades = coloured(counts.astype(float), "Blues", -1, 4)
    shades[counts == 0] = rgb(style.FAINT)
    left = style.MARGIN + 2 * 180 + 90
    grid = np.repeat(np.repeat(shades, big, axis=0), big, axis=1)
    grid[::big], grid[:, ::big] = 255, 255
    sheet.image(left, 0, grid)
    for line, text in enumerate(("darker: lit in more", "of the four", "", "pale: skipped")):
        sheet.text(left + 28 * big + 16, 4 + line * 20, text, size=style.SMALL, colour=style.MUTED)
    return sheet


# -- the time line ---------------------------------------------------------------------------------

LANE, LANE_GAP = 74, 26  # pixels
KINDS = {"trans": GREY, "update": GREEN, "gradient": ORANGE, "errors": ORANGE, "unpool": ORANGE}


def draw_timeline() -> Sheet:
    """What two threads do in one step of mnist-lenet, as their clocks tell it."""
    recipe = load_recipe("mnist-lenet", {"training.threads": 2})
    images = data.with_channels(digits(4000))
    model = assemble.build_model(recipe, images.shape[1:], 10)
    compiled = compile_timed(recipe, model, images)
    # Somebody may always disturb a step: the one is drawn that was disturbed the least.
    timing = min((measure(compiled, images) for _ in range(10)), key=lambda t: t.spans.max())
    clock = compiled.plan.clock
    assert clock is not None
    heading = f"One step of mnist-lenet on two threads: {timing.spans.max() * 1e6:,.0f} µs"
    note = (
        "Each thread carries 16 of the 32 pictures from the first pixel to the last gradient. "
        "Grey: weights transposed, transformed; blue: forward, loss; orange: backward; green: "
        "update. Dashed lines: the threads meet; who is there first waits."
    )
    height = 2 * LANE + LANE_GAP
    sheet = Sheet(WIDTH, height + 64, heading, note)
    left, width = style.MARGIN + 84, WIDTH - 2 * style.MARGIN - 98
    scale = width / (timing.spans.max() * 1e6)
    for thread, spans in enumerate(timing.spans * 1e6 * scale):
        top = thread * (LANE + LANE_GAP)
        sheet.text(style.MARGIN, top + LANE / 2, f"thread {thread}", va="center_baseline")
        for (_, stage), (begin, end) in zip(clock.stages, spans, strict=True):
            _draw_stage(sheet, stage, left + begin, top, end - begin)
    phases = np.array([phase for phase, _ in clock.stages])
    meetings = [timing.spans[:, phases == phase, 1].max() for phase in sorted(set(phases))]
    for at in meetings:
        for y in range(-8, height + 8, 8):
            sheet.box(round(left + at * 1e6 * scale), y, 1, 4, style.INK)
    for at in range(0, int(timing.spans.max() * 1e6) + 1, 25):
        sheet.box(round(left + at * scale), height + 14, 1, 6, style.MUTED)
        sheet.text(left + at * scale, height + 24, f"{at} µs", size=style.SMALL, ha="center",
                   colour=style.MUTED)  # fmt: skip
    return sheet


def _draw_stage(sheet: Sheet, stage: Stage, x: float, y: int, width: float) -> None:
    """A box, with what fits into it of the stage's name."""
    piece = "" if stage.piece is None else stage.piece.title
    what = stage.title.removeprefix(piece).removeprefix(": ") or "forward"
    colour = next((KINDS[kind] for kind in KINDS if what.startswith(kind)), BLUE)
    cell(sheet, round(x), y, max(2, round(x + width) - round(x)), LANE, colour)
    kind, _, sizes = piece.split(",")[0].partition(" ")
    lines = [line for line in (kind, sizes, what) if line]
    if width < 8 + max(style.text_width(line, 6.5) for line in lines):
        return
    for i, line in enumerate(lines):
        middle = y + LANE / 2 + 19 * (i - (len(lines) - 1) / 2)
        sheet.text(x + width / 2, middle, line, size=6.5, ha="center", va="center_baseline")


PICTURES: dict[str, Callable[[], Sheet]] = {
    "passes": draw_passes,
    "tile": draw_tile,
    "panels": draw_panels,
    "maps": draw_maps,
    "dark": draw_dark,
    "timeline": draw_timeline,
}


def main(names: list[str]) -> None:
    """Draw the pictures of these names, or all."""
    for name in names or PICTURES:
        with style.house_style():
            figure = PICTURES[name]().finished()
        (FOLDER / f"loom-{name}.png").write_bytes(png(figure))


if __name__ == "__main__":
    main(sys.argv[1:])
