"""Which tensor goes where: by name, or by the order and shapes of layers, or not at all."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from safetensors.numpy import load
from safetensors.torch import save
from torch import nn as tnn

from handloom.errors import StateError
from handloom.exchange.matching import match
from handloom.models import resnet

Shapes = dict[str, tuple[int, ...]]

OWN: Shapes = {
    "0.weight": (6, 1, 3, 3), "0.bias": (6,), "1.weight": (6,), "1.bias": (6,),
    "4.body.0.weight": (5, 5), "4.body.0.bias": (5,), "5.weight": (5, 5), "5.bias": (5,),
    "1.running_mean": (6,), "1.running_var": (6,),
}  # fmt: skip


def state(shapes: Shapes) -> dict[str, np.ndarray]:
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def renamed(shapes: Shapes, **paths: str) -> Shapes:
    """The same shapes, layers called otherwise, in alphabetical order as safetensors has them."""
    named = {}
    for name, shape in shapes.items():
        path, leaf = name.rsplit(".", 1)
        new = paths[f"l{path.replace('.', '_')}"]
        named[f"{new}.{leaf}"] = shape
    return dict(sorted(named.items()))


def sources(own: Shapes, given: Shapes) -> dict[str, str]:
    return {each.name: each.source for each in match(state(own), state(given)).matches}


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module.", "4."])
def test_equal_names_decide(prefix: str) -> None:
    given = {f"{prefix}{name}": shape for name, shape in sorted(OWN.items())}
    matching = match(state(OWN), state(given | {f"{prefix}1.num_batches_tracked": ()}))
    assert matching.by_name
    assert [each.name for each in matching.matches] == list(OWN)
    assert all(each.source == f"{prefix}{each.name}" for each in matching.matches)
    assert all(each.shape == OWN[each.name] for each in matching.matches)


def test_layers_decide_where_names_differ() -> None:
    given = renamed(OWN, l0="stem", l1="norm", l4_body_0="fc2", l5="fc10")
    matching = match(state(OWN), state(given | {"norm.num_batches_tracked": ()}))
    assert not matching.by_name
    found = {each.name: each.source for each in matching.matches}
    assert found["0.weight"] == "stem.weight"
    assert found["1.running_var"] == "norm.running_var"
    assert (found["4.body.0.bias"], found["5.bias"]) == ("fc2.bias", "fc10.bias")
    assert list(found) == sorted(found, key=lambda name: name.rsplit(".", 1)[0])
    assert set(found) == set(OWN)


@pytest.mark.parametrize(
    "paths",
    [
        ["layers.2", "layers.10", "layers.11"],
        ["layer1.0.conv1", "layer1.0.conv2", "layer1.1.conv1"],
        ["block2.0", "block2.1.3", "block10.0"],
        ["a", "b.0", "c"],
        ["n9", f"n1{'0' * 5000}", f"n2{'0' * 5000}"],
        ["n007", "n8", "n09"],
    ],
)
def test_numbers_count_as_numbers(paths: list[str]) -> None:
    own = {f"{index}.weight": (3, 3) for index in range(3)}
    found = sources(own, {f"{path}.weight": (3, 3) for path in sorted(paths)})
    assert list(found.values()) == [f"{path}.weight" for path in paths]


def test_a_prefix_ends_at_a_dot() -> None:
    own: Shapes = {"0.weight": (3, 3), "1.weight": (3, 3)}
    assert not match(state(own), state({"10.weight": (3, 3), "11.weight": (3, 3)})).by_name


def test_a_single_layer_has_no_path() -> None:
    assert sources({"0.weight": (3, 2)}, {"weight": (3, 2)}) == {"0.weight": "weight"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"l.weight": (9, 5)},
            "no layer of the file fits the network's 4.body.0 (weight (5, 5), bias (5,)); the first"
            " one left is l (bias (5,), weight (9, 5))",
        ),
        ({"l.weight": None, "l.bias": None}, "fits the network's 5 (weight (5, 5), bias (5,));"),
        ({"stem.bias": None}, "fits the network's 0 (weight (6, 1, 3, 3), bias (6,)); no similar"),
        ({"extra.weight": (2, 2)}, "the file's extra (weight (2, 2)) has no counterpart in the"),
    ],
)
def test_the_first_misfit_is_told(changes: dict[str, tuple[int, ...] | None], told: str) -> None:
    given: dict = renamed(OWN, l0="stem", l1="norm", l4_body_0="l", l5="m") | changes
    if changes.get("l.weight", ...) == (9, 5):
        given |= {"m.weight": (9, 5)}
    given = {name: shape for name, shape in given.items() if shape is not None}
    with pytest.raises(StateError) as refused:
        match(state(OWN), state(given))
    assert told in str(refused.value)


def test_equal_names_with_another_shape() -> None:
    with pytest.raises(StateError) as refused:
        match(state(OWN), state(OWN | {"5.bias": (7,)}))
    assert str(refused.value) == "5.bias in the file is (7,), but 5.bias in the network is (5,)"


def test_an_empty_file() -> None:
    with pytest.raises(StateError, match=r"no layer of the file fits the network's 0 \("):
        match(state(OWN), {})


# -- a residual network with the names that torchvision gives --------------------------------------


class BasicBlock(tnn.Module):
    def __init__(self, arriving: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = tnn.Conv2d(arriving, channels, 3, stride, 1, bias=False)
        self.bn1 = tnn.BatchNorm2d(channels)
        self.conv2 = tnn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = tnn.BatchNorm2d(channels)
        self.downsample = None
        if stride != 1:
            self.downsample = tnn.Sequential(
                tnn.Conv2d(arriving, channels, 1, stride, bias=False), tnn.BatchNorm2d(channels)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(tnn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.conv1 = tnn.Conv2d(1, width, 3, 1, 1, bias=False)
        self.bn1 = tnn.BatchNorm2d(width)
        for stage in range(4):
            arriving = width << max(stage - 1, 0)
            first = BasicBlock(arriving, width << stage, 2 if stage else 1)
            second = BasicBlock(width << stage, width << stage, 1)
            setattr(self, f"layer{stage + 1}", tnn.Sequential(first, second))
        self.fc = tnn.Linear(width << 3, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        stages: Iterable[tnn.Module] = (self.layer1, self.layer2, self.layer3, self.layer4)
        for stage in stages:
            x = stage(x)
        return self.fc(x.mean((2, 3)))


def test_a_residual_network_finds_its_layers(rng: np.random.Generator) -> None:
    torch.manual_seed(0)
    theirs = ResNet18(8, 10)
    for parameter in theirs.state_dict().values():
        if parameter.is_floating_point():
            parameter += 0.1 * torch.rand(parameter.shape)
    given = load(save({name: t.contiguous() for name, t in theirs.state_dict().items()}))
    ours = resnet((1, 28, 28), 10, depth=18, width=8, rng=rng)
    matching = match(ours.state_dict(), given)
    assert not matching.by_name
    ours.load_state_dict({each.name: given[each.source] for each in matching.matches})
    x = rng.standard_normal((2, 1, 28, 28)).astype(np.float32)
    with torch.inference_mode():
        expected = theirs.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(ours.eval().forward(x), expected, rtol=1e-4, atol=1e-4)
