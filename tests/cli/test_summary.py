"""handloom recipes show: the network as a table, and as a comment behind the recipe."""

from __future__ import annotations

import json
import tomllib

import pytest

from handloom.recipes import list_recipes, recipe_text

NETWORKS = {
    "resnet": ["model.name=resnet"],
    "resnet-cifar": ["model.name=resnet-cifar", "model.depth=56"],
    "wide-resnet": ["model.name=wide-resnet", "model.depth=28"],
    "vgg": ["model.name=vgg", "model.convolutions=[4, 4, 4]"],
    "densenet": ["model.name=densenet"],
    "densenet-121": [
        "model.name=densenet", "model.blocks=[6, 12, 24, 16]", "model.growth=32",
        "model.form=imagenet", "model.resize=224",
    ],
}  # fmt: skip


def show(handloom, recipe: str, changes: list[str], *flags: str) -> str:
    options = [text for change in changes for text in ("-o", change)]
    return handloom("recipes", "show", recipe, *options, *flags).out


def table(text: str) -> list[list[str]]:
    """The lines between title and legend, by words."""
    return [line.split() for line in text.split("\n\n")[1].splitlines()]


def test_the_recipe_stays_a_recipe(handloom) -> None:
    for name in list_recipes():
        out = handloom("recipes", "show", name).out
        told = recipe_text(name).rstrip()
        assert out.startswith(f"{told}\n\n# The network for images of ")
        assert all(line.startswith("#") for line in out[len(told) + 2 :].splitlines())
        assert tomllib.loads(out) == tomllib.loads(told)


def test_every_layer_of_a_small_network_has_its_line(handloom) -> None:
    rows = table(show(handloom, "mnist-lenet", [], "--summary"))
    assert rows[0] == ["layer", "output", "parameters", "mult-adds", "MB"]
    assert rows[1] == ["0", "Conv2d", "5×5", "6×24×24", "156", "86.4", "k", "0.44"]
    assert rows[7] == ["6", "Flatten", "256"]
    assert len(rows) == 1 + 12


def test_blocks_of_a_large_network_are_folded(handloom) -> None:
    text = show(handloom, "digits", NETWORKS["resnet-cifar"], "--summary")
    rows = [" ".join(row) for row in table(text)]
    assert rows[4].startswith("3-20 9 × (Residual A, ReLU) 16×28×28 42,048 32.5 M")
    assert rows[5].startswith("21 Residual B 32×14×14")
    assert "\n\nA  body: Conv2d 3×3, BatchNorm2d, ReLU, Conv2d 3×3, BatchNorm2d\n" in text
    assert "shortcut:\n   Conv2d 1×1/2, BatchNorm2d\n\n855,482 parameters" in text


def test_layers_without_blocks_are_folded_too(handloom) -> None:
    text = show(handloom, "digits", NETWORKS["vgg"], "--summary")
    name, figures = text.split("\n\n")[1].splitlines()[1:3]
    assert name == "0-11 4 × (Conv2d 3×3, BatchNorm2d, ReLU)"
    assert figures.split()[:2] == ["64×28×28", "111,680"]


@pytest.mark.parametrize("network", NETWORKS)
def test_no_line_is_longer_than_a_page_and_sums_agree(handloom, network: str) -> None:
    text = show(handloom, "digits", NETWORKS[network], "--summary")
    assert max(map(len, text.splitlines())) <= 78
    told = json.loads(show(handloom, "digits", NETWORKS[network], "--summary", "--json"))
    whole = told["network"]
    assert f"\n{whole['parameters']:,} parameters. " in text
    assert whole["parameters"] == sum(layer["parameters"] for layer in whole["inside"])
    titles, *lines = text.split("\n\n")[1].splitlines()
    start = titles.index("parameters")
    cells = [line[start : start + len("parameters")].replace(",", "").strip() for line in lines]
    figures = [int(cell) for cell in cells if cell.isdigit()]
    assert sum(figures) == whole["parameters"]
    parts = ("outputs", "weights", "gradients", "optimizer")
    assert told["memory"]["total"] == sum(told["memory"][part] for part in parts)


def test_json_of_a_recipe_has_no_network(handloom) -> None:
    assert "network" not in json.loads(handloom("recipes", "show", "digits", "--json").out)


def test_a_network_that_does_not_fit_is_told(handloom) -> None:
    changes = ["model.name=lenet", "model.channels=[4, 4, 4]"]
    shown = show(handloom, "digits", changes)
    assert "\n# The network cannot be built: layer 6: a window that spans 5 × 5 pixels" in shown
    assert tomllib.loads(shown)["model"]["channels"] == [4, 4, 4]
    flags = [text for change in changes for text in ("-o", change)]
    refused = handloom("recipes", "show", "digits", *flags, "--summary")
    assert refused.code == 2
    assert "layer 6: a window that spans" in refused.err
    assert not refused.out
