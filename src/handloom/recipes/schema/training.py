"""[training]: how long, in what portions, and what is watched and kept."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from handloom.recipes.schema.data import Side
from handloom.recipes.schema.table import Between, Count, Flag, Share, Table, refuse, said

Monitor = Literal["val_loss", "val_accuracy"]
Keep = Annotated[
    Literal["all", "best-and-last"] | Count,
    said('"all", "best-and-last", or how many of the last to keep'),
]


class Plateau(Table):
    """Learning rate times `factor` when `monitor` has not improved for `patience` epochs."""

    factor: Between = 0.1
    patience: Count = 5
    monitor: Monitor = "val_loss"


class Size(Table):
    """Images `size` pixels high, their width in proportion, until a share of the epochs."""

    until: Share
    size: Side


class Training(Table):
    """The loop. `monitor` chooses the epoch whose weights are the best ones."""

    epochs: Count
    batch_size: Count
    monitor: Monitor = "val_accuracy"
    early_stopping_patience: Count | None = None  # epochs without improvement
    early_stopping_monitor: Monitor = "val_loss"
    plateau: Plateau | None = None
    evaluate_every: Annotated[int, Field(ge=1), said("a whole number from 1 up")] | None = None
    checkpoints: Keep = "best-and-last"
    ema: Between | None = None  # decay of the running mean of the weights, per step
    eval_batch_size: Count = 1000
    threads: Count | None = None
    tensorboard: Flag = False  # write events for TensorBoard into the run's folder
    sizes: Annotated[tuple[Size, ...], Field(strict=False, max_length=100)] = ()  # to begin with

    @model_validator(mode="after")
    def _sizes_follow_each_other(self) -> Training:
        if any(later.until <= earlier.until for earlier, later in pairwise(self.sizes)):
            refuse("sizes have to be in order: each until has to be above the one before")
        return self
