"""Which way to compute a convolution costs least: written out, by square tiles, or by lines."""

from __future__ import annotations

from handloom.loom.kernels.convolution.shape import Convolution
from handloom.loom.kernels.winograd.fused_tiles import best_tiling
from handloom.loom.kernels.winograd.lines_shape import best_lines
from handloom.loom.language.machine import Machine
from handloom.loom.pieces.convolution.direct import ConvPiece
from handloom.loom.pieces.winograd.fused import WinogradFusedPiece
from handloom.loom.pieces.winograd.lines import WinogradLinesPiece


def cheapest(shape: Convolution, machine: Machine, *, errors_below: bool) -> type[ConvPiece]:
    """The piece that does the least work for a layer that ConvPiece covers.

    Counted are forward, the weights' gradient and, where a training asks for them, the errors
    below. Whoever does not train counts alike: the weights lie as they did then.
    """
    written_out = (2 + errors_below) * shape.multiplications
    ways: list[tuple[float, type[ConvPiece]]] = [(written_out, ConvPiece)]
    if lines := best_lines(shape, machine.registers):
        below = errors_below * shape.multiplications
        ways.append((lines.cost + below, WinogradLinesPiece))
    if tiling := best_tiling(shape):
        ways.append((tiling.cost(errors_below=errors_below), WinogradFusedPiece))
    return min(ways, key=lambda way: way[0])[1]
