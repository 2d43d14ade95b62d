"""What the JSON files of a run may hold, key by key: a folder may come from somebody else."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from handloom.errors import RunError

Kind = tuple[str, Callable[[Any], bool]]
"""What a value should be, in words, and whether it is."""
Kinds = Mapping[str, "Kind | Kinds"]
"""By key; a key that ends in ? may be missing, others that are not named may be there."""

MOST_COUNTED = 2**53  # beyond it, JSON's readers round
LARGEST = 1e300  # so that sums of figures stay finite
LONGEST_NAME = 1000
LARGEST_SIDE = 1 << 16


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < MOST_COUNTED


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < LARGEST


def _is_text(value: Any) -> bool:
    return type(value) is str and len(value) <= LONGEST_NAME and value.isprintable()


def _are_names(value: Any) -> bool:
    return (
        type(value) is list
        and len(value) > 0
        and all(_is_text(name) and name.strip() for name in value)
        and len(set(value)) == len(value)
    )


def _is_shape(value: Any) -> bool:
    return (
        type(value) is list
        and len(value) == 3
        and all(_is_count(size) and 0 < size < LARGEST_SIDE for size in value)
        and math.prod(value) < MOST_COUNTED
    )


COUNT: Kind = ("a whole number from 0 up", _is_count)
NUMBER: Kind = ("a number", _is_number)
NUMBER_OR_NULL: Kind = ("a number or null", lambda value: value is None or _is_number(value))
SHARE: Kind = ("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
TEXT: Kind = ("a text", _is_text)
TEXT_OR_NULL: Kind = ("a text or null", lambda value: value is None or _is_text(value))
SIGN: Kind = ("true or false", lambda value: type(value) is bool)
TABLE: Kind = ("an object", lambda value: type(value) is dict)
NUMBERS: Kind = (
    "a list of numbers",
    lambda value: type(value) is list and all(map(_is_number, value)),
)
TEXTS: Kind = ("a list of texts", lambda value: type(value) is list and all(map(_is_text, value)))

PART: Kinds = {"accuracy": SHARE, "loss": NUMBER_OR_NULL}
LOOKED_AT: Kinds = {
    "accuracy?": SHARE,
    "loss?": NUMBER_OR_NULL,
    "evaluations": COUNT,
    "tta?": {**PART, "variants": TEXTS},
}
RESULT: Kinds = {"validation?": PART, "test?": LOOKED_AT}
FINISHED: Kinds = {
    "validation": PART,
    "test?": {**LOOKED_AT, **PART},
    "best_epoch": COUNT,
    "epochs": COUNT,
    "seconds": NUMBER,
    "parameters": COUNT,
    "engine?": TEXT,
    "seed?": COUNT,
    "imported?": {"file": TEXT, "sha256": TEXT, "matched": TEXT},
}
"""result.json, until the training has ended, and then."""

EPOCH_OF_WEIGHTS: Kinds = {"epoch": COUNT}
"""The state of best.safetensors."""

ENVIRONMENT: Kinds = {"processor": TEXT, "threads": COUNT}
"""environment.json, as far as it is read."""

DIVERGED: Kinds = {"epoch": COUNT}
"""diverged.json."""

DATA: Kinds = {
    "name?": TEXT,
    "class_names": ("a list of different names", _are_names),
    "image_shape": ("three sizes, (C, H, W)", _is_shape),
    "normalisation": {"kind": TEXT, "mean?": NUMBERS, "std?": NUMBERS},
    "pictures": {"train": COUNT, "validation": COUNT, "test": COUNT},
    "fingerprints": {"train": TEXT, "validation": TEXT, "test": TEXT_OR_NULL},
}
"""data.json."""

MEASURED: Kinds = {
    "train_loss": NUMBER_OR_NULL,
    "train_accuracy": NUMBER_OR_NULL,
    "val_loss": NUMBER_OR_NULL,
    "val_accuracy": NUMBER_OR_NULL,
    "lr": NUMBER_OR_NULL,
    "grad_norm": NUMBER_OR_NULL,
    "images_per_s": NUMBER_OR_NULL,
}
ROW: Kinds = {"step": COUNT, "mid_epoch?": SIGN, "epoch?": COUNT, "seconds?": NUMBER} | {
    f"{name}?": kind for name, kind in MEASURED.items()
}
"""A row of metrics.jsonl, as every training writes it."""
EPOCH: Kinds = {"step": COUNT, "epoch": COUNT, "seconds": NUMBER, **MEASURED}
"""A whole epoch's row of a run."""


def check_kept(path: Path | str, value: Any, kinds: Kinds, within: str = "") -> None:
    """Raise RunError, naming file and key, unless `value` is an object of these kinds."""
    if type(value) is not dict:
        raise RunError(f"{path} is damaged: {within or 'it'} should be one JSON object")
    for name, kind in kinds.items():
        key = name.removesuffix("?")
        where = f"{within}.{key}" if within else key
        if key not in value:
            if name == key:
                raise RunError(f"{path} is damaged: it has no {where!r}")
        elif isinstance(kind, Mapping):
            check_kept(path, value[key], kind, where)
        elif not kind[1](value[key]):
            raise RunError(
                f"{path} is damaged: {where} should be {kind[0]}, and is {_shown(value[key])}"
            )


def _shown(value: Any) -> str:
    """The value, as far as it is short."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    if type(value) is int and abs(value) >= MOST_COUNTED:
        return "a huge number"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
