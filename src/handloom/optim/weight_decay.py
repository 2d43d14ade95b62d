"""Weight decay: which parameters shrink, and how fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from handloom.errors import ConfigError
from handloom.nn.layer import Parameter
from handloom.optim._ranges import in_range


@dataclass(frozen=True, slots=True)
class WeightDecay:
    """How fast each parameter w shrinks towards zero, by itself.

        coupled (L2):  g <- g + value · w          the gradient of value/2 · ‖w‖², before the rule
        decoupled:     w <- w - lr · value · w     beside the rule, untouched by its scaling

    `decoupled=None` takes the rule's own form: coupled, and decoupled for AdamW.
    Biases and the parameters of norms do not decay unless `biases_and_norms`.
    `per_layer` maps attribute paths to values of their own: "2" or "2.body" is a layer and all
    below it, "2.weight" one parameter; the longest path wins. A parameter that is named in full
    decays whatever it is.

    Raises ConfigError for a value outside [0, ∞).
    Source: Krogh & Hertz 1991 (coupled); Loshchilov & Hutter 2019 (decoupled).
    """

    value: float
    decoupled: bool | None = None
    biases_and_norms: bool = False
    per_layer: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        in_range("weight decay", self.value, "[0, ∞)")
        for path, value in self.per_layer.items():
            in_range(f"weight decay of {path!r}", value, "[0, ∞)")

    def values(self, params: Mapping[str, Parameter]) -> dict[str, float]:
        """The decay of every parameter by name; ConfigError if a `per_layer` path acts on none."""
        for path, value in self.per_layer.items():
            covered = [name for name in params if _covers(path, name)]
            if not covered:
                raise ConfigError(
                    f"weight decay per layer names {path!r}, but no parameter is below it; "
                    f"there are {', '.join(params)}"
                )
            if value and not any(self._acts_on(name, params[name]) for name in covered):
                raise ConfigError(
                    f"weight decay per layer names {path!r}, below which are only biases and norm "
                    f"parameters: name {' or '.join(covered)} in full, or set biases_and_norms"
                )
        return {name: self._value(name, param) for name, param in params.items()}

    def _acts_on(self, name: str, param: Parameter) -> bool:
        return param.decay or self.biases_and_norms or name in self.per_layer

    def _value(self, name: str, param: Parameter) -> float:
        if not self._acts_on(name, param):
            return 0.0
        paths = [path for path in self.per_layer if _covers(path, name)]
        return float(self.per_layer[max(paths, key=len)] if paths else self.value)


def _covers(path: str, name: str) -> bool:
    """Whether the parameter `name` is `path`, or lies under it: '2' covers '2.bias', not '21'."""
    return f"{name}.".startswith(f"{path}.")
