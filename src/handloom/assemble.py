"""From a recipe to objects: the one place where names become data, model, optimizer, engine.

Every function takes a validated Recipe and plain sizes, and returns objects that know nothing of
recipes. Chance enters here, from the recipe's seed, one stream a purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from handloom import data, models, nn, optim
from handloom._typing import Shape
from handloom.data import Augmentation, Batches, Dataset, Normalisation
from handloom.engines import Choice, Engine, Loss, available_cores, choose_engine
from handloom.errors import RecipeError
from handloom.recipes import Recipe
from handloom.training import History, Trainer
from handloom.training.callbacks import Callback, EarlyStop, Plateau

MODEL_STREAM, GRADCHECK_STREAM = 1, 2  # streams of the seed: first weights; directions of a check


@dataclass(frozen=True)
class Parts:
    """The data of a training: the parts, and the normalisation fitted on the training part."""

    train: Dataset
    validation: Dataset
    test: Dataset | None
    normalisation: Normalisation
    augmentation: Augmentation | None

    def describe(self) -> dict[str, Any]:
        """What a run keeps of its data, JSON-ready."""
        return {
            "name": self.train.name,
            "class_names": list(self.train.class_names),
            "image_shape": list(self.train.image_shape),
            "normalisation": self.normalisation.to_json(),
            "pictures": {
                "train": len(self.train),
                "validation": len(self.validation),
                "test": 0 if self.test is None else len(self.test),
            },
            "fingerprints": {
                "train": self.train.fingerprint(),
                "validation": self.validation.fingerprint(),
                "test": None if self.test is None else self.test.fingerprint(),
            },
        }


def load_data(recipe: Recipe, data_dir: Path | None = None) -> data.TrainTest:
    """The pictures that [data] names; raises DataError where they cannot be had."""
    source = recipe.data
    if source.name is not None:
        return data.load(source.name, data_dir)
    if source.idx is not None:
        return data.read_idx_folder(Path(source.idx))
    if source.folder is not None:
        return data.read_folder(Path(source.folder))
    if source.images is None or source.labels is None:
        raise RecipeError("data names no source of pictures")
    train = data.read_table(Path(source.images), Path(source.labels))
    if source.test_images is None or source.test_labels is None:
        return data.TrainTest(train)
    test = data.read_table(
        Path(source.test_images), Path(source.test_labels), class_names=train.class_names
    )
    return data.TrainTest(train, test)


def load_parts(recipe: Recipe, data_dir: Path | None = None) -> Parts:
    """Load, sample, split, fit the normalisation, augment by appending, in this order."""
    source, seed = recipe.data, recipe.seed
    whole = load_data(recipe, data_dir)
    known = whole.train
    if source.sample < 1.0:
        known = data.sample(known, source.sample, seed=seed, stratify=source.stratify)
    train, validation = data.split(known, source.validation, seed=seed, stratify=source.stratify)
    augmentation = build_augmentation(recipe)
    normalisation = Normalisation.fit(source.normalise, train.images)
    if recipe.augment is not None and recipe.augment.mode == "append" and augmentation is not None:
        train = data.append(train, augmentation, recipe.augment.copies, seed=seed)
        augmentation = None
    return Parts(train, validation, whole.test, normalisation, augmentation)


def build_augmentation(recipe: Recipe) -> Augmentation | None:
    """The augmentation of [augment], if there is one."""
    if recipe.augment is None:
        return None
    return Augmentation(**recipe.augment.model_dump(exclude={"mode", "copies"}))


def build_model(recipe: Recipe, input_shape: Shape, num_classes: int) -> nn.Sequential:
    """The network of [model] for pictures (C, H, W); raises ShapeError where it cannot fit."""
    rng = np.random.default_rng([recipe.seed, MODEL_STREAM])
    settings = recipe.model.model_dump(exclude={"name"})
    builder: Callable[..., nn.Sequential] = {
        "mlp": models.mlp,
        "lenet": models.lenet,
        "sequential": models.from_layers,
    }[recipe.model.name]
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


def build_schedule(recipe: Recipe, steps_per_epoch: int) -> optim.Schedule:
    """The schedule of [schedule], its epochs counted in optimizer steps."""
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
    warmup = round(said.warmup_epochs * steps_per_epoch)
    return optim.Warmup(schedule, warmup) if warmup else schedule


def build_optimizer(recipe: Recipe, model: nn.Layer, steps_per_epoch: int) -> optim.Optimizer:
    """The rule of [optimizer] on the model's parameters, with its schedule and weight decay."""
    shared = {
        "name", "lr", "weight_decay", "decay_biases", "decoupled", "per_layer_decay",
        "clip_norm", "clip_value",
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
        **said.model_dump(exclude=shared),
    )


def build_engine(recipe: Recipe, parts: Parts) -> Choice:
    """Model, loss and optimizer in the engine that the recipe asks for, and why it is that one."""
    num_classes = parts.train.num_classes
    channels, height, width = parts.train.image_shape
    model = build_model(recipe, (channels, height, width), num_classes)
    _check_last_batch(recipe, model, len(parts.train))
    return choose_engine(
        recipe.engine,
        model,
        build_loss(recipe, num_classes),
        build_optimizer(recipe, model, training_batches(recipe, parts).steps_per_epoch),
        input_shape=(channels, height, width),
        batch_size=recipe.training.batch_size,
        threads=count_threads(recipe),
        normalisation=parts.normalisation,
        clip_norm=recipe.optimizer.clip_norm,
        clip_value=recipe.optimizer.clip_value,
        ema=recipe.training.ema,
    )


def build_predictor(recipe: Recipe, model: nn.Layer, image_shape: Shape) -> Engine:
    """The engine that `model` was trained in; numpy, where the loom does not run any more."""
    channels, height, width = image_shape
    (num_classes,) = model.output_shape(image_shape)
    return choose_engine(
        "numpy" if recipe.engine == "numpy" else "auto",
        model,
        build_loss(recipe, num_classes),
        build_optimizer(recipe, model, 1),
        input_shape=(channels, height, width),
        batch_size=recipe.training.batch_size,
        threads=count_threads(recipe),
    ).engine


def count_threads(recipe: Recipe) -> int:
    """Threads to compute with: the recipe's, or every core that the process may use."""
    return recipe.training.threads or available_cores()


def _check_last_batch(recipe: Recipe, model: nn.Layer, num_pictures: int) -> None:
    """A batch norm has no variance to take from a single row: say so before training meets it."""
    batch_size = recipe.training.batch_size
    left_over = num_pictures % batch_size or batch_size
    has_norm = any(isinstance(layer, nn.BatchNorm1d) for _, layer in model.named_layers())
    if has_norm and left_over == 1:
        raise RecipeError(
            f"training.batch_size = {batch_size} makes a batch of one of the {num_pictures} "
            "pictures to train on, and batch norm needs two; take another batch size"
        )


def build_trainer(
    recipe: Recipe,
    parts: Parts,
    choice: Choice,
    *,
    callbacks: list[Callback],
    history: History | None = None,
) -> Trainer:
    """All of it, ready to `fit`; the recipe's own callbacks come before those that are given."""
    said = recipe.training
    own: list[Callback] = []
    if said.plateau is not None:
        own.append(Plateau(said.plateau.monitor, said.plateau.factor, said.plateau.patience))
    if said.early_stopping_patience is not None:
        own.append(EarlyStop(said.early_stopping_monitor, said.early_stopping_patience))
    return Trainer(
        choice.engine,
        training_batches(recipe, parts),
        evaluation_batches(recipe, parts.validation, parts.normalisation),
        epochs=said.epochs,
        monitor=said.monitor,
        evaluate_every=said.evaluate_every,
        callbacks=[*own, *callbacks],
        history=history,
        notes=choice.notes,
    )


def training_batches(recipe: Recipe, parts: Parts) -> Batches:
    """The training part in the recipe's batches, in a new order every epoch."""
    return Batches(
        parts.train,
        parts.normalisation,
        recipe.training.batch_size,
        seed=recipe.seed,
        augmentation=parts.augmentation,
    )


def evaluation_batches(recipe: Recipe, part: Dataset, normalisation: Normalisation) -> Batches:
    """A part in its own order, in the recipe's evaluation batches."""
    size = recipe.training.eval_batch_size
    return Batches(part, normalisation, size, seed=recipe.seed, shuffle=False)


def check_gradients(
    recipe: Recipe, data_dir: Path | None = None, *, examples: int, tolerance: float
) -> nn.NetworkReport:
    """Check every layer of the recipe's network, untrained, on pictures of its training part."""
    parts = load_parts(recipe, data_dir)
    rng = np.random.default_rng([recipe.seed, GRADCHECK_STREAM])
    examples = min(examples, len(parts.train))
    chosen = parts.train.take(rng.choice(len(parts.train), examples, replace=False))
    x = parts.normalisation(chosen.images, np.float64)
    model = build_model(recipe, chosen.image_shape, chosen.num_classes)
    loss = build_loss(recipe, chosen.num_classes)
    return nn.gradcheck_network(model, x, chosen.labels, loss, rng=rng, tolerance=tolerance)
