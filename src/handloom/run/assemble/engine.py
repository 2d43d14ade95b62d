"""`engine`: what runs the network."""

from __future__ import annotations

from dataclasses import replace

from handloom import nn
from handloom._typing import Shape
from handloom.data import Normalisation
from handloom.engines import (
    ALONE,
    Choice,
    Engine,
    Processes,
    TorchSettings,
    TrainingSetup,
    above_the_limit,
    available_cores,
    choose_engine,
    possible_threads,
    predicting_engine,
)
from handloom.recipes import Recipe
from handloom.run.assemble.batches import check_batches, training_batches
from handloom.run.assemble.network import (
    build_loss,
    build_model,
    build_optimizer,
    check_class_weights,
)
from handloom.run.assemble.parts import Parts, build_mixing


def build_engine(recipe: Recipe, parts: Parts, processes: Processes = ALONE) -> Choice:
    """Model, loss and optimizer in the engine that the recipe asks for, and why it is that one.

    `processes` train together; all of them have to build it.
    """
    model = build_model(recipe, parts.train.image_shape, parts.train.num_classes)
    check_batches(recipe, model, parts.train)
    check_class_weights(
        recipe, {"training": parts.train, "validation": parts.validation, "test": parts.test}
    )
    return engine_for(
        recipe,
        model,
        parts.train.image_shape,
        steps_per_epoch=training_batches(recipe, parts, model).steps_per_epoch,
        normalisation=parts.normalisation,
        processes=processes,
    )


def engine_for(
    recipe: Recipe,
    model: nn.Layer,
    image_shape: Shape,
    *,
    steps_per_epoch: int,
    normalisation: Normalisation | None = None,
    processes: Processes = ALONE,
) -> Choice:
    """The recipe's engine around a network (C, H, W) -> (K,), and why it is that one.

    The schedule counts an epoch as `steps_per_epoch`.
    """
    setup = training_setup(
        recipe,
        model,
        image_shape,
        steps_per_epoch=steps_per_epoch,
        normalisation=normalisation,
        torch=replace(torch_settings(recipe), processes=processes),
    )
    choice = choose_engine(recipe.engine, model, setup, input_shape=image_shape)
    exceeding = above_the_limit(count_threads(recipe))
    return choice if exceeding is None else Choice(choice.engine, (*choice.notes, exceeding))


def training_setup(
    recipe: Recipe,
    model: nn.Layer,
    image_shape: Shape,
    *,
    steps_per_epoch: int,
    normalisation: Normalisation | None = None,
    torch: TorchSettings | None = None,
) -> TrainingSetup:
    """How the recipe trains a network (C, H, W) -> (K,); `torch` in place of its [torch]."""
    (num_classes,) = model.output_shape(image_shape)
    return TrainingSetup(
        build_loss(recipe, num_classes),
        build_optimizer(recipe, model, steps_per_epoch),
        batch_size=recipe.training.batch_size,
        threads=count_threads(recipe),
        normalisation=normalisation,
        soft_targets=build_mixing(recipe) is not None,
        clip_norm=recipe.optimizer.clip_norm,
        clip_value=recipe.optimizer.clip_value,
        ema=recipe.training.ema,
        torch=torch or torch_settings(recipe),
    )


def torch_settings(recipe: Recipe) -> TorchSettings:
    """[torch] in the engine's terms."""
    return TorchSettings() if recipe.torch is None else TorchSettings(**recipe.torch.model_dump())


def build_predictor(recipe: Recipe, model: nn.Layer, image_shape: Shape) -> Engine:
    """The engine that `model` was trained in; where that does not run any more, one that does.

    A training on a GPU is predicted wherever this is: the weights are the same on a CPU.
    """
    name, torch = predicting_engine(recipe.engine, torch_settings(recipe))
    setup = training_setup(recipe, model, image_shape, steps_per_epoch=1, torch=torch)
    setup = replace(setup, clip_norm=None, clip_value=None, ema=None)  # `model` is what predicts
    return choose_engine(name, model, setup, input_shape=image_shape).engine


def count_threads(recipe: Recipe) -> int:
    """Threads to compute with: the recipe's, as far as this machine can have them, or the default,
    every core that the process may use."""
    threads = recipe.training.threads
    return available_cores() if threads is None else possible_threads(threads)
