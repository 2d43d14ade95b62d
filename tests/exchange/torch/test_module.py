"""The written file: as a formatter leaves it, and at work in a process without Handloom."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

from handloom import nn
from handloom.data import Normalisation
from handloom.exchange import PortableClassifier
from handloom.exchange.torch.module import module_source
from handloom.exchange.weights_file import write_weights
from handloom.recipes import list_recipes, load_recipe
from handloom.run import assemble

ALONE = """
import runpy, sys
sys.modules["handloom"] = None  # an import of it would fail
import numpy as np, torch, net
images = torch.from_numpy(np.load("pictures.npy"))
np.save("scores.npy", net.load()(images).detach().numpy())
print(*net.CLASS_NAMES, sep="|")
sys.argv = ["net.py", "pictures.npy"]
runpy.run_path("net.py", run_name="__main__")
"""


def python(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def write(classifier: PortableClassifier, folder: Path) -> None:
    write_weights(folder / "net.safetensors", classifier)
    source = module_source(classifier, "net", "net.safetensors")
    (folder / "net.py").write_text(source, encoding="utf-8")


def normalisations(images: np.ndarray) -> list[Normalisation]:
    return [Normalisation.fit(kind, images) for kind in ("scale", "standard", "per-picture")]


def assert_tidy(path: Path) -> None:
    for command in (["format", "--check", "--diff"], ["check", "--select", "E,F,I,UP,B,SIM"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", str(path)],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def test_alone_in_a_process(make_classifier: Any, rng: Generator, tmp_path: Path) -> None:
    images = rng.integers(0, 256, (5, 2, 7, 6), np.uint8)
    np.save(tmp_path / "pictures.npy", images)
    classifier: PortableClassifier = make_classifier(normalisation=normalisations(images)[1])
    write(classifier, tmp_path)
    names, *told = python(tmp_path, "-c", ALONE).splitlines()
    assert names == "|".join(classifier.class_names)
    expected = classifier.network.forward(classifier.normalisation(images))
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), expected, rtol=1e-5, atol=1e-5)
    assert told == [classifier.class_names[class_id] for class_id in expected.argmax(axis=1)]


@pytest.mark.parametrize("number", range(3))
def test_the_normalisation_is_inside(
    number: int, make_classifier: Any, rng: Generator, tmp_path: Path
) -> None:
    import torch

    images = rng.integers(0, 256, (5, 3, 6, 6), np.uint8)
    images[0] = 77  # one grey: its deviation is 0
    normalisation = normalisations(images)[number]
    classifier = make_classifier(normalisation=normalisation, shape=(3, 6, 6))
    names: dict[str, Any] = {"__name__": "net", "__file__": "net.py"}
    exec(module_source(classifier, "net", "net.safetensors"), names)
    found = names["normalise"](torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(found, normalisation(images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipes_network_is_tidy_code(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    network = assemble.build_model(recipe, (1, 28, 28), 10)
    fitted = Normalisation("standard", (0.1307,), (0.3081,))
    names = tuple(f"a class with a long name, number {number}" for number in range(10))
    classifier = PortableClassifier(name, network, (1, 28, 28), names, fitted, "")
    (tmp_path / "net.py").write_text(module_source(classifier, "net", "n"), encoding="utf-8")
    assert_tidy(tmp_path / "net.py")


@pytest.mark.parametrize(
    "name", ['"""\nimport os', "back\\slash", "{braces}", "naïve réseau", "x" * 200]
)
def test_no_name_breaks_the_code(name: str, make_classifier: Any) -> None:
    classifier = make_classifier(class_names=(name, 'an "odd" one', "\\"))
    classifier = PortableClassifier(
        name, classifier.network, (2, 7, 6), classifier.class_names, Normalisation("scale"), name
    )
    tree = ast.parse(module_source(classifier, "net", "net.safetensors"))
    (names,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CLASS_NAMES"
    )
    assert ast.literal_eval(names) == classifier.class_names
    imported = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert imported == {"__future__", "pathlib", "safetensors.torch", "torch"}


def test_a_network_of_many_equal_blocks_stays_short() -> None:
    recipe = load_recipe("digits", {"model": {"name": "resnet-cifar", "depth": 32}})
    network = assemble.build_model(recipe, (1, 28, 28), 10)
    classifier = PortableClassifier(
        "net", network, (1, 28, 28), tuple("0123456789"), Normalisation("scale"), ""
    )
    source = module_source(classifier, "net", "net.safetensors")
    assert sum(1 for _, layer in network.named_layers() if isinstance(layer, nn.Residual)) == 15
    assert source.count("block_1(),\n") >= 4
    assert len(source.splitlines()) < 250
