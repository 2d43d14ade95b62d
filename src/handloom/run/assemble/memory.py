"""Whether there is memory for a training, before it is taken."""

from __future__ import annotations

from handloom._memory import available_memory, shown_bytes
from handloom.errors import RecipeError
from handloom.models import summarise
from handloom.recipes import Recipe
from handloom.run.assemble.network import build_model
from handloom.run.assemble.parts import Parts
from handloom.run.assemble.summary import step_memory

SURE = 0.5
"""Of the outputs that the backward pass may need: what is computed in place is not kept twice."""


def check_memory(recipe: Recipe, parts: Parts) -> None:
    """Raise RecipeError where a training step takes more memory than there is.

    The figure is a lower bound: weights, gradients, what the rule keeps, and half of the outputs
    for a batch. The loom makes room for whole batches, other engines for the images there are.
    """
    available = available_memory()
    if available is None:
        return
    shape = parts.train.image_shape
    model = build_model(recipe, shape, parts.train.num_classes)
    memory = step_memory(recipe, model, summarise(model, shape), shape)
    batch = recipe.training.batch_size
    taken = batch if recipe.engine in ("loom", "auto") else min(batch, len(parts.train))
    of_batch = int(memory.outputs / batch * taken * SURE)
    of_weights = memory.weights + memory.gradients + memory.optimizer
    if of_batch + of_weights > available:
        raise RecipeError(
            f"a training step needs at least {shown_bytes(of_batch + of_weights)}, "
            f"{shown_bytes(of_batch)} for a batch of {taken:,} and {shown_bytes(of_weights)} for "
            f"weights, gradients and optimizer, but {shown_bytes(available)} are available; use a "
            "smaller training.batch_size or network"
        )
