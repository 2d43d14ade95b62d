"""A network as code: one call that makes it, and the classes and functions that the call needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from handloom import nn
from handloom.exchange.torch.code import INDENT, Call
from handloom.exchange.torch.layers import SPELLINGS

BLOCKS = ("Residual", "Parallel")
"""Calls that become a function where a network has several equal ones."""


class Spelled(NamedTuple):
    """What makes a module whose weights are named and shaped as the layer's."""

    definitions: tuple[str, ...]
    """Classes and functions, as source."""
    call: Call


def spell(layer: nn.Layer) -> Spelled:
    """The code of a layer with all that is inside; raises ConfigError where it has no spelling."""
    helpers: dict[str, None] = {}  # in the order of their first use
    call = _spell(helpers, "network", layer)
    names = _name_repeated(call)
    functions = (_function(name, block, names) for block, name in names.items())
    return Spelled((*helpers, *functions), call.short(names))


def _spell(helpers: dict[str, None], path: str, layer: nn.Layer, name: str = "") -> Call:
    """The call for the layer called `name` inside `path`; classes that it needs join `helpers`."""
    path = f"{path}.{name}" if name else path
    spelling = SPELLINGS.find(layer, path)
    if spelling.helper:
        helpers[spelling.helper] = None
    return spelling.spell(layer, partial(_spell, helpers, path))


def _name_repeated(call: Call) -> dict[Call, str]:
    """Names of functions for the blocks that occur more than once, inner ones first."""
    counts = Counter(each for each in call.calls() if each.name in BLOCKS)
    repeated = [block for block, count in counts.items() if count > 1]
    return {block: f"block_{number}" for number, block in enumerate(repeated, start=1)}


def _function(name: str, block: Call, names: Mapping[Call, str]) -> str:
    """A function that makes one of the repeated blocks."""
    lines = "\n".join(block.short(names).lines(INDENT, before="return "))
    return f"def {name}() -> nn.Module:\n{lines}\n"
