"""[model], [loss], [optimizer], [schedule]: what is trained, and by which rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from handloom import models, nn, optim
from handloom._typing import Shape
from handloom.data import Dataset
from handloom.engines import Loss
from handloom.errors import RecipeError
from handloom.nn.losses import loss_weight
from handloom.recipes import Recipe
from handloom.run.assemble.parts import load_parts

MODEL_STREAM, GRADCHECK_STREAM = 1, 2  # streams of the seed: first weights; directions of a check

MODELS: dict[str, Callable[..., nn.Sequential]] = {
    "mlp": models.mlp,
    "lenet": models.lenet,
    "resnet": models.resnet,
    "resnet-cifar": models.resnet_cifar,
    "wide-resnet": models.wide_resnet,
    "vgg": models.vgg,
    "densenet": models.densenet,
    "sequential": models.from_layers,
}
"""What [model] can name."""


def build_model(recipe: Recipe, input_shape: Shape, num_classes: int) -> nn.Sequential:
    """The network of [model] for images (C, H, W); raises ShapeError where it cannot fit."""
    rng = np.random.default_rng([recipe.seed, MODEL_STREAM])
    settings = recipe.model.model_dump(exclude={"name"})
    builder = MODELS[recipe.model.name]
    return builder(input_shape=input_shape, num_classes=num_classes, rng=rng, **settings)


def build_loss(recipe: Recipe, num_classes: int) -> Loss:
    """The loss of [loss] as (outputs, labels) -> (value, gradient)."""
    settings = recipe.loss.model_dump(exclude={"name"})
    weights = settings.get("class_weights")
    if weights is not None:
        if len(weights) != num_classes:
            raise RecipeError(
                f"loss.class_weights has {len(weights)} numbers for {num_classes} classes"
            )
        settings["class_weights"] = np.asarray(weights, np.float32)
    function = {"cross-entropy": nn.cross_entropy, "nll": nn.nll, "mse": nn.mse}[recipe.loss.name]
    return partial(function, **settings)


def check_class_weights(recipe: Recipe, parts: Mapping[str, Dataset | None]) -> None:
    """Raise RecipeError where all labels of a part, given by its name, weigh 0: it has no loss."""
    for name, part in parts.items():
        loss = None if part is None else build_loss(recipe, part.num_classes)
        if part is not None and loss is not None and loss_weight(loss, part.labels) == 0:
            raise RecipeError(
                f"the class weights are 0 for every label of the {name} split, so it has no "
                "loss; give one of its classes a weight above 0 (loss.class_weights)"
            )


def build_schedule(recipe: Recipe, steps_per_epoch: int) -> optim.Schedule:
    """The schedule of [schedule], its epochs counted in optimizer steps.

    `schedule_notes` says what of it does not fit into the training.
    """
    said: Any = recipe.schedule
    lr = recipe.optimizer.lr
    total = recipe.training.epochs * steps_per_epoch
    made: dict[str, Callable[[], optim.Schedule]] = {
        "constant": lambda: optim.Constant(lr),
        "step": lambda: optim.StepDecay(lr, said.every * steps_per_epoch, said.factor),
        "multi-step": lambda: optim.MultiStep(
            lr, tuple(epoch * steps_per_epoch for epoch in said.milestones), said.factor
        ),
        "exponential": lambda: optim.Exponential(lr, said.factor, steps_per_epoch),
        "exponential-step": lambda: optim.ExponentialTime(lr, said.k),
        "cosine": lambda: optim.Cosine(lr, total, said.final),
        "linear": lambda: optim.Linear(lr, total, said.final),
        "one-cycle": lambda: optim.OneCycle(lr, total, said.rise),
    }
    schedule = made[said.name]()
    warmup = round(_warmup_epochs(recipe) * steps_per_epoch)
    return optim.Warmup(schedule, warmup) if warmup else schedule


def schedule_notes(recipe: Recipe) -> tuple[str, ...]:
    """What of [schedule] does not fit into the epochs, in sentences for a person.

    A warm-up that would last to the end takes half of the training; a rate that is to be lowered
    after the end is not lowered.
    """
    said: Any = recipe.schedule
    epochs = recipe.training.epochs
    of_training = f"the training has {epochs} epoch" + ("" if epochs == 1 else "s")
    notes: list[str] = []
    if said.warmup_epochs >= epochs:
        half = _warmup_epochs(recipe)
        notes.append(
            f"the warm-up is shortened to {half:g} epoch{'' if half == 1 else 's'}, half of the "
            "training: "
            f"schedule.warmup_epochs is {said.warmup_epochs:g}, and {of_training}"
        )
    if said.name == "step" and said.every >= epochs:
        notes.append(
            f"the learning rate is never lowered: schedule.every is {said.every} epochs, and "
            f"{of_training}"
        )
    if said.name == "multi-step" and (late := [m for m in said.milestones if m >= epochs]):
        notes.append(
            f"the learning rate is not lowered at epoch {', '.join(map(str, late))}, as "
            f"schedule.milestones asks: {of_training}"
        )
    return tuple(notes)


def _warmup_epochs(recipe: Recipe) -> float:
    """Those of the recipe; half of the training where it would end in its warm-up."""
    epochs = recipe.training.epochs
    asked = recipe.schedule.warmup_epochs
    return asked if asked < epochs else epochs / 2


def build_optimizer(recipe: Recipe, model: nn.Layer, steps_per_epoch: int) -> optim.Optimizer:
    """The rule of [optimizer] on the model's parameters, with its schedule and weight decay."""
    shared = {
        "name", "lr", "weight_decay", "decay_biases", "decoupled", "per_layer_decay",
        "clip_norm", "clip_value", "lookahead",
    }  # fmt: skip
    said = recipe.optimizer
    decay = optim.WeightDecay(
        said.weight_decay,
        decoupled=said.decoupled,
        biases_and_norms=said.decay_biases,
        per_layer=said.per_layer_decay or {},
    )
    rule: Callable[..., optim.Optimizer] = optim.OPTIMIZERS[said.name]
    return rule(
        model.named_parameters(),
        build_schedule(recipe, steps_per_epoch),
        weight_decay=decay,
        lookahead=said.lookahead and optim.Lookahead(said.lookahead.every, said.lookahead.share),
        **said.model_dump(exclude=shared),
    )


def check_gradients(
    recipe: Recipe, data_dir: Path | None = None, *, examples: int, tolerance: float
) -> nn.NetworkReport:
    """Check every layer of the recipe's network, untrained, on images of its training split."""
    parts = load_parts(recipe, data_dir)
    rng = np.random.default_rng([recipe.seed, GRADCHECK_STREAM])
    examples = min(examples, len(parts.train))
    chosen = parts.train.take(rng.choice(len(parts.train), examples, replace=False))
    x = parts.normalisation(chosen.images, np.float64)
    model = build_model(recipe, chosen.image_shape, chosen.num_classes)
    loss = build_loss(recipe, chosen.num_classes)
    return nn.gradcheck_network(model, x, chosen.labels, loss, rng=rng, tolerance=tolerance)
