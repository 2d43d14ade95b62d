"""The plan of a recipe's training step: what the loom fuses, where it lies, what it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from handloom import data, nn
from handloom._typing import FloatArray, Shape, UInt8Array
from handloom.data import Normalisation
from handloom.engines import check_threads
from handloom.errors import ConfigError, DataError
from handloom.recipes import Recipe
from handloom.run.assemble.engine import training_setup
from handloom.run.assemble.network import build_model
from handloom.run.assemble.parts import build_mixing, load_data

if TYPE_CHECKING:
    from handloom.loom.network.compiled import Compiled
    from handloom.loom.network.explain import Explanation

KNOWN_SHAPE = (1, 28, 28)  # of the images of every known set
DRAWN = 2000  # images that stand for a set that is not on this machine
PEN = 0.055  # half a stroke's width, in widths of an image
LOOKED_AT = 512  # images that tell whether most pixels are zero; as many as the engine looks at


def explain_plan(recipe: Recipe) -> Explanation:
    """Compile the recipe's training step with a clock in it, run it, and tell what it is made of.

    It runs on the recipe's images; for those of a known set that is not on this machine stand
    drawn ones. Where only parts can be compiled, it tells what they are, and runs nothing. Raises
    ConfigError where the loom does not run, and for many more threads than cores.
    """
    check_threads(recipe.training.threads)
    from handloom.engines.loom.partly import refusal

    if why := refusal():
        raise ConfigError(f"the step cannot be compiled here: {why}")
    from handloom.loom.network.explain import explain
    from handloom.loom.network.fuse import UncoveredError

    images, num_classes = _pictures(recipe)
    model = build_model(recipe, images.shape[1:], num_classes)
    if build_mixing(recipe) is not None:  # no loss is compiled on shares of classes
        return _outline(recipe, model, images.shape[1:])
    try:
        compiled = compile_timed(recipe, model, images)
    except UncoveredError:
        return _outline(recipe, model, images.shape[1:])
    return explain(compiled, images)


def compile_timed(recipe: Recipe, model: nn.Sequential, images: UInt8Array) -> Compiled:
    """The whole training step with a clock in it, for images like `images` (M, C, H, W).

    Raises UncoveredError where some of it cannot be compiled.
    """
    from handloom.engines.loom.compile import compile_network
    from handloom.engines.loom.terms import mostly_dark, pixels_as_numbers

    # Which numbers a normalisation has costs nothing; whether black stays zero does.
    pictures = pixels_as_numbers(Normalisation("scale"), images.shape[1])
    dark = recipe.data.normalise == "scale" and mostly_dark(images[:LOOKED_AT])
    compiled = compile_network(
        model,
        training_setup(recipe, model, images.shape[1:], steps_per_epoch=1),
        input_shape=images.shape[1:],
        pictures=replace(pictures, sparse=dark),
        timed=True,
    )
    compiled.write({name: each.value for name, each in model.named_parameters().items()})
    return compiled


def _outline(recipe: Recipe, model: nn.Sequential, input_shape: Shape) -> Explanation:
    """What is compiled of a step that is not compiled as a whole."""
    from handloom.engines.loom.partly import PartlyCompiledEngine, compile_engine
    from handloom.loom.network.explain import outline

    setup = training_setup(recipe, model, input_shape, steps_per_epoch=1)
    engine = compile_engine(model, setup, input_shape=input_shape)
    assert isinstance(engine, PartlyCompiledEngine), "the loom cannot compile it as a whole"
    if not engine.compiled:
        raise ConfigError(f"nothing can be compiled: {', '.join(engine.uncovered)} run with NumPy")
    return outline(engine.compiled, engine.uncovered)


def _pictures(recipe: Recipe) -> tuple[UInt8Array, int]:
    """Images (M, C, H, W) like those that are trained on, and the number of their classes."""
    known = {each.name: each.num_classes for each in data.describe_sets()}
    name = recipe.data.name
    try:
        whole = load_data(recipe) if name is None else data.load(name, download=False)
    except DataError:
        if name not in known:
            raise
        return draw_strokes(DRAWN, KNOWN_SHAPE), known[name]
    return data.with_channels(whole.train.images), whole.train.num_classes


def draw_strokes(count: int, shape: Shape) -> UInt8Array:
    """(count, C, H, W): four strokes of a pen about the middle, as dark as digits are."""
    rng = np.random.default_rng(0)
    _, height, width = shape
    y, x = (np.arange(height) / height)[:, None], np.arange(width) / width
    lit = np.zeros((count, height, width), bool)
    for _ in range(4):
        ends = rng.uniform(0.15, 0.85, (4, count, 1, 1))
        lit |= _distance(x, y, *ends) < PEN
    return np.broadcast_to(lit[:, None] * np.uint8(200), (count, *shape)).copy()


def _distance(
    x: FloatArray, y: FloatArray, x0: FloatArray, y0: FloatArray, x1: FloatArray, y1: FloatArray
) -> FloatArray:
    """How far points are from the stroke from (x0, y0) to (x1, y1)."""
    dx, dy = x1 - x0, y1 - y0
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
    return np.hypot(x - x0 - along * dx, y - y0 - along * dy)
