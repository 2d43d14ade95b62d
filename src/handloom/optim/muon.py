"""Muon: momentum whose step is made orthogonal, so that every direction of a matrix moves alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, get_args

import numpy as np

from handloom._typing import FloatArray
from handloom.errors import ConfigError
from handloom.nn.layer import Parameter
from handloom.optim._ranges import in_range, whole_number
from handloom.optim.adamw import AdamW
from handloom.optim.lookahead import Lookahead
from handloom.optim.nesterov import Nesterov
from handloom.optim.optimizer import Optimizer, Slots
from handloom.optim.schedules import Schedule
from handloom.optim.weight_decay import WeightDecay

OtherRule = Literal["adamw", "nesterov"]

QUINTIC = (3.4445, -4.7750, 2.0315)
"""(a, b, c) of p(σ) = aσ + bσ³ + cσ⁵: steep at zero, and near 1 after a few rounds for σ in (0, 1].

Jordan 2024 chose them for speed: singular values end between about 0.7 and 1.2, not at 1.
"""
LEAST_NORM = 1e-7
"""A matrix smaller than this is not blown up to norm 1: a gradient of zeros moves nothing."""


class Muon(Optimizer):
    """Momentum, orthogonalised by Newton-Schulz, for weight matrices; another rule for the rest.

        V <- μ V + G                  U = G + μ V  (nesterov), or V
        O = U's nearest orthogonal matrix, roughly: `orthogonalise(U, rounds)`
        W <- W - lr · √max(1, rows / columns) · O

    A matrix is every weight of two axes or more; a kernel (out, in, kh, kw) counts as (out,
    in·kh·kw). The others (biases, norms) follow `others`, AdamW or Nesterov's momentum of 0.9, at
    the learning rate lr · others_lr_scale. With `hidden_only` so do the first and the last matrix,
    which Jordan recommends for deep networks. Weight decay is decoupled by default.

    momentum μ in [0, 1), others_lr_scale in (0, ∞), rounds from 1 up. Raises ConfigError for
    settings out of range, and where `hidden_only` leaves no matrix.
    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; Bernstein
    & Newhouse 2024 for why.
    """

    decouples_decay: ClassVar[bool] = True

    def __init__(
        self,
        params: Mapping[str, Parameter],
        lr: float | Schedule,
        *,
        momentum: float = 0.95,
        nesterov: bool = True,
        rounds: int = 5,
        hidden_only: bool = False,
        others: OtherRule = "adamw",
        others_lr_scale: float = 0.1,
        weight_decay: float | WeightDecay = 0.0,
        lookahead: Lookahead | None = None,
    ) -> None:
        super().__init__(params, lr, weight_decay=weight_decay, lookahead=lookahead)
        self.momentum = in_range("momentum", momentum, "[0, 1)")
        self.nesterov = nesterov
        self.rounds = whole_number("rounds", rounds, at_least=1)
        self.hidden_only = hidden_only
        self.others_lr_scale = in_range("others_lr_scale", others_lr_scale, "(0, ∞)")
        if others not in get_args(OtherRule):
            raise ConfigError(
                f"others has to be one of {', '.join(get_args(OtherRule))}, got {others!r}"
            )
        self.others: OtherRule = others
        self.matrices = frozenset(_matrices(self.params, hidden_only=hidden_only))
        """Names of the parameters whose steps are made orthogonal."""
        self._orthogonal = {id(self.params[name]) for name in self.matrices}
        # Only its two hooks are used; it holds no slots and counts no steps of its own.
        rule = AdamW if others == "adamw" else Nesterov
        self.other_rule: AdamW | Nesterov = rule(self.params, self.lr)

    def lr_of(self, param: Parameter, lr: float) -> float:
        """lr for a matrix, lr · others_lr_scale for any other parameter."""
        return lr if id(param) in self._orthogonal else lr * self.others_lr_scale

    def init_slots(self, param: Parameter) -> Slots:
        """`velocity` V of a matrix; what the other rule remembers of any other parameter."""
        if id(param) in self._orthogonal:
            return {"velocity": np.zeros_like(param.value)}
        return self.other_rule.init_slots(param)

    def update(self, param: Parameter, grad: FloatArray, slots: Slots, lr: float) -> None:
        """The formula of the class, in place."""
        if id(param) not in self._orthogonal:
            self.other_rule.steps = self.steps
            self.other_rule.update(param, grad, slots, lr)
            return
        velocity = slots["velocity"]
        velocity *= self.momentum
        velocity += grad
        ahead = grad + self.momentum * velocity if self.nesterov else velocity
        matrix = ahead.reshape(len(ahead), -1)
        rows, columns = matrix.shape
        change = orthogonalise(matrix, self.rounds)
        change *= lr * max(1.0, rows / columns) ** 0.5
        param.value -= change.reshape(param.shape)


def orthogonalise(matrix: FloatArray, rounds: int) -> FloatArray:
    """U p(…p(Σ / ‖Σ‖)) Vᵀ for matrix = U Σ Vᵀ (m, n), without computing its decomposition.

    p is the polynomial of QUINTIC, used `rounds` times:  X <- aX + (bA + cA²) X with A = X Xᵀ. The
    norm is Frobenius', below which no singular value lies outside [0, 1].
    Source: Jordan et al. 2024; Newton-Schulz iterations go back to Schulz 1933.
    """
    a, b, c = QUINTIC
    x = matrix / max(float(np.linalg.norm(matrix)), LEAST_NORM)
    tall = len(x) > x.shape[1]
    if tall:  # A is made of the shorter side
        x = x.T
    for _ in range(rounds):
        gram = x @ x.T
        inner = c * (gram @ gram)
        inner += b * gram
        x = a * x + inner @ x
    return x.T if tall else x


def _matrices(params: Mapping[str, Parameter], *, hidden_only: bool) -> list[str]:
    """Names of the weights of two axes or more, in order; without both ends if `hidden_only`.

    Biases and the parameters of norms, whatever their shape, are those that do not decay.
    """
    names = [name for name, param in params.items() if param.value.ndim >= 2 and param.decay]
    if not hidden_only:
        return names
    if len(names) <= 2:
        raise ConfigError(
            f"hidden_only leaves the first and the last weight matrix to the other rule, and there "
            f"are only {len(names)}: set hidden_only to false, or use that rule directly"
        )
    return names[1:-1]
