"""The plan of a recipe's training step: what the loom fuses, where it lies, what it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from handloom import data
from handloom._typing import Shape
from handloom.assemble.engine import count_threads
from handloom.assemble.network import build_loss, build_model, build_optimizer
from handloom.assemble.parts import load_data
from handloom.data import Normalisation
from handloom.errors import ConfigError, RecipeError
from handloom.recipes import Recipe

if TYPE_CHECKING:
    from handloom.loom.explain import Explanation

KNOWN_SHAPE = (1, 28, 28)  # of the pictures of every known set


def explain_plan(recipe: Recipe) -> Explanation:
    """Compile the recipe's training step with a clock in it, and run it on random pictures.

    A known set need not be there for it. Raises ConfigError where the loom does not run, and
    RecipeError where it cannot compile all of the step.
    """
    from handloom.engines.loom_terms import cross_entropy_of, pixels_as_numbers
    from handloom.engines.weave import refusal

    if why := refusal():
        raise ConfigError(f"there is no plan of a compiled step here: {why}")
    from handloom.loom.compile import compile_network
    from handloom.loom.explain import explain
    from handloom.loom.fuse import UncoveredError

    (channels, height, width), num_classes = _pictures(recipe)
    model = build_model(recipe, (channels, height, width), num_classes)
    # Which numbers a normalisation has costs nothing; whether black stays zero does.
    pictures = pixels_as_numbers(Normalisation("scale"), channels)
    dark = recipe.data.normalise == "scale"
    try:
        planned = compile_network(
            model,
            cross_entropy_of(build_loss(recipe, num_classes)),
            build_optimizer(recipe, model, 1),
            input_shape=(channels, height, width),
            batch=recipe.training.batch_size,
            threads=count_threads(recipe),
            clip_norm=recipe.optimizer.clip_norm,
            clip_value=recipe.optimizer.clip_value,
            ema=recipe.training.ema,
            pictures=pictures,
            timed=True,
        )
    except UncoveredError as error:
        raise RecipeError(f"there is no plan of the whole step: {error} runs on numpy") from None
    if dark and planned.takes_rows:
        request = replace(planned.request, pictures=replace(pictures, sparse=True))
        planned = replace(planned, request=request)
    return explain(planned)


def _pictures(recipe: Recipe) -> tuple[Shape, int]:
    """(C, H, W) of the recipe's pictures, and the number of their classes."""
    for known in data.describe_sets():
        if known.name == recipe.data.name:
            return KNOWN_SHAPE, known.num_classes
    train = load_data(recipe).train
    return train.image_shape, train.num_classes
