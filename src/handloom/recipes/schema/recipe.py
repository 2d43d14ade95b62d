"""The whole recipe, and the checks that take two tables to make."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from handloom.recipes.schema.data import Augment, Data
from handloom.recipes.schema.loss import CrossEntropy, Loss
from handloom.recipes.schema.model import Model, Sequential
from handloom.recipes.schema.optimizer import Optimizer
from handloom.recipes.schema.schedule import Constant, Schedule
from handloom.recipes.schema.table import Table, refuse, said
from handloom.recipes.schema.torch import Torch
from handloom.recipes.schema.training import Training

Seed = Annotated[int, Field(ge=0, lt=2**63), said("a whole number from 0 up, below 2**63")]


class Recipe(Table):
    """All that determines a training: with the data and the machine, it gives the same bits."""

    description: Annotated[str, said("text in quotes")] = ""
    seed: Seed = 0
    engine: Literal["auto", "numpy", "loom", "torch"] = "auto"
    data: Data
    augment: Augment | None = None
    model: Model
    loss: Loss = CrossEntropy(name="cross-entropy")
    optimizer: Optimizer
    schedule: Schedule = Constant(name="constant")
    training: Training
    torch: Torch | None = None

    @model_validator(mode="after")
    def _tables_agree(self) -> Recipe:
        if self.loss.name == "nll" and not _ends_in_log_softmax(self.model):
            refuse(
                'loss.name is "nll", which needs a network that ends in log-softmax; '
                'use "cross-entropy", which includes it'
            )
        if self.loss.name == "nll" and self.augment is not None and self.augment.mixes:
            refuse(
                'loss.name is "nll", which takes no mixed labels; with augment.mixup or '
                'augment.cutmix use "cross-entropy" or "mse"'
            )
        if (
            self.torch is not None
            and self.torch.device not in ("auto", "cpu")
            and self.engine not in ("auto", "torch")
        ):
            refuse(
                f'torch.device is "{self.torch.device}", but engine is "{self.engine}", which runs '
                'on the CPU; set engine = "torch", or remove torch.device'
            )
        return self


def _ends_in_log_softmax(model: Model) -> bool:
    return isinstance(model, Sequential) and model.layers[-1].layer == "log-softmax"


def _kinds(union: Any) -> dict[str, type[Table]]:
    classes = get_args(get_args(union)[0])
    return {get_args(kind.model_fields["name"].annotation)[0]: kind for kind in classes}


KINDS = {
    "model": _kinds(Model),
    "loss": _kinds(Loss),
    "optimizer": _kinds(Optimizer),
    "schedule": _kinds(Schedule),
}
"""The tables that come in several kinds: their class by the `name` they are told apart by."""


def tables_with(key: str) -> list[str]:
    """The tables in which `key` can stand."""
    single = {"data": [Data], "augment": [Augment], "training": [Training], "torch": [Torch]}
    tables = {**single, **{table: list(kinds.values()) for table, kinds in KINDS.items()}}
    return [
        table
        for table, classes in tables.items()
        if any(key in kind.model_fields for kind in classes)
    ]
