"""What a recipe can still change, in words: nothing that it has already, nothing it cannot have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from handloom.recipes import Recipe

AUGMENTING = ("rotate", "shift", "scale", "shear", "flip", "crop_padding", "erase",
              "elastic_alpha", "noise")  # fmt: skip
ADAPTIVE = ("adam", "adamw", "rmsprop", "muon")
HELD = 2.0  # times the bound: gradients so large are cut in most steps


def one_of(choices: Sequence[str], last: str = "or") -> str:
    """'a', 'a or b', 'a, b or c'."""
    *first, end = choices
    return f"{', '.join(first)} {last} {end}" if first else end


def against_memorising(recipe: Recipe) -> list[str]:
    """What makes it harder to memorise the training images."""
    told = ["train on all images (data.sample = 1)"] if recipe.data.sample < 1 else []
    told.append("augment more" if augments(recipe) else "augment the images ([augment])")
    told.append(_more(recipe.optimizer.weight_decay, "optimizer.weight_decay"))
    if (dropout := _of_model(recipe, "dropout")) is not None:
        told.append(_more(dropout, "model.dropout"))
    elif recipe.model.name == "sequential" and "dropout" not in layer_names(recipe):
        told.append("add a dropout layer")
    return [*told, "use a smaller network"]


def towards_fitting(recipe: Recipe) -> list[str]:
    """What lets a network that cannot fit its images fit them better."""
    return ["use a larger network", *_lowered(recipe)]


def towards_doubt(recipe: Recipe) -> list[str]:
    """What makes a network less confident."""
    told = []
    if recipe.loss.name == "cross-entropy":
        told.append(_more(recipe.loss.label_smoothing, "loss.label_smoothing"))
    told.append(_more(recipe.optimizer.weight_decay, "optimizer.weight_decay"))
    if recipe.loss.name != "nll":  # which takes no mixed labels
        told.append(_more(recipe.augment.mixup if recipe.augment else 0.0, "augment.mixup"))
    return [*told, "train for fewer epochs"]


def towards_certainty(recipe: Recipe) -> list[str]:
    """What makes a network more confident: less regularisation, and more training."""
    return [*_lowered(recipe), "train for more epochs"]


def early_stop(recipe: Recipe) -> str:
    """How a training is stopped at its lowest validation loss, in brackets."""
    said = recipe.training
    if said.early_stopping_patience is None:
        return "training.early_stopping_patience = 3"
    if said.early_stopping_monitor != "val_loss":
        return 'training.early_stopping_monitor = "val_loss"'
    if said.early_stopping_patience > 1:
        return f"a training.early_stopping_patience below {said.early_stopping_patience}"
    return f"training.epochs below {said.epochs}"


def bound(recipe: Recipe) -> str:
    """How steps are bounded more tightly."""
    clip = recipe.optimizer.clip_norm
    return "optimizer.clip_norm = 1" if clip is None else f"an optimizer.clip_norm below {clip:g}"


def held_back(recipe: Recipe, grad_norm: float) -> str:
    """What to say where it is clipping that makes steps short; else empty."""
    clip = recipe.optimizer.clip_norm
    if clip is None or not grad_norm > HELD * clip:
        return ""
    return (
        f"optimizer.clip_norm = {clip:g} cuts most gradients, whose norm is {grad_norm:.2g}: "
        "raise it or remove it"
    )


def lower_rate(recipe: Recipe) -> str:
    """A lower learning rate, beside the one that is used."""
    return f"an optimizer.lr below {recipe.optimizer.lr:g}"


def warm_up(recipe: Recipe) -> list[str]:
    """How a training starts more gently, if it can: a single cycle does already."""
    if recipe.schedule.name == "one-cycle":
        return []
    epochs = recipe.schedule.warmup_epochs
    longer = f"a schedule.warmup_epochs above {epochs:g}"
    return [longer if epochs else "schedule.warmup_epochs = 1"]


def normalising(recipe: Recipe) -> list[str]:
    """How the network gets a normalisation between its layers, if it has none and can."""
    if "norm" in type(recipe.model).model_fields and _of_model(recipe, "norm") is None:
        return ['model.norm = "batch"']
    if _of_model(recipe, "batch_norm") is False:
        return ["model.batch_norm = true"]
    if recipe.model.name == "sequential" and "batch-norm" not in layer_names(recipe):
        return ["a batch-norm layer after each linear or conv2d layer"]
    return []


def first_weights(recipe: Recipe, suits: str) -> list[str]:
    """The first weights that suit the activation, if the recipe asks for others."""
    if _of_model(recipe, "init") not in (None, suits):
        return [f'model.init = "{suits}"']
    if recipe.model.name == "sequential" and suits not in _values_of(recipe, "init"):
        return [f'init = "{suits}" in its layers']
    return []


def other_activation(recipe: Recipe, name: str) -> list[str]:
    """Another activation than the recipe's, if the network lets one choose."""
    if _of_model(recipe, "activation") not in (None, name):
        return [f'model.activation = "{name}"']
    own = recipe.model.name == "sequential" and name not in layer_names(recipe)
    return [f"{name} layers"] if own else []


def layer_names(recipe: Recipe) -> set[str]:
    """The kinds of a sequential model's layers; of another model, none."""
    return set(_values_of(recipe, "layer"))


def has_convolutions(recipe: Recipe) -> bool:
    """Whether the network has convolutions."""
    return recipe.model.name not in ("mlp", "sequential") or "conv2d" in layer_names(recipe)


def augments(recipe: Recipe) -> bool:
    """Whether any amount of [augment] is above 0, mixing aside."""
    return recipe.augment is not None and any(getattr(recipe.augment, key) for key in AUGMENTING)


def _lowered(recipe: Recipe) -> list[str]:
    """Less of each restraint that the recipe has."""
    augment = recipe.augment
    restraints: Mapping[str, float] = {
        "loss.label_smoothing": getattr(recipe.loss, "label_smoothing", 0.0),
        "augment.mixup": augment.mixup if augment is not None else 0.0,
        "augment.cutmix": augment.cutmix if augment is not None else 0.0,
        "optimizer.weight_decay": recipe.optimizer.weight_decay,
        "model.dropout": _of_model(recipe, "dropout") or 0.0,
        "model.conv_dropout": _of_model(recipe, "conv_dropout") or 0.0,
    }
    told = [f"lower {key}, which is {value:g}" for key, value in restraints.items() if value]
    if "dropout" in layer_names(recipe):
        told.append("lower the rate of its dropout layers")
    return [*told, "augment less"] if augments(recipe) else told


def _more(value: float, key: str) -> str:
    """More of a key that may be 0 now."""
    return f"raise {key}, which is {value:g}" if value else f"add {key}"


def _of_model(recipe: Recipe, key: str) -> Any:
    return getattr(recipe.model, key, None)


def _values_of(recipe: Recipe, key: str) -> list[str]:
    if recipe.model.name != "sequential":
        return []
    return list(_found(recipe.model.model_dump(mode="json"), key))


def _found(value: Any, key: str) -> Iterator[Any]:
    """What stands under `key` in tables and lists, however deep."""
    inner = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict) and key in value:
        yield value[key]
    if isinstance(value, dict | list | tuple):
        for each in inner:
            yield from _found(each, key)
