"""AdamW: Adam whose weight decay is not divided by the gradient's size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from handloom.errors import ConfigError
from handloom.nn.layer import Parameter
from handloom.optim.adam import Adam
from handloom.optim.lookahead import Lookahead
from handloom.optim.schedules import Schedule
from handloom.optim.weight_decay import WeightDecay


class AdamW(Adam):
    """Adam with decoupled weight decay: w <- w - lr · decay · w, then Adam's step.

    In Adam the decay passes through the gradient, so weights with large gradients hardly decay;
    here all decay alike. A WeightDecay that says `decoupled=False` is a ConfigError: that is Adam.
    Source: Loshchilov & Hutter 2019, algorithm 2.
    """

    decouples_decay: ClassVar[bool] = True

    def __init__(
        self,
        params: Mapping[str, Parameter],
        lr: float | Schedule,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float | WeightDecay = 0.01,
        lookahead: Lookahead | None = None,
    ) -> None:
        super().__init__(
            params, lr, betas=betas, eps=eps, weight_decay=weight_decay, lookahead=lookahead
        )
        if not self.weight_decay.decoupled:
            raise ConfigError("AdamW's weight decay is decoupled; for coupled decay choose Adam")
