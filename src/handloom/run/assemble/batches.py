"""The training split in batches, and whether the network can train on them.

A batch norm takes mean and variance from all numbers of a channel in the batch. Where an example
brings a single number, one example has no variance. If it would be alone in the last batch of an
epoch, it is left out: as the order differs from epoch to epoch, so does the example.
"""

from __future__ import annotations

from handloom import engines, nn
from handloom._typing import Shape
from handloom.data import Batches, Dataset
from handloom.data.prepare.resize import proportional
from handloom.errors import RecipeError, ShapeError
from handloom.recipes import Recipe
from handloom.run.assemble.parts import Parts, build_mixing, build_stages


def training_batches(recipe: Recipe, parts: Parts, model: nn.Layer) -> Batches:
    """The training split in the recipe's batches, in a new order every epoch, for `model`."""
    return Batches(
        parts.train,
        parts.normalisation,
        recipe.training.batch_size,
        seed=recipe.seed,
        augmentation=parts.augmentation,
        mixing=build_mixing(recipe),
        stages=build_stages(recipe),
        drop_single=norm_that_needs_two(recipe, model, parts.train.image_shape) is not None,
    )


def note_left_out(recipe: Recipe, batches: Batches, model: nn.Layer) -> tuple[str, ...]:
    """A sentence for a person where each epoch leaves an example out; none where it does not."""
    norm = norm_that_needs_two(recipe, model, batches.dataset.image_shape)
    if not batches.left_out:
        return ()
    return (
        f"each epoch omits 1 of the {len(batches.dataset):,} training examples, a different "
        f"one each time: it would be alone in the last batch, but {norm} needs two",
    )


def check_batches(recipe: Recipe, model: nn.Layer, train: Dataset) -> None:
    """Raise RecipeError for batches and sizes of images that the network cannot train on."""
    _check_sizes(recipe, model, train.image_shape)
    batch_size = recipe.training.batch_size
    if batch_size > 1 and len(train) != 1:
        return
    norm = norm_that_needs_two(recipe, model, train.image_shape)
    if norm is not None and len(train) == 1:
        raise RecipeError(
            f"there is 1 training example, but {norm} needs two in a batch; add more examples, "
            "or use a network without batch norm"
        )
    if norm is not None:
        raise RecipeError(
            f"training.batch_size is 1, but {norm} needs two examples in a batch; set it to 2 or "
            "more, or use a network without batch norm"
        )


def norm_that_needs_two(recipe: Recipe, model: nn.Layer, image_shape: Shape) -> str | None:
    """The first batch norm to which an example brings a single number per channel, for a person.

    Looked for at `image_shape` (C, H, W) and in the recipe's other sizes; None where there is none.
    """
    for shape in (image_shape, *_stage_shapes(recipe, image_shape)):
        if norm := engines.norm_that_needs_two(model, shape):
            return norm
    return None


def _stage_shapes(recipe: Recipe, image_shape: Shape) -> list[Shape]:
    """(C, H, W) of the images in each of the recipe's sizes."""
    channels, height, width = image_shape
    return [
        (channels, stage.height, proportional(width, stage.height, height))
        for stage in build_stages(recipe)
    ]


def _check_sizes(recipe: Recipe, model: nn.Layer, image_shape: Shape) -> None:
    """Refuse sizes of images that the network cannot take, before training meets them."""
    expected = model.output_shape(image_shape)
    for shape in _stage_shapes(recipe, image_shape):
        try:
            why = "its output is different" if model.output_shape(shape) != expected else None
        except ShapeError as error:
            why = str(error)
        if why is not None:
            raise RecipeError(
                f"training.sizes has images of {shape[1]} x {shape[2]}, which this network "
                f"cannot take: {why}. A global-avg-pool before the first linear layer, or a resize "
                "at the start, accepts any size; otherwise remove training.sizes"
            )
