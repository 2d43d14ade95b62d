"""The summary of a network, as `handloom recipes show RECIPE` prints it, in 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from string import ascii_uppercase
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

from handloom.cli.output import Voice
from handloom.errors import HandloomError

if TYPE_CHECKING:
    from handloom.models import LayerLine
    from handloom.recipes import Recipe
    from handloom.run.assemble import NetworkSummary

COLUMNS = ("layer", "output", "parameters", "mult-adds", "MB")
MOST_LINES = 40  # of a table that opens its blocks; a longer one tells them below it
LONGEST_GROUP = 3  # layers that may repeat together
LONGEST_TITLE = 32  # characters, beside which there is room for the figures
WIDTH = 78  # two characters less than a page has: the lines may stand in a recipe as comments


class Row(NamedTuple):
    """A line of the table, from one layer or from several that repeat."""

    title: str
    layers: Sequence[LayerLine]


def show_summary(recipe: Recipe, voice: Voice) -> None:
    """Print the network of `recipe`; raises ShapeError where it does not fit its images."""
    from handloom.run.assemble import summarise_network

    summary = summarise_network(recipe)
    voice.answer(summary_json(summary))
    voice.say(summary_text(summary))


def summary_comment(recipe: Recipe) -> str:
    """The network of `recipe` as a comment of TOML; or why there is none."""
    from handloom.run.assemble import summarise_network

    try:
        text = summary_text(summarise_network(recipe))
    except HandloomError as error:
        text = _wrapped(f"The network cannot be built: {error}")
    return "\n".join(f"# {line}".rstrip() for line in text.splitlines())


def summary_text(summary: NetworkSummary) -> str:
    """The table, and below it the sums."""
    network, blocks = summary.network, _blocks(summary.network)
    rows = list(_opened(network.inside))
    legend: list[str] = []
    if len(rows) > MOST_LINES:
        rows = list(_folded(network.inside, blocks))
        legend = [_wrapped(f"{_mark(n)}  {text}", "   ") for n, text in enumerate(blocks)]
    parts = [[_title(summary)], _table(rows, summary.batch), legend, [_sums(summary)]]
    return "\n\n".join("\n".join(part) for part in parts if part)


def summary_json(summary: NetworkSummary) -> dict[str, Any]:
    """The same for a program, every layer told."""
    return asdict(summary) | {"memory": asdict(summary.memory) | {"total": summary.memory.total}}


def _title(summary: NetworkSummary) -> str:
    picture = "×".join(map(str, summary.input_shape))
    title = f"The network for images of {picture} in {summary.num_classes} classes"
    why = summary.why_assumed
    return _wrapped(f"{title} (assumed: {why})" if why else title)


def _sums(summary: NetworkSummary) -> str:
    from handloom.models import shortened

    network, memory = summary.network, summary.memory
    parts = {
        "outputs": memory.outputs,
        "weights": memory.weights,
        "gradients": memory.gradients,
        "optimizer": memory.optimizer,
    }
    listed = ", ".join(f"{name} {_megabytes(size)}" for name, size in parts.items())
    return _wrapped(
        f"{network.parameters:,} parameters. {shortened(network.multiply_adds)} multiply-adds per "
        "image in its linear and convolution layers. "
        f"{_megabytes(memory.total)} MB for training with batches of {summary.batch} in float32: "
        f"{listed}. The MB of a layer are its outputs for a batch."
    )


def _wrapped(text: str, indent: str = "") -> str:
    return fill(text, WIDTH, subsequent_indent=indent)


# -- which lines there are ------------------------------------------------------------------------


def _opened(layers: Sequence[LayerLine], depth: int = 0, above: str = "") -> Iterator[Row]:
    """Every layer, those within another set in."""
    for layer in layers:
        yield Row(f"{'  ' * depth}{layer.path.removeprefix(above)} {layer.title}", [layer])
        yield from _opened(layer.inside, depth + 1, f"{layer.path}.")


def _folded(layers: Sequence[LayerLine], blocks: Sequence[str]) -> Iterator[Row]:
    """The outermost layers; groups that repeat themselves at one size share a line."""
    titles = [_closed_title(layer, blocks) for layer in layers]
    alike = [(title, layer.output[1:]) for title, layer in zip(titles, layers, strict=True)]
    start = 0
    while start < len(layers):
        length, times = _repeated(alike[start:])
        if math.prod(_repeated(alike[start + 1 :])) >= length * times:
            length, times = 1, 1  # (block, relu) twice, rather than (relu, block) twice
        stop = start + length * times
        names = titles[start : start + length]
        name = names[0] if length == 1 else f"({', '.join(names)})"
        first, last = layers[start].path, layers[stop - 1].path
        title = f"{first} {name}" if times == 1 else f"{first}-{last} {times} × {name}"
        yield Row(title, layers[start:stop])
        start = stop


def _repeated(alike: Sequence[object]) -> tuple[int, int]:
    """How long the group is that stands at the start, and how often it stands there in a row.

    Of all such groups the one that takes in the most; (1, 1) where nothing repeats.
    """
    best = 1, 1
    for length in range(1, min(LONGEST_GROUP, len(alike)) + 1):
        times = 1
        while alike[length * times :][:length] == alike[:length]:
            times += 1
        if times > 1 and length * times > best[0] * best[1]:
            best = length, times
    return best


def _blocks(network: LayerLine) -> list[str]:
    """What the containers hold, each sort of them once."""
    return list(dict.fromkeys(_held(layer) for layer in network.inside if layer.inside))


def _held(layer: LayerLine) -> str:
    """'body: Conv2d 3×3, ReLU; shortcut: Conv2d 1×1'."""
    sides: dict[str, list[str]] = {}
    for inside in layer.inside:
        side = inside.path.removeprefix(f"{layer.path}.").partition(".")[0]
        held = f" ({_held(inside)})" if inside.inside else ""
        sides.setdefault(side, []).append(inside.title + held)
    return "; ".join(f"{side}: {', '.join(titles)}" for side, titles in sides.items())


def _closed_title(layer: LayerLine, blocks: Sequence[str]) -> str:
    return f"{layer.title} {_mark(blocks.index(_held(layer)))}" if layer.inside else layer.title


def _mark(number: int) -> str:
    """A, B, …, Z, A1, B1, …"""
    turn, letter = divmod(number, len(ascii_uppercase))
    return ascii_uppercase[letter] + (str(turn) if turn else "")


# -- how they look --------------------------------------------------------------------------------


def _table(rows: Sequence[Row], batch: int) -> list[str]:
    """Titles at the left, figures at the right; a long title has a line to itself."""
    cells = [COLUMNS]
    for row in rows:
        title, *figures = _cells(row, batch)
        cells += [(title, *figures)] if len(title) <= LONGEST_TITLE else [(title,), ("", *figures)]
    full = [line for line in cells if len(line) == len(COLUMNS)]
    widths = [max(map(len, column)) for column in zip(*full, strict=True)]
    return ["  ".join(_aligned(line, widths)).rstrip() for line in cells]


def _aligned(line: tuple[str, ...], widths: Sequence[int]) -> Iterator[str]:
    yield line[0].ljust(widths[0])
    yield from map(str.rjust, line[1:], widths[1:])


def _cells(row: Row, batch: int) -> tuple[str, ...]:
    from handloom.models import shortened

    parameters = sum(layer.parameters for layer in row.layers)
    multiply_adds = sum(layer.multiply_adds for layer in row.layers)
    values = sum(layer.values for layer in row.layers)
    return (
        row.title,
        "×".join(map(str, row.layers[-1].output)),
        f"{parameters:,}" if parameters else "",
        shortened(multiply_adds) if multiply_adds else "",
        _megabytes(4 * batch * values) if values else "",
    )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.2f}"
