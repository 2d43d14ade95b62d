"""[schedule]: how the learning rate goes from `optimizer.lr` on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from handloom.recipes.schema.table import Between, Count, Counts, NotNegative, Share, Table, refuse


class _Schedule(Table):
    warmup_epochs: NotNegative = 0.0


class Constant(_Schedule):
    """The same all along."""

    name: Literal["constant"]


class Step(_Schedule):
    """Times `factor` after every `every` epochs."""

    name: Literal["step"]
    every: Count  # epochs
    factor: Share = 0.1


class MultiStep(_Schedule):
    """Times `factor` after each of the `milestones`."""

    name: Literal["multi-step"]
    milestones: Counts  # epochs
    factor: Share = 0.1

    @model_validator(mode="after")
    def _milestones_rise(self) -> MultiStep:
        if not self.milestones or list(self.milestones) != sorted(set(self.milestones)):
            refuse(f"milestones have to increase, got {list(self.milestones)}")
        return self


class Exponential(_Schedule):
    """Times `factor` after every epoch."""

    name: Literal["exponential"]
    factor: Share


class ExponentialStep(_Schedule):
    """lr · exp(-k · step)."""

    name: Literal["exponential-step"]
    k: NotNegative  # per step


class Cosine(_Schedule):
    """Half a cosine down to `final` at the last step."""

    name: Literal["cosine"]
    final: NotNegative = 0.0  # learning rate


class Linear(_Schedule):
    """A straight line down to `final` at the last step."""

    name: Literal["linear"]
    final: NotNegative = 0.0  # learning rate


class OneCycle(_Schedule):
    """Up to `optimizer.lr` and down to nearly nothing, both along a cosine."""

    name: Literal["one-cycle"]
    rise: Between = 0.3  # the share of all steps that goes up


Schedule = Annotated[
    Constant | Step | MultiStep | Exponential | ExponentialStep | Cosine | Linear | OneCycle,
    Field(discriminator="name"),
]
