"""What goes with an activation: its layer, and the initialiser that suits it."""

from __future__ import annotations

from handloom.models.sequential import LayerSpec

OUTPUT_INIT = "lecun-normal"
"""For the last layer, which no activation follows."""


def activation_spec(name: str, negative_slope: float) -> LayerSpec:
    """The layer, for `from_layers`."""
    if name == "leaky-relu":
        return {"layer": name, "negative_slope": negative_slope}
    return {"layer": name}


def suited_init(activation: str) -> str:
    """He's for what halves its input, Glorot's for what is linear near zero."""
    return "xavier-normal" if activation in ("sigmoid", "tanh") else "he-normal"
