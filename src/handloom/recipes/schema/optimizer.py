"""[optimizer]: the rule by which weights follow their gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import Field, model_validator

from handloom import optim
from handloom.recipes.schema.table import (
    Count,
    Flag,
    Fraction,
    NotNegative,
    Positive,
    Share,
    Table,
    refuse,
    said,
    table_of,
)

Betas = Annotated[tuple[Fraction, Fraction], Field(strict=False)]


class Lookahead(Table):
    """Every `every` steps the weights are set back to slow ones that went `share` of the way."""

    every: Count = 5  # steps
    share: Share = 0.5


class _Rule(Table):
    lr: Positive
    weight_decay: NotNegative = 0.0
    decay_biases: Flag = False  # biases and the parameters of norms too
    decoupled: Flag | None = None  # beside the gradient or in it; none: the rule's own form
    per_layer_decay: dict[str, NotNegative] | None = None  # {"3.weight" or "3": weight decay}
    clip_norm: Positive | None = None  # of all gradients together
    clip_value: Positive | None = None  # of each gradient
    lookahead: Lookahead | None = None  # around the rule, whichever it is


class AdamW(_Rule):
    """Adam with decoupled weight decay."""

    name: Literal["adamw"]
    weight_decay: NotNegative = 0.01
    betas: Betas = (0.9, 0.999)
    eps: Positive = 1e-8

    @model_validator(mode="after")
    def _is_decoupled(self) -> AdamW:
        if self.decoupled is False:
            refuse('AdamW\'s weight decay is decoupled; for coupled weight decay set name = "adam"')
        return self


class Muon(_Rule):
    """Momentum made orthogonal for weight matrices and kernels; `others` for biases and norms."""

    name: Literal["muon"]
    momentum: Fraction = 0.95
    nesterov: Flag = True
    rounds: Annotated[int, Field(ge=1, le=20), said("a whole number from 1 to 20")] = 5
    hidden_only: Flag = False  # leave the first and the last weight matrix to `others` as well
    others: Literal["adamw", "nesterov"] = "adamw"
    others_lr_scale: Positive = 0.1  # their learning rate, as a multiple of lr


SETTINGS: dict[str, Any] = {
    "momentum": Fraction,
    "alpha": Fraction,
    "betas": Betas,
    "eps": Positive,
}
"""What values the settings of rules take; their names and defaults are the constructors'."""

_OWN: dict[str, type[_Rule]] = {"adamw": AdamW, "muon": Muon}
_TABLES = [
    _OWN.get(name) or table_of(kind, _Rule, "name", name, SETTINGS)
    for name, kind in optim.OPTIMIZERS.items()
]
if TYPE_CHECKING:

    class Optimizer(_Rule):
        """Any rule."""

        name: str
else:
    Optimizer = Annotated[Union[tuple(_TABLES)], Field(discriminator="name")]  # noqa: UP007
