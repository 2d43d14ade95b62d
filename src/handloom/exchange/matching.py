"""Matching: which tensor of a file belongs to which parameter of a network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from handloom._typing import AnyArray, Shape
from handloom.errors import StateError

UNUSED = "num_batches_tracked"
"""PyTorch's batch norms count their steps; nothing here depends on it."""


class Match(NamedTuple):
    """One of the network's arrays, and the tensor that it is taken from."""

    name: str
    source: str
    shape: Shape


class Matching(NamedTuple):
    """Where everything goes, in the network's order."""

    matches: tuple[Match, ...]
    by_name: bool
    """Whether the names were equal; else the order and the shapes decided."""


class _Group(NamedTuple):
    """The arrays of one layer: the path that their names share, and the shape of each."""

    path: str
    shapes: dict[str, Shape]

    def resembles(self, other: _Group) -> bool:
        """Whether both are the same kind of layer, as far as parameters tell it."""
        return self._num_axes() == other._num_axes()

    def _num_axes(self) -> dict[str, int]:
        return {leaf: len(shape) for leaf, shape in self.shapes.items()}

    def __str__(self) -> str:
        shapes = ", ".join(f"{leaf} {shape}" for leaf, shape in self.shapes.items())
        return f"{self.path or 'the outermost layer'} ({shapes})"

    def names(self) -> Iterator[tuple[str, str]]:
        """(leaf, full name) of each array."""
        for leaf in self.shapes:
            yield leaf, f"{self.path}.{leaf}" if self.path else leaf


def match(own: Mapping[str, AnyArray], given: Mapping[str, AnyArray]) -> Matching:
    """Find for each array of a network's state the tensor of a file that it is.

    Where the names are equal, but for a prefix that all of the file's share ("module."), names
    decide. Else layers do: each of the network's takes the first of the file's that has the same
    parameters with the same shapes and is not taken yet. The network's are in forward order, the
    file's in the order of their paths, numbers counted as numbers; a file has no order of its own,
    for safetensors sorts by name. Raises StateError for the first that does not fit.
    """
    tensors = {name: array for name, array in given.items() if _leaf(name) != UNUSED}
    renamed = _without_prefix(tensors, own)
    if renamed is None:
        return Matching(tuple(_by_layer(_groups(own), _sorted_groups(tensors))), by_name=False)
    for name, array in own.items():
        if (found := tensors[renamed[name]].shape) != array.shape:
            raise StateError(
                f"{renamed[name]} in the file is {found}, but {name} in the network is "
                f"{array.shape}"
            )
    return Matching(tuple(Match(n, renamed[n], a.shape) for n, a in own.items()), by_name=True)


def _without_prefix(
    given: Mapping[str, AnyArray], own: Mapping[str, AnyArray]
) -> dict[str, str] | None:
    """Our name -> the file's, where they are the same names but for a shared prefix."""
    first = next(iter(given), "")
    for name in own:
        prefix = first.removesuffix(name)
        if prefix == first or not (prefix == "" or prefix.endswith(".")):
            continue
        names = {f"{prefix}{name}": name for name in own}
        if names.keys() == given.keys():
            return {ours: theirs for theirs, ours in names.items()}
    return None


def _by_layer(own: list[_Group], given: list[_Group]) -> Iterator[Match]:
    """Pairs of layers with equal parameters, first to first."""
    left = list(given)
    for layer in own:
        taken = next((other for other in left if other.shapes == layer.shapes), None)
        if taken is None:
            near = next(filter(layer.resembles, left), None)
            raise StateError(
                f"no layer of the file fits the network's {layer}; "
                + (f"the first one left is {near}" if near else "no similar one is left")
            )
        left.remove(taken)
        sources = dict(taken.names())
        for leaf, name in layer.names():
            yield Match(name, sources[leaf], layer.shapes[leaf])
    if left:
        raise StateError(f"the file's {left[0]} has no counterpart in the network")


def _groups(state: Mapping[str, AnyArray]) -> list[_Group]:
    """The arrays, layer by layer, in the order of their first."""
    groups: dict[str, _Group] = {}
    for name, array in state.items():
        path, _, leaf = name.rpartition(".")
        groups.setdefault(path, _Group(path, {})).shapes[leaf] = array.shape
    return list(groups.values())


def _sorted_groups(state: Mapping[str, AnyArray]) -> list[_Group]:
    """The layers of a file in the order that their paths tell: layer2 before layer10."""
    return sorted(_groups(state), key=lambda group: _natural(group.path))


def _natural(path: str) -> list[tuple[int, str]]:
    """A sort key in which runs of digits count as numbers, of any size: 'layer10.conv2'."""
    return [
        (len(number := digits.lstrip("0")), number) if digits else (-1, others)
        for digits, others in re.findall(r"([0-9]+)|([^0-9]+)", path)
    ]


def _leaf(name: str) -> str:
    return name.rpartition(".")[2]
